"""A queue as it was at a moment: the questions that can be asked of it."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import islice
from types import TracebackType

from .. import hints
from ..core.due_times import DueTimes
from ..core.job import Job, JobState, id_of
from ..core.job_filter import Filter, one_filter, order_of
from ..core.progress import Progress
from ..core.request import check_count, check_queue
from ..core.results import Status, WorkerInfo
from ..core.times import When
from ..errors import StoreError, WriteFailed
from ..projections.views import Views
from ..queries import job_list, jobs
from ..store.store import Store, Transaction
from ..system.interrupts import own
from .as_of import Moment, job_at, views_at


class Past:
    """The queue as it was at a moment, with the questions of class Queue; close it after use.

    One job is the fold of its own events; for the rest the views as they were are made at the first
    question. Workers are told as they are recorded, not looked for.
    """

    def __init__(self, store: Store, moment: Moment, progress: Progress | None = None) -> None:
        self.path = store.path
        self.moment = moment
        self._store = store
        self._progress = progress
        self._opened = ExitStack()
        self._views: Store | None = None

    def close(self) -> None:
        """Drop the views as they were; doing so twice is harmless."""
        self._opened.close()
        self._views = None

    def __enter__(self) -> "Past":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def dlq(self) -> "PastDeadLetters":
        """The dead letter queue as it was, to be read."""
        return PastDeadLetters(self._read)

    @property
    def ui(self) -> "Past":
        """What `queue.ui` answers is answered here as well."""
        return self

    def gone_workers(self, workers: Sequence[str]) -> frozenset[str]:
        """Return none: which of some workers were gone then is not known."""
        return frozenset()

    def job(self, job_id: Job | str) -> Job:
        """Return a job by its id; raises JobNotFound."""
        with self._store.read() as txn:
            return job_at(txn, id_of(job_id), self.moment.position)

    def jobs(
        self,
        where: Filter | None = None,
        *,
        state: JobState | str | Iterable[JobState | str] | None = None,
        queue: str | None = None,
        since: When | None = None,
        until: When | None = None,
        match: str | None = None,
        labels: Mapping[str, str | None] | str | Iterable[str] | None = None,
        order: str | None = None,
        limit: int | None = None,
        after: Job | str | None = None,
    ) -> list[Job]:
        """Return jobs as class Queue does: waiting ones by when they would have run, and so on.

        `since`, `until`, `match` and `labels` are as there.
        """
        said = {"state": state, "queue": queue, "since": since, "until": until, "match": match, "labels": labels}
        where = one_filter(where, **said, now_us=self.now_us())
        return list(self.each_job(where, order=order, limit=limit, after=after))

    def each_job(
        self, where: Filter, *, order: str | None = None, limit: int | None = None, after: Job | str | None = None
    ) -> Iterator[Job]:
        """Return the same one by one."""
        limit = None if limit is None else check_count("limit", limit)
        return job_list.each(
            self._read, where, order_of(order), limit=limit, after=None if after is None else id_of(after)
        )

    def count(self, where: Filter) -> int:
        """Count the jobs in the states and of the queue that a filter names, whatever else it asks for."""
        with self._read() as txn:
            return job_list.count(txn, where)

    def now_us(self) -> int:
        """Return the moment's time, in microseconds since the epoch."""
        return self.moment.at_us

    def dead(self, *, limit: int | None = None) -> list[Job]:
        """Return what `dlq.jobs` does, for this release."""
        warnings.warn("Past.dead is now Past.dlq.jobs", DeprecationWarning, stacklevel=2)
        return self.dlq.jobs(limit=limit)

    def status(self, *, queue: str | None = None) -> Status:
        """Return the queue at a glance, or of one queue; `head` is the moment's position. Raises InvalidInput."""
        queue = None if queue is None else check_queue(queue)
        with self._read() as txn:
            return jobs.status(txn, None, DueTimes(self.moment.at_us, self.moment.at_us), queue)

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that had started and not stopped."""
        with self._read() as txn:
            return jobs.list_workers(txn, None, self.moment.at_us)

    @contextmanager
    def _read(self) -> Iterator[Transaction]:
        if self._views is None:
            self._views = self._made()
        with self._views.read() as txn:
            yield txn

    def _made(self) -> Store:
        """Return the views as they were, made now; raises StoreError where there is no room for them."""
        try:
            views = self._opened.enter_context(views_at(self._store, self.moment.position, self._progress))
            with views.write() as txn:
                Views(txn).promote_to(self.moment.at_us)
        except WriteFailed as error:  # in a directory for a while, which nobody named
            raise _cannot_make(self.moment, error.found) from error
        except own(OSError) as error:
            raise _cannot_make(self.moment, error.strerror or str(error)) from error
        return views


def _cannot_make(moment: Moment, found: str) -> StoreError:
    told = f"cannot make the views of position {moment.position} among temporary files: {found}; the queue is as it was"
    return StoreError(told, hint=hints.ROOM_FOR_A_WHILE)


class PastDeadLetters:
    """`past.dlq`: the dead letter queue as it was at a moment. What is past can be read alone."""

    def __init__(self, read: Callable[[], AbstractContextManager[Transaction]]) -> None:
        self._read = read

    def jobs(self, *, limit: int | None = None) -> list[Job]:
        """Return the jobs that were dead, the last to die first, `limit` of them at the most."""
        limit = None if limit is None else check_count("limit", limit)
        with self._read() as txn:
            return list(islice(jobs.dead_jobs(txn), limit))
