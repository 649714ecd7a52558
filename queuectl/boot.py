"""Which run of which machine this is, and how long it has been up; imports os and time alone.

Neither clock in here is ever set, so that all processes of one boot agree on what happened when.
"""
# pathlib takes longer to load than all of a guardian's work:
# ruff: noqa: PTH116, PTH123

import os
import time
from functools import cache


@cache
def boot() -> str:
    """Name this boot of this machine; empty where the platform does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


@cache
def place() -> str:
    """Name where process ids mean what they mean here: the boot, and the namespace of processes.

    Empty where the platform does not say.
    """
    try:
        return f"{boot()}/{os.stat('/proc/self/ns/pid').st_ino}" if boot() else ""
    except OSError:
        return ""


def awake_s() -> float:
    """Give the seconds of a clock that stands still while the machine sleeps, as its processes do."""
    return time.monotonic()


def booted_s() -> float:
    """Give the seconds since the machine was started, which processes' start times count from."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
