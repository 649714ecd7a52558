"""What a worker that is gone has left running: found by its process groups and by the mark its commands carry.

Kills and looks, no more; waits for nothing. Imports nothing of ours but the lock file. Only where
there is a /proc: elsewhere the process groups are signalled, and what became of them is not known.
"""
# pathlib takes longer to load than all of a guardian's work:
# ruff: noqa: PTH123, PTH208

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from .lockfile import Run, Sighting

MARK: Final = "QUEUECTL_RUN"
"""The environment variable that tells which run a process belongs to, wherever it has gone."""

_SLACK_S: Final = 1.0
"""A command may have been started after its worker's last sign of life."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class _Process(NamedTuple):
    pid: int
    group: int
    started_s: float  # since the machine was


def mark_of(worker: str, token: int) -> str:
    """Give the value that a run's processes carry."""
    return f"{worker}.{token}"


def unmarked(environ: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Give an environment for a process that is to outlive the run which starts it."""
    return {name: value for name, value in environ.items() if name != MARK.encode()}


def put_down(sighting: Sighting, runs: list[Run]) -> bool:
    """Kill what is left of a worker's runs; tells whether nothing was.

    One call is not enough: what was just being started may show up after it.
    """
    if not runs:
        return True
    there = list(_processes())
    groups = _groups(sighting, runs, there)
    for group in groups:
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    marks = {f"{MARK}={mark_of(sighting.worker, run.token)}".encode() for run in runs}
    left = [each.pid for each in there if each.group in groups or _has_mark(each.pid, marks)]
    for pid in left:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return not left


def stat_of(pid: int) -> list[bytes]:
    """Give what proc(5) says of a process from its state on; raises OSError where it is gone, or there is no /proc."""
    return _content(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def _groups(sighting: Sighting, runs: list[Run], there: list[_Process]) -> set[int]:
    """Give the groups that are still the runs' own: a process id may have been given away again."""
    latest_s = sighting.seen_boot_s + _SLACK_S
    strangers = {each.pid for each in there if each.started_s > latest_s}
    return {run.pid for run in runs if run.pid > 1} - strangers


def _processes() -> Iterator[_Process]:
    """Give all processes but the dead ones that nobody has reaped."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return  # this system has none
    for name in names:
        if not name.isdecimal():
            continue
        with suppress(OSError):  # gone meanwhile
            words = stat_of(int(name))
            if words[0] not in b"ZX":
                yield _Process(int(name), int(words[2]), int(words[19]) / _TICKS)


def _has_mark(pid: int, marks: set[bytes]) -> bool:
    try:
        return not marks.isdisjoint(_content(f"/proc/{pid}/environ").split(b"\0"))
    except OSError:
        return False


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
