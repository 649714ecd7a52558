"""What belongs to a run, wherever it has gone, and how what a dead worker left running is killed.

To a run belong its command, all that descends from it, the sessions and the group that these began, and
whatever carries the run's mark in its environment. Where there is no /proc the process groups are
signalled, and what became of them is not known.
"""

import math
import os
import signal
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import Final, NamedTuple

from ..system.boot import sees_processes
from ..system.interrupts import suppress_own
from ..system.processes import TICKS, Look, SeenProcesses, environ, look, send
from ..system.run_mark import MARK, mark_of
from .lock_file import LaunchedRun, Sighting

EMPTY_LOOKS: Final = 2
"""How many looks in a row must find nothing: one may miss a child that was just born, and whose parent then ended."""

_AGAIN_S: Final = 0.01

_SLACK_S: Final = 1.0
"""What a command left may have been started after its worker's last sign of life."""


class Root(NamedTuple):
    """A run's command: the first of its processes, which began a session and a group of its own.

    It was started between two moments, in seconds since the machine was. Where it is gone, only those of
    its group count that were started by `latest_s`: the number may be another's since then.
    """

    mark: str
    pid: int
    born_from_s: float
    born_by_s: float
    latest_s: float = math.inf

    def can_be_of(self, there: SeenProcesses) -> bool:
        """Whether a process began no earlier than the command."""
        return there.started >= int(self.born_from_s * TICKS)

    @property
    def entry(self) -> bytes:
        """Return the mark as it stands in an environment."""
        return f"{MARK}={self.mark}".encode()

    def is_it(self, there: SeenProcesses) -> bool:
        """Whether a process that has its id is the command."""
        return int(self.born_from_s * TICKS) <= there.started <= int(self.born_by_s * TICKS)


def living_processes(there: Look, root: Root, kin: Iterable[SeenProcesses]) -> list[SeenProcesses]:
    """Return the living processes of a run: its command's, those that are known to be `kin`, and theirs."""
    first = there.by_pid.get(root.pid)
    is_there = first is not None and root.is_it(first)
    latest = math.inf if is_there else root.latest_s * TICKS
    seeds = list(kin)
    if root.pid > 1 and (first is None or is_there):  # the number is still the command's
        theirs = [*there.groups.get(root.pid, ()), *there.sessions.get(root.pid, ())]
        seeds += [each for each in theirs if root.can_be_of(each) and each.started <= latest]
    return [each for each in there.descendants(seeds).values() if not each.is_dead]


def kill(found: list[SeenProcesses], find: Callable[[], list[SeenProcesses]]) -> None:
    """Kill what was found, and what it makes meanwhile, which is found by looking once more.

    All of it is stopped first, so that nothing is born while one after the other is killed. One call is
    not enough: what was just being started may show up after it.
    """
    for each in found:
        send(each, signal.SIGSTOP)
    for each in {each.pid: each for each in [*found, *find()]}.values():
        send(each, signal.SIGKILL)


def kill_orphans(sighting: Sighting, runs: list[LaunchedRun], *, patience_s: float) -> bool:
    """Kill what is left of a worker's runs until looks find nothing, and return whether they did in time."""
    give_up_at = time.monotonic() + patience_s
    empty = 0
    while runs and empty < EMPTY_LOOKS:
        empty = 0 if _kill_left(sighting, runs) else empty + 1
        if not empty and time.monotonic() >= give_up_at:
            return False
        time.sleep(_AGAIN_S)
    return True


def _kill_left(sighting: Sighting, runs: list[LaunchedRun]) -> bool:
    """Kill what a look finds, and return whether there was anything."""
    if not sees_processes():
        for run in runs:
            with suppress_own(OSError):
                os.killpg(run.pid, signal.SIGKILL) if run.pid > 1 else None
        return False
    roots = [_root(sighting, run) for run in runs]
    if found := _left(roots):
        kill(found, lambda: _left(roots))
    return bool(found)


def _left(roots: list[Root]) -> list[SeenProcesses]:
    there = look()
    entries = cache(lambda pid: frozenset(environ(pid)))  # for all of them, read once
    left = []
    for root in roots:
        kin = [each for each in there.by_pid.values() if root.can_be_of(each) and root.entry in entries(each.pid)]
        left += living_processes(there, root, kin)
    return left


def _root(sighting: Sighting, run: LaunchedRun) -> Root:
    latest_s = sighting.seen_boot_s + _SLACK_S
    return Root(mark_of(sighting.worker, run.token), run.pid, run.born_from_s, run.born_by_s, latest_s)
