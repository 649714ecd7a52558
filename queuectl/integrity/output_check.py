"""What runs printed held against what the log says of it, for `queuectl verify`: in the store, and in files."""

import time
from typing import Final

from ..events.audit import Problem, Problems
from ..outputs import storage
from ..outputs.frame_check import SizeAndDigest, fault
from ..store.store import Store, Transaction, key_of
from ..system.interrupts import own
from ..system.shortage import hindrance
from .findings import seconds_since

NOT_THERE: Final = "what the run printed is not there"

PrintedRow = tuple[int, int, int, SizeAndDigest | None, SizeAndDigest | None]
"""Position of the event that ended a run, its job's number, its token, and what the log says of its two streams."""


class OutputCheck:
    """The check of what runs printed, run by run: how many, what is wrong with it, and how long it took."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.problems = Problems()
        self.checked = 0
        self.duration_s = 0.0

    def check_stored(self, txn: Transaction, ended: list[PrintedRow]) -> list[PrintedRow]:
        """Check the outputs that lie in the store; returns the runs whose output ought to lie in a file."""
        begun = time.monotonic()
        large = []
        for run in ended:
            position, number, token, stdout, stderr = run
            if txn.get("jobs", key_of(number)) is None:
                continue  # a job that was removed took its output along
            kept = storage.stored_frames(txn, number, token)
            if kept is None:
                large.append(run)
            else:
                self.checked += 1
                self._say(position, fault(kept, stdout, stderr))
        self.duration_s += seconds_since(begun)
        return large

    def check_files(self, large: list[PrintedRow]) -> None:
        """Check the outputs that lie in files."""
        begun = time.monotonic()
        for position, number, token, stdout, stderr in large:
            self.checked += 1
            try:
                with storage.file_of(self._store.path, number, token).open("rb") as file:
                    self._say(position, fault(file, stdout, stderr))
            except FileNotFoundError:
                with self._store.read() as txn:
                    is_removed = txn.get("jobs", key_of(number)) is None
                self._say(position, "" if is_removed else NOT_THERE)
            except own(OSError) as error:
                what = f"what the run printed cannot be read: {error.strerror}"
                self.problems.append(Problem(position, what, is_damage=not hindrance(error)))
        self.duration_s += seconds_since(begun)

    def _say(self, position: int, what: str) -> None:
        if what:
            self.problems.append(Problem(position, what))
