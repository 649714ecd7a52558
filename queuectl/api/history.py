"""Reading the log of a queue: the history of a job, events by what they are, and named places to read on from."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

import time
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

from ..core.request import check_count, check_queue
from ..store.event_reader import EventReader
from ..system.lazy import Later
from .base import Opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..core.job import Job
    from ..core.results import Cause, Family, Subscriber
    from ..events.types import Recorded, Stream
    from ..history import event_search, lineage, subscriptions
    from ..history.subscriptions import Subscription
    from ..queries import jobs
    from ..retention import archived_history
else:
    archived_history = Later("retention.archived_history")
    lineage = Later("history.lineage")
    jobs = Later("queries.jobs")
    event_search = Later("history.event_search")
    subscriptions = Later("history.subscriptions")

_POLL_S: Final = 0.05


class History(Opened):
    """What can be asked of a queue's log."""

    def history(self, job_id: str, *, lives: int | None = None) -> list[Recorded]:
        """Return every event of a job, those of earlier jobs of its id before them; raises JobNotFound.

        `lives` is how many of the jobs that had the id, the last of them; None is all.
        Where no job ever had that id, it may name a stream: `config`, or `worker:` and a worker's id.
        What retention let go is read from the archive; BadSegment where that is damaged.
        """
        return archived_history.history(self._store, job_id, lives)

    def untold(self, events: list[Recorded]) -> str | None:
        """Return what the `events` of a history lack, archived in a place that is not there; None where nothing."""
        return archived_history.untold(self._store, events)

    def family(self, job_id: str, *, depth: int = 10, limit: int = 200) -> Family:
        """Return the jobs whose runs led to a job, and all that its own runs enqueued, and theirs; raises JobNotFound.

        `depth` generations either way, `limit` jobs at the most; what is left out is counted.
        """
        return lineage.family(self._store, job_id, depth=depth, limit=limit)

    def cause_of(self, position: int) -> Cause | None:
        """Return by whose command the event at a position was caused, None where that was no job's."""
        with self._store.read() as txn:
            log = EventReader(txn)
            token = 0 if log.is_gone(position) else log.at(position).cause
            return lineage.cause_of(txn, token) if token else None

    def earlier(self, job: Job) -> int | None:
        """Return the position at which an earlier job of a job's id was removed, None if there was none."""
        with self._store.read() as txn:
            log = EventReader(txn)
            return None if log.is_gone(job.number) else log.at(job.number).prev or None

    def events(
        self,
        *,
        after: int = 0,
        until: int | None = None,
        types: Sequence[str] | None = None,
        job: str | None = None,
        queue: str | None = None,
        actor: str | None = None,
        limit: int | None = None,
        last: int | None = None,
    ) -> Iterator[Recorded]:
        """Return the events behind the position `after`, up to and with `until`, in short read transactions.

        `types` are names of event types, `job` is an id, `queue` means events of its jobs; `limit` is for
        the first so many of those chosen, `last` for the newest so many. Raises InvalidInput, and
        JobNotFound when the first is asked for.
        """
        event_search.check_types(types or ())
        limit = None if limit is None else check_count("limit", limit)
        choice = event_search.Choice(types, job, None if queue is None else check_queue(queue), actor)
        if last is None:
            return islice(event_search.in_order(self._store, choice, after, until), limit)
        return islice(event_search.newest(self._store, choice, check_count("last", last), after, until), limit)

    def subscribe(
        self, name: str, *, start: Literal["beginning", "now"] | int = "beginning", follow: bool = True
    ) -> Subscription:
        """Return the events behind a named checkpoint, batch by batch, each at least once and in order.

        A name that is new begins as `start` says: at the beginning, now, or behind a position. Asking for
        the next batch acknowledges the one before, on disk. `follow` False stops at the log's end. Raises
        InvalidInput.
        """
        return subscriptions.Subscription(self._store, self._clock, name, start=start, follow=follow)

    def subscriptions(self) -> list[Subscriber]:
        """Return the subscriptions by name, and how far each is behind the log."""
        now_us = self._clock.now_us()
        with self._store.read() as txn:
            return subscriptions.listed(txn, now_us)

    def rewind_subscription(self, name: str, position: int) -> None:
        """Set the subscription `name` back, so that it gives the events behind a position again.

        Raises InvalidInput for a name that there is not, and for a position behind its own.
        """
        subscriptions.rewind(self._store, name, position, self._clock.now_us())

    def remove_subscription(self, name: str) -> None:
        """Forget the subscription `name`; raises InvalidInput where there is none."""
        subscriptions.remove(self._store, name)

    def job_id_of(self, stream: Stream) -> str | None:
        """Return the id of the job that events of a stream are about, None for a named stream or a job that is gone."""
        with self._store.read() as txn:
            spec = event_search.spec_of(txn, stream)
        return spec.id if spec else None

    def head(self) -> int:
        """Return the position of the last event."""
        with self._store.read() as txn:
            last = txn.last("log")
            return int.from_bytes(last[0], "big") if last else 0

    def position_at(self, at_us: int) -> int:
        """Return the last position whose time is not after `at_us`."""
        with self._store.read() as txn:
            return jobs.position_at(txn, at_us)

    def wait_for_change(self, after: int, timeout_s: float) -> bool:
        """Wait until the log goes beyond the position `after`, `timeout_s` at most; returns whether it did."""
        deadline = time.monotonic() + timeout_s
        while self.head() <= after:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_POLL_S, left))
        return True
