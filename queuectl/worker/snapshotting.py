"""Has snapshots made when they are due, by a process of its own that gets into nobody's way and is not waited for."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..queue import Queue
from .helper import Helper

PAUSE_S: Final = 10.0
"""How long after one start the next is at the earliest: meanwhile another worker's maker may be at it."""

PAUSE_AFTER_FAILURE_S: Final = 300.0

_START: Final = "import sys; sys.path.insert(0, sys.argv.pop(1)); from queuectl.cli import main; main()"


class Snapshotting:
    """At most one maker at a time."""

    def __init__(self, queue: Queue) -> None:
        root = Path(__file__).parents[2]
        self._helper = Helper("-P", "-c", _START, root, "--db", queue.path, "snapshot", "--due")
        self._queue = queue
        self._pid = 0
        self._not_before = 0.0

    def step(self, now: float) -> None:
        """Start a maker where one is due, or see whether the one that was started has ended."""
        if self._pid:
            self._reap(now)
        elif now >= self._not_before and self._queue.are_snapshots_due():
            self._not_before = now + PAUSE_S
            with suppress(OSError):  # short of processes: later, then
                self._start()

    def _reap(self, now: float) -> None:
        try:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
        except ChildProcessError:  # somebody else in this program reaped it
            pid, status = self._pid, 0
        if pid:
            self._pid = 0
            if status:
                self._not_before = now + PAUSE_AFTER_FAILURE_S

    def _start(self) -> None:
        with Path(os.devnull).open("r+b", buffering=0) as null:
            self._pid = self._helper.start((null.fileno(),) * 3)
