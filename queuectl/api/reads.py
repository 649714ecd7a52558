"""Questions to a queue: each is answered from one short read transaction, or a few."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, overload

from ..core.job import JobState
from ..core.request import check_count, check_queue, check_state, ids_of, once
from ..core.times import duration_s, when_us
from ..errors import JobNotFound, StoreError
from ..projections import environments
from ..queries import presence
from ..store.event_reader import EventReader
from .history import History
from .parts import archived_history, as_of, branch, check, frames, job_filter, job_list, job_wait, no_worker, storage
from .parts import job_ids as matching
from .parts import jobs as reading
from .parts import overview as overviews

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ..core.due_times import DueTimes
    from ..core.job import Job
    from ..core.job_filter import Filter
    from ..core.results import Overview, Run, Status, Unserved, Waited, WorkerInfo
    from ..core.times import Duration, When
    from ..history.branch import Branch
    from ..queries.job_wait import OnLook
    from .log import Log

OUTPUT_AT_ONCE: Final = 1 << 20


def _by_the_clock(workers: list[WorkerInfo], times: DueTimes) -> list[WorkerInfo]:
    """Return workers with the times at which they and their runs began by the machine's clock, if the log is ahead."""
    if not times.ahead_us:
        return workers
    began = times.began_us
    return [
        info._replace(
            started_at_us=began(info.started_at_us),
            runs=[run._replace(since_us=began(run.since_us)) for run in info.runs],
        )
        for info in workers
    ]


