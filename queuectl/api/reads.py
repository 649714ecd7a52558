"""Questions to a queue: each is answered from one short read transaction, or a few."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from .. import hints
from ..core.job import Job, JobState, id_of
from ..core.request import check_queue
from ..core.times import duration_s
from ..errors import JobNotFound, StoreError
from ..system.lazy import Later
from .base import ids_of, once
from .history import History
from .parts import archived_history, as_of, blockers, frames, job_filter, job_wait, no_worker, past
from .parts import jobs as reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..core.job_filter import Filter
    from ..core.results import Blocker, Run, Status, Waited, WorkerInfo
    from ..core.times import Duration, When
    from ..queries import presence
    from ..queries.job_wait import OnLook
    from . import log
    from .log import Log
    from .ui import Ui
else:
    log = Later("api.log")
    presence = Later("queries.presence")


class Reads(History):
    """The questions that can be asked of a queue."""

    path: Path
    ui: Ui

    @property
    def log(self) -> Log:
        """The log as a whole."""
        return log.Log(self._engine)

    def job(self, job_id: Job | str) -> Job:
        """Return a job by its id; raises JobNotFound, which says where it is archived if it is."""
        try:
            with self._store.read() as txn:
                job = presence.with_true_lease(txn, reading.find(txn, id_of(job_id)))
        except JobNotFound as error:
            raise archived_history.not_found_error(self._store, error) from None
        return self.log.due_times().shown(job) if job.due_us or job.lease else job

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
        """Return jobs: waiting ones by when they run, ended ones by their last change, newest first, others by age.

        Args:
            where: A Filter, in the place of the six that follow.
            state: One, several, or a text of several with commas between them.
            queue: The name of their queue.
            since: Not changed last before this time.
            until: Not changed last after this time.
            match: A text that is looked for in id and command.
            labels: Labels that they have, all of them: `{"team": "a"}`, `team=a`, or a key alone for any value of
                it; or a list of such texts.
            order: One of enqueued, updated, due, priority, attempts, took and id, with `-` before it for the
                largest first.
            limit: How many at the most.
            after: The last job of the page before, or its id.

        Raises InvalidInput and JobNotFound.
        """
        where = job_filter.one_filter(
            where,
            state=state,
            queue=queue,
            since=since,
            until=until,
            match=match,
            labels=labels,
            now_us=self._clock.now_us(),
        )
        return list(self.ui.each_job(where, order=order, limit=limit, after=after))

    def status(self, *, queue: str | None = None) -> Status:
        """Return the queue at a glance, or the jobs of one queue and the workers that serve it; raises InvalidInput."""
        queue = None if queue is None else check_queue(queue)
        times = self.log.due_times()
        with self._store.read() as txn:
            return reading.status(txn, self.path, times, queue)

    def why(self, job_id: Job | str) -> list[Blocker]:
        """Return what a job waits for: its time, a worker, a slot; nothing where it waits for none. Raises JobNotFound.

        >>> from queuectl import Queue
        >>> with Queue.open("q") as queue:
        ...     job = queue.enqueue("true", delay="1h")
        ...     print([blocker.code for blocker in queue.why(job)])
        ['time', 'no_worker']
        """
        times = self.log.due_times()
        with self._store.read() as txn:
            return blockers.blockers(txn, self.path, reading.find(txn, id_of(job_id)), times)

    def backlog(self, queues: Sequence[str] | None = None) -> int:
        """Count the jobs that have not ended, in these queues or in all; raises StoreError where none can ever run."""
        with self._store.read() as txn:
            left = reading.backlog(txn, queues)
            if left and reading.is_stuck(txn, queues):
                raise StoreError(
                    f"cannot run what is left in the queue at {self.path}: {left:,} jobs are to run, and not all are "
                    "found ready, due or held: a view is damaged",
                    hint=hints.VERIFY_AND_REPLAY,
                )
            return left

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that have not stopped, those found dead among them."""
        times = self.log.due_times()
        with self._store.read() as txn:
            return times.shown_workers(reading.list_workers(txn, self.path, times.wall_us))

    def runs(self, job_id: Job | str) -> list[Run]:
        """Return a job's runs in order, those of an archived job too; raises JobNotFound."""
        try:
            with self._store.read() as txn:
                return reading.runs(txn, reading.find(txn, id_of(job_id)))
        except JobNotFound as error:
            if error.removed:
                raise
        return archived_history.runs(self._store, id_of(job_id))

    def output_text(
        self, of: Job | str | Run, stream: Literal["stdout", "stderr"] | None = None, *, last_lines: int | None = None
    ) -> str:
        """Return what `output_bytes` does of a `stream` and `last_lines`, as text: what is no UTF-8 shows as U+FFFD."""
        return self.output_bytes(of, stream, last_lines=last_lines).decode(errors="replace")

    def output_bytes(
        self, of: Job | str | Run, stream: Literal["stdout", "stderr"] | None = None, *, last_lines: int | None = None
    ) -> bytes:
        """Return all that a job's last run has printed so far: to one stream, or to both in the order it came.

        `of` is a job, its id, or one of its `runs`. `last_lines` returns so many of its last lines alone.
        Where output was cut, as `output_limit_bytes` says, there is a line with how much.
        """
        kind = None if stream is None else frames.OUTPUT_STREAMS[stream]
        run = next(reversed(self.runs(of)), None) if isinstance(of, str | Job) else of
        if run is None:
            return b""
        found = b""
        while piece := self.ui.output_frames(run, len(found)):
            found += piece
        whole = b"".join(frames.read_stream(found, kind))
        if last_lines is None:
            return whole
        lines = BytesIO(whole).readlines()
        return b"".join(lines[len(lines) - min(last_lines, len(lines)) :])

    @overload
    def wait(  # type: ignore[overload-overlap]  # a text is a sequence of texts, and here one id
        self,
        job_ids: Job | str,
        *,
        timeout: Duration | None = None,
        on_look: OnLook | None = None,
        timeout_s: Duration | None = None,
    ) -> Job: ...

    @overload
    def wait(
        self,
        job_ids: Iterable[Job | str],
        *,
        timeout: Duration | None = None,
        on_look: OnLook | None = None,
        timeout_s: Duration | None = None,
    ) -> list[Job]: ...

    def wait(
        self,
        job_ids: Job | str | Iterable[Job | str],
        *,
        timeout: Duration | None = None,
        on_look: OnLook | None = None,
        timeout_s: Duration | None = None,
    ) -> Job | list[Job]:
        """Wait until a job has ended, and return it; or all of several, as a list in the order asked for.

        A worker has to run them: `run_worker()` in this program, or one elsewhere. If for some seconds none serves
        their queues, there is one warning (RuntimeWarning), unless there is an `on_look`.

        Args:
            job_ids: An id or a Job, or several: a list, a set, or whatever yields them.
            timeout: How many seconds at the most; None is for ever. The jobs go on all the same.
            on_look: Called with the queues in which they wait, at once and every few seconds.
            timeout_s: The same as `timeout`.

        Raises JobNotFound, or WaitTimeout after `timeout`.
        """
        named = job_wait.Named(self.job, ids_of(job_ids), self._store.read)
        self._wait(named, once("timeout", timeout, timeout_s), on_look)
        return named.found[0] if isinstance(job_ids, str | Job) else named.found

    def _wait(self, awaited: job_wait.Awaited, timeout: Duration | None, on_look: OnLook | None) -> None:
        job_wait.until_over(
            awaited,
            self.log.head,
            self.log.wait_for_change,
            timeout_s=None if timeout is None else duration_s(timeout, field="timeout"),
            on_look=on_look or no_worker.Warned(self.ui.unserved),
        )

    def wait_all(
        self,
        where: Filter | None = None,
        *,
        timeout: Duration | None = None,
        on_look: OnLook | None = None,
        timeout_s: Duration | None = None,
    ) -> Waited:
        """Wait until all jobs have ended that a filter means now and that have not ended; None means every one.

        What is enqueued afterwards is not waited for; a job that ends and is retried meanwhile is. `on_look`
        is called with their queues, at once and every few seconds; without it, that no worker serves them is warned of.
        Raises WaitTimeout after `timeout` (or `timeout_s`).
        """
        where = self.log.due_times().meant(where or job_filter.Filter())
        meant = job_wait.Meant(self._store.read, where)
        self._wait(meant, once("timeout", timeout, timeout_s), on_look)
        return meant.result()

    def as_of(
        self,
        position: int | None = None,
        *,
        at: When | None = None,
        progress: Callable[[int, int], None] | None = None,
        at_us: int | None = None,
    ) -> past.Past:
        """Return the queue as it was after the event at a position, or else `at` a time; close it after use.

        Args:
            position: The position of an event in the log.
            at: A time that has passed.
            progress: Called with the events folded and to be folded.
            at_us: The same as `at`, in microseconds since the epoch.

        Raises InvalidInput for no moment or two, and for one before the log begins or still to come, Archived where
        retention has taken out its events.
        """
        moment = as_of.moment_named(
            self._store, position, at=at, at_us=at_us, now_us=self._clock.now_us(), field="as_of"
        )
        return past.Past(self._store, moment, progress)
