"""What belongs to a run, wherever it has gone, and how what a dead worker left running is put down.

A run's are: its command, all that descends from it, the sessions and the group that these began, and
whatever carries the run's mark in its environment. Kills and looks, no more; waits for nothing. Where
there is no /proc the process groups are signalled, and what became of them is not known.
"""

import math
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Final, NamedTuple

from .lockfile import Run, Sighting
from .processes import TICKS, Seen, descendants, environ, look, send

MARK: Final = "QUEUECTL_RUN"
"""The environment variable that tells which run a process belongs to, wherever it has gone."""

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

    @property
    def entry(self) -> bytes:
        """Return the mark as it stands in an environment."""
        return f"{MARK}={self.mark}".encode()

    def is_it(self, there: Seen) -> bool:
        """Whether a process that has its id is the command."""
        return int(self.born_from_s * TICKS) <= there.started <= int(self.born_by_s * TICKS)


def mark_of(worker: str, token: int) -> str:
    """Give the value that a run's processes carry."""
    return f"{worker}.{token}"


def unmarked(environ: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Give an environment for a process that is to outlive the run which starts it."""
    return {name: value for name, value in environ.items() if name != MARK.encode()}


def family(there: Mapping[int, Seen], root: Root, *, is_kin: Callable[[Seen], bool]) -> list[Seen]:
    """Return the living processes of a run.

    `is_kin` says of one that was started after the command, and is not of its session, whether it is the run's too.
    """
    first = there.get(root.pid)
    is_there = first is not None and root.is_it(first)
    latest = math.inf if is_there else root.latest_s * TICKS
    number = root.pid if root.pid > 1 and (first is None or is_there) else -1
    seeds = [
        each
        for each in there.values()
        if each.started >= int(root.born_from_s * TICKS)
        and ((number in (each.session, each.group) and each.started <= latest) or is_kin(each))
    ]
    return [each for each in descendants(there, seeds).values() if not each.is_dead]


def kill(find: Callable[[], list[Seen]]) -> bool:
    """Kill what is found; tells whether nothing was.

    It is stopped first, so that nothing is born while one after the other is killed. One call is not
    enough: what was just being started may show up after it.
    """
    found = find()
    if not found:
        return True
    for each in found:
        send(each, signal.SIGSTOP)
    for each in {each.pid: each for each in [*found, *find()]}.values():
        send(each, signal.SIGKILL)
    return False


def put_down(sighting: Sighting, runs: list[Run]) -> bool:
    """Kill what is left of a worker's runs; tells whether nothing was."""
    if not runs:
        return True
    if not look():
        for run in runs:
            with suppress(OSError):
                os.killpg(run.pid, signal.SIGKILL) if run.pid > 1 else None
        return True
    roots = [_root(sighting, run) for run in runs]

    def find() -> list[Seen]:
        there, marks = look(), cache(lambda pid: frozenset(environ(pid)))
        kin = [(root, partial(_carries, root, marks)) for root in roots]
        return [each for root, is_kin in kin for each in family(there, root, is_kin=is_kin)]

    return kill(find)


def _carries(root: Root, marks: Callable[[int], frozenset[bytes]], each: Seen) -> bool:
    return not each.is_dead and root.entry in marks(each.pid)


def _root(sighting: Sighting, run: Run) -> Root:
    latest_s = sighting.seen_boot_s + _SLACK_S
    return Root(mark_of(sighting.worker, run.token), run.pid, run.born_from_s, run.born_by_s, latest_s)