class Reads(History):
    """The questions that can be asked of a queue."""

    log: Log
    path: Path
    _printed: archived_history.Printed | None

    def job(self, job_id: str) -> Job:
        """Return a job by its id; raises JobNotFound, which says where it is archived if it is."""
        try:
            with self._store.read() as txn:
                job = presence.with_true_lease(txn, reading.find(txn, job_id))
        except JobNotFound as error:
            raise archived_history.not_found_error(self._store, error) from None
        return self.log.due_times().shown(job) if job.due_us or job.lease else job

    def match_id(self, typed: str, *, or_removed: bool = False) -> str:
        """Return the id that is `typed`, or else the only one that begins so, of a job there is.

        Elsewhere ids are taken as they are. `or_removed`: also of one that left the views. Raises
        JobNotFound with those that come near, or with where the job of this very id is archived, or
        AmbiguousJob.
        """
        try:
            with self._store.read() as txn:
                found = matching.match(txn, typed, or_removed=or_removed)
        except JobNotFound as error:
            raise archived_history.not_found_error(self._store, error) from None
        if found != typed and (segment := archived_history.segment_of(self._store, typed)):
            raise JobNotFound(typed, archived_at=segment)
        return found

    def near_queues(self, queue: str) -> list[str] | None:
        """Return up to three names of queues that come near this one, None where there is a queue of this very name.

        There is one that has jobs or that a worker names which has not stopped, and the default one.
        """
        with self._store.read() as txn:
            return matching.near_queues(txn, queue)

    def jobs(
        self,
        where: Filter | None = None,
        *,
        state: JobState | str | Iterable[JobState | str] | None = None,
        queue: str | None = None,
        since: When | None = None,
        until: When | None = None,
        match: str | None = None,
        order: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Job]:
        """Return jobs: waiting ones by when they run, ended ones by their last change, newest first, others by age.

        `since` and `until` speak of their last change, `match` is looked for in id and command. `order`
        is one of enqueued, updated, due, priority, attempts, took and id, with `-` before it for the largest
        first. `after` is the id of the last job of the page before. A Filter may stand for what says which.
        Raises InvalidInput and JobNotFound.
        """
        where = where or job_filter.filter_of(
            state=state, queue=queue, since=since, until=until, match=match, now_us=self._clock.now_us()
        )
        return list(self.each_job(where, order=order, limit=limit, after=after))

    def each_job(
        self, where: Filter, *, order: str | None = None, limit: int | None = None, after: str | None = None
    ) -> Iterator[Job]:
        """Return the same one by one, in short read transactions, however many there are.

        Each is as it was when it was looked at. Raises as `jobs` does, before the first.
        """
        limit = None if limit is None else check_count("limit", limit)
        times = self.log.due_times()
        where = self._since_by_the_clock(where, times)
        found = job_list.each(self._store.read, where, job_filter.order_of(order), limit=limit, after=after)
        return map(times.shown, found) if times.ahead_us else found

    @staticmethod
    def _since_by_the_clock(where: Filter, times: DueTimes) -> Filter:
        """Return a filter whose `running_since_us` is of the machine's clock, also if the log is ahead of that."""
        return where if where.running_since_us is None or not times.ahead_us else where._replace(began=times.began_us)

    def count(self, where: Filter) -> int:
        """Count the jobs in the states and of the queue that a filter names, whatever else it asks for."""
        with self._store.read() as txn:
            return job_list.count(txn, where)

    def dead(self, *, limit: int | None = None) -> list[Job]:
        """Return the dead letter queue, last to die first."""
        with self._store.read() as txn:
            return list(islice(reading.dead_jobs(txn), limit))

    def status(self, *, queue: str | None = None) -> Status:
        """Return the queue at a glance, or the jobs of one queue and the workers that serve it; raises InvalidInput."""
        queue = None if queue is None else check_queue(queue)
        times = self.log.due_times()
        with self._store.read() as txn:
            return reading.status(txn, self.path, times, queue)

    def overview(
        self,
        *,
        state: JobState | str | None = None,
        queue: str | None = None,
        limit: int = 100,
        lately: Sequence[int] = (),
    ) -> Overview:
        """Return what a live view shows, at a cost that does not grow with the queue.

        Jobs come in order: running, to run next, ended last; some are looked at, and at most `limit`
        that fit are given. `lately` are numbers of jobs to look at beside.
        """
        wanted = None if state is None else check_state(state)
        times = self.log.due_times()
        with self._store.read() as txn:
            found = overviews.overview(txn, self.path, times, state=wanted, queue=queue, limit=limit, lately=lately)
        if not times.ahead_us:
            return found
        jobs, retries = (list(map(times.shown, each)) for each in (found.jobs, found.retries))
        return found._replace(jobs=jobs, retries=retries, workers=_by_the_clock(found.workers, times))

    def now_us(self) -> int:
        """Return the time, in microseconds since the epoch."""
        return self._clock.now_us()

    def backlog(self, queues: Sequence[str] | None = None) -> int:
        """Count the jobs that have not ended, in these queues or in all; raises StoreError where none can ever run."""
        with self._store.read() as txn:
            left = reading.backlog(txn, queues)
            if left and reading.is_stuck(txn, queues):
                raise StoreError(
                    f"cannot run what is left in the queue at {self.path}: {left:,} jobs are to run, and not all are "
                    "found ready, due or held: a view is damaged",
                    hint="`queuectl verify` says what is wrong, and "
                    "`queuectl replay` makes the views anew from the log",
                )
            return left

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that have not stopped, those found dead among them."""
        times = self.log.due_times()
        with self._store.read() as txn:
            return _by_the_clock(reading.list_workers(txn, self.path, times.wall_us), times)

    def gone_workers(self, workers: Sequence[str]) -> frozenset[str]:
        """Return those of `workers`, by their ids, that are gone without having stopped: nobody runs what they hold."""
        with self._store.read() as txn:
            return reading.gone_workers(txn, self.path, self._clock.now_us(), workers)

    def unserved(self, queues: Sequence[str] | None = None) -> list[Unserved]:
        """Return the queues, of these or of all, where jobs wait and that no running worker serves.

        A program that claims jobs without `worker_started` is not known as one, and does not count.
        """
        with self._store.read() as txn:
            return reading.unserved(txn, self.path, self._clock.now_us(), queues)

    def runs(self, job_id: str) -> list[Run]:
        """Return a job's runs in order, those of an archived job too; raises JobNotFound."""
        try:
            with self._store.read() as txn:
                return reading.runs(txn, reading.find(txn, job_id))
        except JobNotFound as error:
            if error.removed:
                raise
        return archived_history.runs(self._store, job_id)

    def output_frames(self, run: Run, start: int = 0, *, limit: int = OUTPUT_AT_ONCE) -> bytes:
        """Return what a run has printed so far, as frames: up to `limit` bytes from the offset `start` on.

        Nothing where there is no more. The last frame may be incomplete. Of an archived job it is read
        there. `output_bytes` has it in plain.
        """
        for _ in range(2):  # a run that ends in between takes its output from its file to the store
            with self._store.read() as txn:
                kept = storage.stored_frames(txn, run.number, run.token)
            if kept is not None:
                return kept[start : start + limit]
            piece = storage.piece_of_file(self.path, run.number, run.token, start, limit)
            if piece is not None:
                return piece
        with self._store.read() as txn:
            if not EventReader(txn).is_gone(run.number):
                return b""
        self._printed = self._printed or archived_history.Printed(self._store)
        return self._printed.read(run.number, run.token, start, limit)

    def output_text(
        self, of: str | Run, stream: Literal["stdout", "stderr"] | None = None, *, last_lines: int | None = None
    ) -> str:
        """Return what `output_bytes` does of a `stream` and `last_lines`, as text: what is no UTF-8 shows as U+FFFD."""
        return self.output_bytes(of, stream, last_lines=last_lines).decode(errors="replace")

    def output_bytes(
        self, of: str | Run, stream: Literal["stdout", "stderr"] | None = None, *, last_lines: int | None = None
    ) -> bytes:
        """Return all that a job's last run has printed so far: to one stream, or to both in the order it came.

        `of` is a job's id, or one of its `runs`. `last_lines` returns so many of its last lines alone.
        Where output was cut, as `output_limit_bytes` says, there is a line with how much.
        """
        kind = None if stream is None else frames.STREAMS[stream]
        run = next(reversed(self.runs(of)), None) if isinstance(of, str) else of
        if run is None:
            return b""
        found = b""
        while piece := self.output_frames(run, len(found)):
            found += piece
        whole = b"".join(frames.read_stream(found, kind))
        if last_lines is None:
            return whole
        lines = BytesIO(whole).readlines()
        return b"".join(lines[len(lines) - min(check_count("last_lines", last_lines), len(lines)) :])

    def cut_bytes(self, run: Run) -> int:
        """Return how many bytes of what a run has printed were not kept, for `output_limit_bytes` or a full disk."""
        return check.cut_bytes(lambda start, limit: self.output_frames(run, start, limit=limit))

    @overload
    def wait(  # type: ignore[overload-overlap]  # a text is a sequence of texts, and here one id
        self,
        job_ids: str,
        *,
        timeout: Duration | None = None,
        on_look: OnLook | None = None,
        timeout_s: Duration | None = None,
    ) -> Job: ...

    @overload
    def wait(
        self,
        job_ids: Sequence[str],
        *,
        timeout: Duration | None = None,
        on_look: OnLook | None = None,
        timeout_s: Duration | None = None,
    ) -> list[Job]: ...

    def wait(
        self,
        job_ids: str | Sequence[str],
        *,
        timeout: Duration | None = None,
        on_look: OnLook | None = None,
        timeout_s: Duration | None = None,
    ) -> Job | list[Job]:
        """Wait until a job has ended, and return it; or all of several, as a list in the order asked for.

        A worker has to run them: `run_worker()` in this program, or one elsewhere. If for some seconds none serves
        their queues, there is one warning (RuntimeWarning); or else `on_look` is called with the queues in which they
        wait, at once and every few seconds. Raises JobNotFound, or WaitTimeout after `timeout` (or `timeout_s`),
        None being never; they go on all the same.
        """
        named = job_wait.Named(self.job, ids_of(job_ids))
        self._wait(named, once("timeout", timeout, timeout_s), on_look)
        return named.found[0] if isinstance(job_ids, str) else named.found

    def _wait(self, awaited: job_wait.Awaited, timeout: Duration | None, on_look: OnLook | None) -> None:
        job_wait.until_over(
            awaited,
            self.log.head,
            self.log.wait_for_change,
            timeout_s=None if timeout is None else duration_s(timeout, field="timeout"),
            on_look=on_look or no_worker.Warned(self.unserved),
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
        where = self._since_by_the_clock(where or job_filter.Filter(), self.log.due_times())
        meant = job_wait.Meant(self._store.read, where)
        self._wait(meant, once("timeout", timeout, timeout_s), on_look)
        return meant.result()

    def inherited_env(self, job: Job) -> Mapping[str, str | None]:
        """Return what a job took along of the environment it was enqueued from; None: that is not to be set."""
        digest = job.spec.inherited
        if digest is None:
            return {}
        with self._store.read() as txn:
            return environments.entries(txn, digest)

    def as_of(
        self,
        position: int | None = None,
        *,
        at: When | None = None,
        progress: Callable[[int, int], None] | None = None,
        at_us: int | None = None,
    ) -> as_of.Past:
        """Return the queue as it was after the event at a position, or `at` a time; close it after use.

        `at_us` is `at` in microseconds. `progress` is called with the events folded and to be folded. Raises
        InvalidInput for a moment before the log begins or still to come, Archived where retention has taken out
        its events.
        """
        now_us = self._clock.now_us()
        at_us = at_us if at is None else when_us(at, now_us=now_us, ahead=False, field="at")
        with self._store.read() as txn:
            moment = as_of.moment_at(txn, position, at_us, now_us)
        return as_of.Past(self._store, moment, progress)

    def branch(
        self,
        into: str | os.PathLike[str],
        position: int | None = None,
        *,
        at: When | None = None,
        progress: Callable[[int, int], None] | None = None,
        at_us: int | None = None,
    ) -> Branch:
        """Make a second queue in a new directory as this one was at a position, or `at` a time.

        `progress` is called with the events copied and to be copied, `into` is that directory. Raises
        InvalidInput where the directory is there already, what `as_of` raises for the moment, and
        StoreError.
        """
        now_us = self._clock.now_us()
        at_us = at_us if at is None else when_us(at, now_us=now_us, ahead=False, field="at")
        with self._store.read() as txn:
            moment = as_of.moment_at(txn, position, at_us, now_us)
        return branch.branch(self._store, moment, Path(into), progress)
