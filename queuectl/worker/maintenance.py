"""What a worker does beside its jobs, now and then: it looks after the others, the log, its guardian and its manager.

Knows nothing of slots and commands.
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
from .poller import Waiting
from .snapshot_process import Snapshotting
from .start_errors import NO_DESCRIPTORS
from .systemd import Notifier

EVERY_S: Final = 1.0
"""How often a worker looks for others that are gone, however seldom it looks for jobs."""

RETAIN_AGAIN_S: Final = 600.0
"""After how long it is tried again to let old events go, where that failed: the disk may be full."""


class Upkeep:
    """A worker's chores, each at its own time.

    To be made once no descriptor below 3 is free.
    """

    def __init__(
        self,
        queue: Queue,
        worker: str,
        *,
        slots: int,
        lock: LockFile,
        waiting: Waiting,
        notifier: Notifier,
        say: Callable[[str], None],
    ) -> None:
        self._leases = queue.worker(worker)
        self._slots = slots
        self._lock = lock
        self._waiting = waiting
        self._notifier = notifier
        self._say = say
        self._guard = Guard(queue.path, worker)
        self._snapshotting = Snapshotting(queue)
        self._retaining = queue.admin.background_compactor(worker)
        self._package = Package()
        self.has_left_off = False
        """Whether the chores are done no more, for this program was replaced."""
        self._at = 0.0
        self._retain_at = time.monotonic() + EVERY_S
        self._watch_at = NEVER if notifier.watchdog_every_s is None else 0.0
        self._start_guard(is_first=True)

    def close(self) -> None:
        """Let go of the guardian, and of what letting events go has open."""
        try:
            self._guard.close()
        finally:
            self._retaining.close()

    def is_replaced(self) -> bool:
        """Whether the files of this program are no longer those that it was started from."""
        return self._package.is_replaced()

    def wake_at(self) -> float:
        """Return the moment at which the next of the chores is due."""
        return min(self._at, self._retain_at, self._watch_at)

    def heed(self, ready: Collection[int]) -> None:
        """Replace a guardian that is gone, where the descriptors that are ready say so."""
        if self._guard.is_there and self._guard.fileno() in ready:
            self._waiting.remove_source(self._guard)
            self._guard.close()
            self._say(log_lines.guardian_gone())
            self._at = min(self._at, time.monotonic() + EVERY_S / 2)  # not at once: it may end each time

    def step(self, *, running: int, now: float) -> bool:
        """Do what is due, while so many commands run; returns whether jobs of other workers were recovered."""
        if now >= self._watch_at and self._notifier.watchdog_every_s is not None:
            self._notifier.watchdog()
            self._watch_at = now + self._notifier.watchdog_every_s
        if now >= self._at and self.is_replaced():
            self.has_left_off = True  # chores load what would be another release's
            self._at, self._retain_at = now + EVERY_S, NEVER
            return False
        has_recovered = now >= self._at and self._look_round(running, now)
        if now >= self._retain_at:
            self._retain()
        return has_recovered

    def _look_round(self, running: int, now: float) -> bool:
        self._at = now + EVERY_S
        self._notifier.status(log_lines.at_work(running, self._slots))
        if not self._guard.is_there:
            self._start_guard()
        try:
            with self._lock.writing():
                recovered = self._leases.recover()
        except OSError as error:
            if error.errno not in NO_DESCRIPTORS:
                raise
            return False  # who lives cannot be seen for now
        for worker in recovered.workers:
            self._say(log_lines.found_gone(worker))
        for job in recovered.jobs:
            self._say(log_lines.recovered(job))
        self._snapshotting.step(now)
        return bool(recovered.jobs)

    def _retain(self) -> None:
        """Let old events go for a moment, where the queue is to keep them no longer."""
        try:
            with self._lock.writing():
                pause_s = self._retaining.step()
        except NoQueue:  # that ends the worker, which then says so
            raise
        except QueuectlError as error:
            self._say(log_lines.not_retained(error))
            pause_s = RETAIN_AGAIN_S
        self._retain_at = time.monotonic() + pause_s

    def _start_guard(self, *, is_first: bool = False) -> None:
        try:
            self._guard.start()
        except OSError as error:
            if is_first and error.errno in NO_DESCRIPTORS:
                raise  # none is left for a command either, and nothing was claimed yet
            self._say(log_lines.no_guardian(error))
        else:
            self._waiting.add_source(self._guard)
