"""The log of an open queue as a whole: where it ends, who caused what, who reads it from a named place."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

import time
from typing import TYPE_CHECKING, Final

from ..core.times import duration_s, when_us
from ..engine import log_clock
from ..errors import InvalidInput
from ..store.event_reader import EventReader
from ..store.tables import LOG
from .history import History
from .parts import archived_history, due_times, event_search, jobs, lineage, subscriptions

if TYPE_CHECKING:
    from ..core.due_times import DueTimes
    from ..core.job import Job
    from ..core.results import Cause, Subscriber
    from ..core.times import Duration, When
    from ..events.types import Recorded, Stream

_POLL_S: Final = 0.05


class Log(History, called="Queue.log"):
    """`queue.log`: the log of a queue, its events and its readers."""

    def catch_up(self) -> None:
        """Have here what other nodes of a shared log have appended by now; a log of this queue's own always has all."""
        self._engine.writer.catch_up()

    def head(self) -> int:
        """Return the position of the last event."""
        with self._store.read() as txn:
            last = txn.last(LOG)  # and not EventReader's, which decodes it: workers ask this all the time
            return int.from_bytes(last[0], "big") if last else 0

    def position_at(self, at: When | None = None, *, at_us: int | None = None) -> int:
        """Return the last position whose time is not after `at`, or `at_us` in microseconds.

        Raises InvalidInput for neither and for both.
        """
        if (at is None) == (at_us is None):
            raise InvalidInput("at", "none" if at is None else "two", "a time: at, or at_us")
        moment_us = at_us if at is None else when_us(at, now_us=self._clock.now_us(), ahead=False, field="at")
        with self._store.read() as txn:
            return jobs.position_at(txn, moment_us or 0)

    def due_times(self) -> DueTimes:
        """Return the log's time and the machine's, which are one unless the clock was ahead once and was put right."""
        log_us, wall_us = self._engine.now_us(), self._clock.now_us()
        if log_us <= wall_us:
            return due_times.DueTimes(log_us, wall_us)
        with self._store.read() as txn:
            return due_times.DueTimes(log_us, wall_us, log_clock.slow_us(txn, self._clock, log_us))

    def wait_for_change(self, after: int, timeout_s: Duration) -> bool:
        """Wait until the log goes beyond the position `after`, `timeout_s` at most; returns whether it did."""
        deadline = time.monotonic() + duration_s(timeout_s, field="timeout_s")
        while self.head() <= after:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_POLL_S, left))
        return True

    def cause_of(self, position: int) -> Cause | None:
        """Return by whose command the event at a position was caused, None where that was no job's."""
        with self._store.read() as txn:
            log = EventReader(txn)
            token = 0 if log.is_gone(position) else log.at(position).cause
            return lineage.cause_of(txn, token) if token else None

    def job_id_of(self, stream: Stream) -> str | None:
        """Return the id of the job that events of a stream are about, None for a named stream or a job that is gone."""
        with self._store.read() as txn:
            spec = event_search.spec_of(txn, stream)
        return spec.id if spec else None

    def earlier(self, job: Job) -> int | None:
        """Return the position at which an earlier job of a job's id was removed, None if there was none."""
        with self._store.read() as txn:
            log = EventReader(txn)
            return None if log.is_gone(job.number) else log.at(job.number).prev or None

    def missing_history(self, events: list[Recorded]) -> str | None:
        """Describe what the `events` of a history lack, if that is archived in a place that is not there; else None."""
        return archived_history.missing_history(self._store, events)

    def subscriptions(self) -> list[Subscriber]:
        """Return the subscriptions by name, and how far each is behind the log."""
        now_us = self._clock.now_us()
        with self._store.read() as txn:
            return subscriptions.listed(txn, now_us)

    def rewind(self, name: str, position: int) -> None:
        """Set the subscription `name` back, so that it gives the events after a position again.

        Raises InvalidInput for a name that there is not, and for a position after its own.
        """
        subscriptions.rewind(self._store, name, position, self._clock.now_us())

    def remove(self, name: str) -> None:
        """Forget the subscription `name`; raises InvalidInput where there is none."""
        subscriptions.remove(self._store, name)
