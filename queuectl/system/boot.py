"""Which run of which machine this is, and how long it has been up; imports os and time alone.

Neither clock in here is ever set, so that all processes of one boot agree on what happened when.
"""
# pathlib takes longer to load than all of a guardian's work:
# ruff: noqa: PTH115, PTH116, PTH123

import os
import time
from functools import cache

from .interrupts import own


@cache
def boot() -> str:
    """Name this boot of this machine; empty where the platform does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except own(OSError):
        return ""


@cache
def pid_space() -> str:
    """Name where process ids mean what they mean here: the boot, and after a slash the namespace of processes.

    Either is empty where the platform does not say. A namespace's number is given away again when it is
    gone, so the start of its first process is part of the name, unless that is hidden.
    """
    if not sees_processes():
        return f"{boot()}/"
    try:
        return f"{boot()}/{os.stat('/proc/self/ns/pid').st_ino}/{_start_of_first()}"
    except own(OSError):
        return f"{boot()}/"


def _start_of_first() -> str:
    try:
        with open("/proc/1/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except own(OSError, IndexError):
        return ""


@cache
def sees_processes() -> bool:
    """Whether /proc is there and of this process's own namespace: in another's, ids mean other processes."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            ids = next((line.split()[1:] for line in file if line.startswith("NSpid:")), None)
    except own(OSError):
        return False
    return ids == [str(os.getpid())] if ids is not None else os.readlink("/proc/self") == str(os.getpid())


def awake_s() -> float:
    """Return the seconds of a clock that stands still while the machine sleeps, as its processes do."""
    return time.monotonic()


def booted_s() -> float:
    """Return the seconds since the machine was started, which processes' start times count from."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
