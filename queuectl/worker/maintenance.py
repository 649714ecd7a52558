"""What a worker does from time to time beside its jobs.

It recovers jobs of workers that are gone, ends those whose time is over, lets old events go, has snapshots made,
replaces its guardian, and tells the service manager how it is. Knows nothing of slots and commands.
"""

import time
from collections.abc import Callable, Collection
from typing import Final

from ..errors import NoQueue, QueuectlError
from ..liveness.lock_file import LockFile
from ..queue import Queue
from . import log_lines
from .attempt import NEVER
from .guardian_process import Guard
from .package import Package
from .snapshot_process import SnapshotMaker
from .start_errors import NO_DESCRIPTORS
from .systemd import Notifier
from .waiter import Waiter

EVERY_S: Final = 1.0
"""How often a worker looks for workers that are gone, however seldom it looks for jobs."""

COMPACT_AGAIN_S: Final = 600.0
"""How long after a failed attempt to let old events go the next is made: the disk may be full."""


class Maintenance:
    """A worker's maintenance, each part of it at its own time; made once no descriptor below 3 is free."""

    def __init__(
        self,
        queue: Queue,
        worker: str,
        *,
        slots: int,
        lock: LockFile,
        waiter: Waiter,
        notifier: Notifier,
        say: Callable[[str], None],
    ) -> None:
        self._leases = queue.worker(worker)
        self._slots = slots
        self._lock = lock
        self._waiter = waiter
        self._notifier = notifier
        self._say = say
        self._guard = Guard(queue.path, worker)
        self._snapshots = SnapshotMaker(queue)
        self._compactor = queue.admin.background_compactor(worker)
        self._package = Package()
        self.has_left_off = False
        """Whether maintenance has ended, since this program was replaced."""
        self._at = 0.0
        self._compact_at = time.monotonic() + EVERY_S
        self._watch_at = NEVER if notifier.watchdog_every_s is None else 0.0
        self._start_guard(is_first=True)

    def close(self) -> None:
        """Let go of the guardian, and close what compaction has open."""
        try:
            self._guard.close()
        finally:
            self._compactor.close()

    def is_replaced(self) -> bool:
        """Whether the files of this program are no longer those that it was started from."""
        return self._package.is_replaced()

    def wake_at(self) -> float:
        """Return the moment at which the next part is due."""
        return min(self._at, self._compact_at, self._watch_at)

    def heed(self, ready: Collection[int]) -> None:
        """Have a guardian that is gone replaced; its descriptor is then among those that are `ready`."""
        if self._guard.is_there and self._guard.fileno() in ready:
            self._waiter.remove_source(self._guard)
            self._guard.close()
            self._say(log_lines.guardian_gone())
            self._at = min(self._at, time.monotonic() + EVERY_S / 2)  # not at once: it may end each time

    def step(self, *, running: int, now: float) -> bool:
        """Do what is due, and return whether there may be jobs to claim that were not; `running` commands run now."""
        if now >= self._watch_at and self._notifier.watchdog_every_s is not None:
            self._notifier.watchdog()
            self._watch_at = now + self._notifier.watchdog_every_s
        if now >= self._at and self.is_replaced():
            self.has_left_off = True  # what maintenance loads from now on would be another release's
            self._at, self._compact_at = now + EVERY_S, NEVER
            return False
        has_recovered = now >= self._at and self._look_round(running, now)
        if now >= self._compact_at:
            self._compact()
        return has_recovered

    def _look_round(self, running: int, now: float) -> bool:
        self._at = now + EVERY_S
        self._notifier.status(log_lines.at_work(running, self._slots))
        if not self._guard.is_there:
            self._start_guard()
        try:
            with self._lock.writing():
                recovered = self._leases.recover()
                expired = self._leases.expire()
                self._leases.tell_ends()
        except OSError as error:
            if error.errno not in NO_DESCRIPTORS:
                raise
            return False  # without a descriptor nobody's lock file can be looked at
        for worker in recovered.workers:
            self._say(log_lines.found_gone(worker))
        for job in recovered.jobs:
            self._say(log_lines.recovered(job))
        for job in expired:
            self._say(log_lines.expired(job))
        self._snapshots.step(now)
        return bool(recovered.jobs or expired)

    def _compact(self) -> None:
        """Let some old events go, where the queue is to keep them no longer."""
        try:
            with self._lock.writing():
                pause_s = self._compactor.step()
        except NoQueue:  # that ends the worker, which then says so
            raise
        except QueuectlError as error:
            self._say(log_lines.not_compacted(error))
            pause_s = COMPACT_AGAIN_S
        self._compact_at = time.monotonic() + pause_s

    def _start_guard(self, *, is_first: bool = False) -> None:
        try:
            self._guard.start()
        except OSError as error:
            if is_first and error.errno in NO_DESCRIPTORS:
                raise  # none is left for a command either, and nothing was claimed yet
            self._say(log_lines.no_guardian(error))
        else:
            self._waiter.add_source(self._guard)
