"""What a user interface asks beyond class Queue: what a screen shows, what somebody meant, many jobs at a time."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

from typing import TYPE_CHECKING, Final

from ..core.job import id_of
from ..core.request import check_state
from ..errors import JobNotFound
from ..projections import environments
from ..store.event_reader import EventReader
from ..system.lazy import Later
from .base import Opened
from .parts import archived_history, enqueue, frame_check, held_back, job_actions, job_filter, job_list, storage
from .parts import job_ids as matching
from .parts import jobs as reading
from .parts import overview as overviews

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..core.job import Job, JobState
    from ..core.job_filter import Act, Chosen, Filter
    from ..core.job_request import JobRequest
    from ..core.results import Acted, Overview, Run, Unserved
    from ..core.unique import Answer
    from ..engine.engine import Engine
    from ..engine.group_commit import GroupCommit
    from ..retention.archived_history import ArchivedOutput
    from . import log
else:
    log = Later("api.log")

OUTPUT_BYTES_AT_ONCE: Final = 1 << 20


class Ui(Opened, called="Queue.ui"):
    """`queue.ui`: what a user interface asks beyond; the command line, `top` and the dashboard are made with it."""

    def __init__(self, engine: Engine, commits: GroupCommit) -> None:
        super().__init__(engine)
        self._commits = commits
        self._printed: ArchivedOutput | None = None

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

    def each_job(
        self, where: Filter, *, order: str | None = None, limit: int | None = None, after: Job | str | None = None
    ) -> Iterator[Job]:
        """Return the jobs that a filter means one by one, in short read transactions, however many there are.

        Each is as it was when it was looked at. Raises as `Queue.jobs` does, before the first.
        """
        times = log.Log(self._engine).due_times()
        where = times.meant(where)
        found = job_list.each(
            self._store.read,
            where,
            job_filter.order_of(order),
            limit=limit,
            after=None if after is None else id_of(after),
        )
        return map(times.shown, found) if times.ahead_us else found

    def count(self, where: Filter) -> int:
        """Count the jobs in the states and of the queue that a filter names, whatever else it asks for."""
        with self._store.read() as txn:
            return job_list.count(txn, where)

    def overview(
        self,
        *,
        state: JobState | str | None = None,
        queue: str | None = None,
        limit: int = 100,
        just_ended: Sequence[int] = (),
    ) -> Overview:
        """Return what a live view shows, at a cost that does not grow with the queue.

        Jobs come in order: running, to run next, ended last; some are looked at.

        Args:
            state: Only jobs in this state.
            queue: Only jobs of this queue.
            limit: How many jobs that fit at the most.
            just_ended: Numbers of jobs to look at beside.
        """
        wanted = None if state is None else check_state(state)
        times = log.Log(self._engine).due_times()
        with self._store.read() as txn:
            found = overviews.overview(
                txn, self._store.path, times, state=wanted, queue=queue, limit=limit, just_ended=just_ended
            )
        if not times.ahead_us:
            return found
        jobs, retries = (list(map(times.shown, each)) for each in (found.jobs, found.retries))
        return found._replace(jobs=jobs, retries=retries, workers=times.shown_workers(found.workers))

    def now_us(self) -> int:
        """Return the time, in microseconds since the epoch."""
        return self._clock.now_us()

    def gone_workers(self, workers: Sequence[str]) -> frozenset[str]:
        """Return those of `workers`, by their ids, that are gone without having stopped: nobody runs what they hold."""
        with self._store.read() as txn:
            return reading.gone_workers(txn, self._store.path, self._clock.now_us(), workers)

    def unserved(self, queues: Sequence[str] | None = None) -> list[Unserved]:
        """Return the queues, of these or of all, where jobs wait and that no running worker serves.

        A program that claims jobs without `worker(id).started` is not known as one, and does not count.
        """
        with self._store.read() as txn:
            return reading.unserved(txn, self._store.path, self._clock.now_us(), queues)

    def held_back(self, queues: Sequence[str] | None = None) -> int:
        """Count the jobs of these queues, or of all, that no worker takes: paused, or under too small a limit."""
        times = log.Log(self._engine).due_times()
        with self._store.read() as txn:
            return held_back.count(txn, times, queues)

    def output_frames(self, run: Run, start: int = 0, *, limit: int = OUTPUT_BYTES_AT_ONCE) -> bytes:
        """Return what a run has printed so far, as frames; nothing where there is no more.

        The last frame may be incomplete. Of an archived job it is read there. `Queue.output_bytes` has it in plain.

        Args:
            run: One of a job's `runs`.
            start: The offset from which on, in bytes.
            limit: How many bytes at the most.
        """
        for _ in range(2):  # a run that ends in between takes its output from its file to the store
            with self._store.read() as txn:
                kept = storage.stored_frames(txn, run.number, run.token)
            if kept is not None:
                return kept[start : start + limit]
            piece = storage.piece_of_file(self._store.path, run.number, run.token, start, limit)
            if piece is not None:
                return piece
        with self._store.read() as txn:
            if not EventReader(txn).is_gone(run.number):
                return b""
        self._printed = self._printed or archived_history.ArchivedOutput(self._store)
        return self._printed.read(run.number, run.token, start, limit)

    def cut_bytes(self, run: Run) -> int:
        """Return how many bytes of what a run has printed were not kept, for `output_limit_bytes` or a full disk."""
        return frame_check.cut_bytes(lambda start, limit: self.output_frames(run, start, limit=limit))

    def inherited_env(self, job: Job) -> Mapping[str, str | None]:
        """Return what a job took along of the environment it was enqueued from; None: that is not to be set."""
        digest = job.spec.inherited
        if digest is None:
            return {}
        with self._store.read() as txn:
            return environments.entries(txn, digest)

    def enqueue_request(self, request: JobRequest, *, reason: str | None = None) -> Job:
        """Enqueue one request; raises InvalidInput, DuplicateJob or StoreError, as `Queue.enqueue` does."""
        return self.enqueue_or_find(request, reason=reason).job

    def enqueue_or_find(self, request: JobRequest, *, reason: str | None = None) -> Answer:
        """Enqueue one request as `enqueue_request` does, and say whether its job was there before.

        It was where a job holds the request's unique key: that job is returned, or edited into what is asked.
        """
        return enqueue.enqueue_one(self._engine, self._commits, request, reason=reason)

    def choose(self, verb: Act, where: Filter) -> Chosen:
        """Find the jobs that a filter means and that can be cancelled, retried or removed; changes nothing.

        `verb` is cancel, retry or remove. Raises InvalidInput where the filter names a state in which they can not.
        """
        return job_actions.choose(self._store, verb, log.Log(self._engine).due_times().meant(where))

    def act_on_all(
        self, chosen: Chosen, *, reason: str | None = None, progress: Callable[[int], None] | None = None
    ) -> Acted:
        """Cancel, retry or remove the jobs chosen, 1,000 to a transaction, leaving those the filter no longer means.

        `progress` is called with the number of jobs gone through after each transaction.
        """
        return job_actions.act_on_all(self._engine, chosen, reason=reason, progress=progress)
