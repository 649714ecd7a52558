"""The log of a queue, read: the history of a job, events by what they are, and subscriptions."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

from itertools import islice
from typing import TYPE_CHECKING, Literal

from ..core.job import id_of
from ..core.request import check_queue
from .base import Opened
from .parts import archived_history, event_search, lineage, subscriptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..core.job import Job
    from ..core.results import Family
    from ..events.types import Recorded
    from ..history.subscriptions import Subscription


class History(Opened):
    """What can be asked of a queue's log."""

    def history(self, job_id: Job | str, *, lives: int | None = None) -> list[Recorded]:
        """Return every event of a job, those of earlier jobs of its id before them; raises JobNotFound.

        `lives` is how many of the jobs that had the id, the last of them; None is all.
        Where no job ever had that id, it may name a stream: `config`, or `worker:` and a worker's id.
        What retention let go is read from the archive; BadSegment where that is damaged.
        """
        return archived_history.history(self._store, id_of(job_id), lives)

    def family(self, job_id: Job | str, *, depth: int = 10, limit: int = 200) -> Family:
        """Return the jobs whose runs led to a job, and all that its own runs enqueued, and theirs; raises JobNotFound.

        `depth` generations either way, `limit` jobs at the most; what is left out is counted.
        """
        return lineage.family(self._store, id_of(job_id), depth=depth, limit=limit)

    def events(
        self,
        *,
        after: int = 0,
        until: int | None = None,
        types: Sequence[str] | None = None,
        job: Job | str | None = None,
        queue: str | None = None,
        actor: str | None = None,
        limit: int | None = None,
        last: int | None = None,
    ) -> Iterator[Recorded]:
        """Return the events after a position one by one, in short read transactions.

        Args:
            after: The position before the first.
            until: The position of the last that may be among them.
            types: Names of event types, as the log has them (`enqueued`) or as their classes (`Enqueued`).
            job: The job that they are about, a Job or its id.
            queue: The queue that their job is in.
            actor: Who the log names.
            limit: The first so many of those chosen.
            last: The newest so many of those chosen.

        Raises InvalidInput, and JobNotFound when the first is asked for.
        """
        types = None if types is None else event_search.type_names(types)
        choice = event_search.EventChoice(
            types, None if job is None else id_of(job), None if queue is None else check_queue(queue), actor
        )
        if last is None:
            return islice(event_search.in_order(self._store, choice, after, until), limit)
        return islice(event_search.newest(self._store, choice, last, after, until), limit)

    def subscribe(
        self, name: str, *, start: Literal["beginning", "now"] | int = "beginning", follow: bool = True
    ) -> Subscription:
        """Return the events after a subscription's position, batch by batch, each at least once and in order.

        A name that is new begins as `start` says: at the beginning, now, or after a position. Asking for
        the next batch acknowledges the one before, on disk. `follow` False stops at the log's end. Raises
        InvalidInput.
        """
        return subscriptions.Subscription(self._store, self._clock, name, start=start, follow=follow)
