"""Snapshots made when they are due, by a process of their own, which the worker does not wait for."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..queue import Queue
from .helper_process import Helper

PAUSE_S: Final = 10.0
"""How long after one start the next is at the earliest: meanwhile another worker's maker may be at it."""

PAUSE_AFTER_FAILURE_S: Final = 300.0

_START: Final = "import sys; sys.path.insert(0, sys.argv.pop(1)); from queuectl.cli.main import main; main()"


class SnapshotMaker:
    """At most one maker at a time."""

    def __init__(self, queue: Queue) -> None:
        root = Path(__file__).parents[2]
        self._helper = Helper("-P", "-c", _START, root, "--db", queue.path, "snapshot", "--due")
        self._queue = queue
        self._not_before = 0.0
        self._is_making = False

    def step(self, now: float) -> None:
        """Start a maker where one is due, or see whether the one that was started has ended."""
        if not self._helper.has_ended():
            return
        if self._is_making:
            self._is_making = False
            if self._helper.has_failed:
                self._not_before = now + PAUSE_AFTER_FAILURE_S
        elif now >= self._not_before and self._queue.admin.are_snapshots_due():
            self._not_before = now + PAUSE_S
            with suppress(OSError):  # short of processes: later, then
                self._start()

    def _start(self) -> None:
        with Path(os.devnull).open("r+b", buffering=0) as null:
            self._helper.start((null.fileno(),) * 3)
        self._is_making = True
