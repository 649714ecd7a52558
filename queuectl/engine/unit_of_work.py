"""Where decider, log and projections meet: a unit of work decides, and appends through a session of the writer.

What it appends at once goes into the log together, and in a store with a log of its own all of the unit does, so that
nothing is ever half visible. Where the log is shared, what it decided may come too late: then it is decided again, on
what is there by then, and a refusal is told only if it stands.
Whoever claims makes due jobs ready first. Reads a clock only through the Clock it was given.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ..core.commands import ClaimJob, EnqueueJob, ExpireJob, RenewLease, RetryPolicy, StartJob, TakeJob
from ..core.decider import decide_config
from ..core.job import ENDED, Job
from ..core.request import check_lease_s, check_worker
from ..core.settings import Settings, from_environment
from ..core.times import wall_time_us
from ..errors import DuplicateJob, JobNotFound, QueuectlError, Unusable, WrongState
from ..events.append import Append
from ..events.types import (
    CONFIG_STREAM,
    NEW_STREAM,
    RETENTION_STREAM,
    WORKER_STREAM,
    Event,
    RetentionApplied,
    Value,
    WorkerStopped,
)
from ..projections import config, ids, jobs, timers, workers
from ..projections.row_codec import check_all
from ..projections.views import Views
from ..store.event_reader import EventReader
from ..store.store import Transaction
from ..system.clock import Clock
from ..system.lazy import Later
from .decisions import Decided, JobOrder, Refusal, decide_all
from .new_jobs import Enqueuing, last_event_of_removed, new_jobs
from .writer import Appended, Session

if TYPE_CHECKING:
    from ..outputs import storage
    from ..queries import presence
    from . import next_jobs, unique_keys
    from .leaving_streams import LeavingStream
else:  # an enqueue has no use for them
    storage = Later("outputs.storage")
    presence = Later("queries.presence")
    next_jobs = Later("engine.next_jobs")
    unique_keys = Later("engine.unique_keys")

_TRIES_LEFT: Final = tuple(range(49, -1, -1))
"""What came too late is decided again as often as this; at the last time nothing newer is waited for."""

_NOTHING: Final = Appended([])

EXPIRED_AT_ONCE: Final = 1_000
"""How many jobs whose time is over are ended at once."""


class Unit:
    """One session's view of the queue: decide, append, apply; decide again what came too late."""

    def __init__(
        self,
        session: Session,
        clock: Clock,
        actor: str,
        reason: str | None,
        cause: int = 0,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._session = session
        self.now_us = session.now_us()
        self._clock = clock
        self._actor = actor
        self._reason = reason
        self._cause = cause if cause and session.log.is_claim(cause) else 0
        self._brought: set[str] = set()
        self._environ = environ or {}
        self.next_start_us: int | None = None
        """When the first job may start that a claim left for a limit's rate alone."""

    @property
    def txn(self) -> Transaction:
        """What the unit reads; it may be another one after each append."""
        return self._session.txn

    @property
    def log(self) -> EventReader:
        """The log as the unit reads it."""
        return self._session.log

    @property
    def views(self) -> Views:
        """The views as the unit reads them."""
        return self._session.views

    @property
    def is_kept(self) -> bool:
        """Whether what the unit has appended is on disk for good."""
        return self._session.is_kept

    def local(self, write: Callable[[Transaction], object]) -> None:
        """Write what is this store's alone, beside the log."""
        self._session.local(write)

    def settings(self) -> Settings:
        """Return the settings that count now, here; raises InvalidInput for a bad one in the environment."""
        return settings_of(self.txn, self._environ)

    def retry_policies(self) -> Iterator[RetryPolicy]:
        """Yield without end what a failure needs to know, each with a roll of its own, so that retries spread out."""
        settings = self.settings()
        while True:
            yield RetryPolicy(self.now_us, settings.backoff_max_s, settings.backoff_jitter, self._clock.roll())

    def require(self, check: Callable[[Transaction], None]) -> None:
        """Raise what a check of what is there raises, if it does of what is newest too."""
        for left in _TRIES_LEFT:
            try:
                check(self.txn)
            except QueuectlError:
                if not (left and self._catch_up()):
                    raise
            else:
                return

    def find(self, job_id: str) -> Job:
        """Return a job by its id; raises JobNotFound."""
        for left in _TRIES_LEFT:
            number = ids.find(self.txn, job_id)
            if number is not None:
                return self.views.job(number) or next(jobs.each(self.txn, [number]))
            if not (left and self._catch_up()):
                break
        check_all(self.txn, ids.TABLE)
        raise JobNotFound(job_id, removed=self.views.removed(job_id) is not None)

    def execute(self, orders: Sequence[JobOrder]) -> list[Job]:
        """Carry out orders, all or none; returns the jobs afterwards.

        Raises the first refusal.
        """
        for left in _TRIES_LEFT:
            decided = self._decide(orders)
            if left and decided.is_to_be_looked_at_again and self._catch_up():
                continue
            if decided.refused:
                raise decided.refused[0][1]
            appended = self._append(decided.batch, whole=True)
            if not appended.lost:
                return decided.unchanged + appended.jobs
        raise appended.lost[0][1]

    def execute_on(
        self, job_ids: Sequence[str], orders_for: Callable[[Sequence[Job]], Sequence[JobOrder]]
    ) -> tuple[list[Job], list[Job]]:
        """Carry out orders for the jobs of some ids, all or none; returns those jobs as they were and as they are.

        An id may be another job's by the time that the first is found gone. Raises the first refusal.
        """
        for left in _TRIES_LEFT:
            found = [self.find(job_id) for job_id in job_ids]
            try:
                return found, self.execute(orders_for(found))
            except JobNotFound:
                if not left or [self.find(job.id).number for job in found] == [job.number for job in found]:
                    raise
        raise AssertionError("the last time returns or raises")

    def execute_each(
        self, orders: Sequence[JobOrder], *, meant: Callable[[Job], bool] | None = None
    ) -> tuple[list[Job], list[Refusal]]:
        """Carry out those of the orders that are not refused; returns those jobs, and the refusals.

        `meant` is asked of each job as it is decided on, and again where it has moved on: orders for others are left.
        """
        jobs: list[Job] = []
        refused: list[Refusal] = []
        for left in _TRIES_LEFT:
            decided = self._decide(orders, meant)
            if left and decided.is_to_be_looked_at_again and self._catch_up():
                continue
            appended = self._append(decided.batch, whole=False)
            jobs += decided.unchanged + appended.jobs
            refused += decided.refused
            if not appended.lost:
                return jobs, refused
            lost = {append.stream for append, _ in appended.lost}
            orders = [order for order in orders if order[0] in lost]
        raise appended.lost[0][1]

    def enqueue(
        self, orders: Sequence[EnqueueJob], *, skip_existing: bool = False, generated: Container[int] = ()
    ) -> list[Job]:
        """Bring jobs into being; raises DuplicateJob, or leaves those out, whose id is taken.

        `generated` are the indexes of orders whose id was generated: those get another one instead.
        """
        return list(self.enqueue_in_place(orders, skip_existing=skip_existing, generated=generated).jobs)

    def enqueue_in_place(
        self,
        orders: Sequence[EnqueueJob],
        *,
        skip_existing: bool = False,
        generated: Container[int] = (),
        replacing: Container[int] = (),
    ) -> Enqueuing:
        """Bring jobs into being as enqueue() does, `replacing` at some indexes the ended job that has the id."""
        if self._session.is_shared and (replacing or any(map(_looks_at_others, orders))):
            self._catch_up()
        for left in _TRIES_LEFT:
            try:
                found = new_jobs(
                    *(self.txn, self.views, self._clock, orders, skip_existing, generated, replacing, self._reason),
                    now_us=self.now_us,
                )
            except (DuplicateJob, Unusable, WrongState):
                if left and self._catch_up():
                    continue
                raise
            appended = self._append(found.batch, whole=True)
            if not appended.lost:
                if found.replaced:
                    self.local(partial(storage.forget, numbers=found.replaced))
                return found.done(appended.jobs)
        raise appended.lost[0][1]

    def bring_in(self, job_id: str, events: tuple[Event, ...], reason: str) -> Job:
        """Bring a job into being with the life it had elsewhere; raises DuplicateJob."""
        for left in _TRIES_LEFT:
            number = ids.find(self.txn, job_id)
            if number is not None or job_id in self._brought:
                if left and self._catch_up():
                    continue
                job = self.views.job(number) if number is not None else None
                raise DuplicateJob(job_id, job.state if job else "in this very import")
            append = Append(NEW_STREAM, last_event_of_removed(self.txn, self.views, job_id), events, reason)
            appended = self._append([append], whole=True)
            if not appended.lost:
                self._brought.add(job_id)
                return appended.jobs[0]
        raise appended.lost[0][1]

    def claim(self, worker: str, count: int, *, lease_s: float, queues: Sequence[str] | None = None) -> list[Job]:
        """Lease the next `count` jobs to a worker; those due by now are among them."""
        check_worker(worker)
        return self._lease(ClaimJob(worker, self.lease_until_us(lease_s), self.now_us), count, count, queues)

    def take(
        self, worker: str, count: int, *, free: int, lease_s: float, queues: Sequence[str] | None, host: str, pid: int
    ) -> list[Job]:
        """Lease the next `count` jobs to a worker and count an attempt of each, as claim() and start() would.

        From the one after the first `free` on, which have slots, they wait: so none is taken that would hold a limit.
        """
        check_worker(worker)
        return self._lease(TakeJob(worker, self.lease_until_us(lease_s), host, pid, self.now_us), count, free, queues)

    def _lease(self, command: ClaimJob | TakeJob, count: int, free: int, served: Sequence[str] | None) -> list[Job]:
        """Lease the next jobs; where another was quicker, those after them. That there is none holds of newer state.

        Those whose time is over are met and ended on the way.
        """
        leased: list[Job] = []
        tried: set[int] = set()
        has_expired = False
        for left in _TRIES_LEFT:
            self._session.promote(self.now_us)
            chosen = next_jobs.NextJobs(self.txn, served, now_us=self.now_us, settings=self.settings, tried=tried)
            numbers = list(islice(chosen.numbers(free - len(leased)), count - len(leased)))
            decided = self._decide([(number, command) for number in numbers])
            if decided.refused:  # by the views it is ready
                raise decided.refused[0][1]
            appended = self._append(decided.batch, whole=False)
            found = [job for job in appended.jobs if job.lease is not None]
            leased += found
            tried.update(numbers)
            self.next_start_us = chosen.next_start_us
            if chosen.has_notes:
                self.local(chosen.note)
            if len(found) < len(appended.jobs):
                has_expired = has_expired or bool(self.expire())  # once: more would hold the store for too long
            elif not (left and (appended.lost or not leased) and (appended.lost or self._catch_up())):
                break
            command = replace(command, now_us=self.now_us)
        return leased

    def expire(self) -> list[Job]:
        """End waiting jobs whose time is over, some at once; returns them."""
        self.views.flush()
        numbers = list(islice(timers.over(self.txn, self.now_us), EXPIRED_AT_ONCE))
        expired, _ = self.execute_each([(number, ExpireJob(self.now_us)) for number in numbers])
        return [job for job in expired if job.state in ENDED]

    def lease_until_us(self, lease_s: float) -> int:
        """Return when a lease taken now ends; raises InvalidInput."""
        return self.now_us + int(check_lease_s(lease_s) * 1_000_000)

    def hold(self, worker: str, lease_s: float, held: Sequence[Job] = ()) -> None:
        """Make all leases of a worker hold for `lease_s` seconds from now, by its presence; raises InvalidInput.

        Where others share the log, those of the jobs that it says are `held`, by events.
        """
        until_us = self.lease_until_us(lease_s)
        said = presence.Presence(self._clock.now_us(), 0 if self._session.is_shared else until_us)
        check_worker(worker)
        self.local(lambda txn: presence.put(txn, worker, said, now_us=self.now_us))
        if self._session.is_shared:  # elsewhere nobody reads this store's presence
            self.execute_each([(job.number, RenewLease(token_of(job), until_us)) for job in held])

    def start(self, jobs: Sequence[Job], *, host: str, pid: int) -> list[Job]:
        """Count an attempt of jobs just claimed."""
        return self.execute([(job.number, StartJob(token_of(job), host, pid)) for job in jobs])

    def configure(self, key: str, value: Value | None) -> None:
        """Set a configuration key to a value, or unset it."""
        self.append_named(CONFIG_STREAM, lambda: decide_config(key, config.values(self.txn).get(key), value))

    def until_s(self, due_us: int) -> float:
        """Return in how many seconds of the machine's clock the log's time will be there."""
        wall_us = self._clock.now_us()
        return max(0, wall_time_us(due_us, log_now_us=self.now_us, wall_now_us=wall_us) - wall_us) / 1_000_000

    def append_named(self, stream: str, decide_now: Callable[[], tuple[Event, ...]]) -> bool:
        """Append to a named stream what is decided, again where it has moved on; returns whether that was anything."""
        for left in _TRIES_LEFT:
            events = decide_now()
            if not events and left and self._catch_up():
                continue
            if not events:
                return False
            append = Append(stream, self.log.version(stream), events, self._reason)
            appended = self._append([append], whole=True)
            if not appended.lost:
                return True
        raise appended.lost[0][1]

    def let_go(self, event: RetentionApplied, going: "Sequence[LeavingStream]") -> bool:
        """Append what retention says and drop the streams that go; returns False where one has moved on meanwhile.

        The last event of each job that goes is compared, without one more: so nobody who decided on the job as it was
        can add to it once it is gone. To one that was removed nobody can, and its id may have another job by now.
        """
        of_jobs = [(each, each.stream) for each in going if isinstance(each.stream, int)]
        there = self.views.jobs([number for _, number in of_jobs])
        guarded = (each for each, job in zip(of_jobs, there, strict=True) if job is not None)
        told = Append(RETENTION_STREAM, self.log.version(RETENTION_STREAM), (event,), self._reason)
        # Whoever is outrun by a guard catches up to it: what retention says comes before it.
        named = [each for each in going if isinstance(each.stream, str) and each.stream != RETENTION_STREAM]
        of_workers = (Append(each.stream, each.last, ()) for each in named)
        batch = [told, *(Append(number, each.last, ()) for each, number in guarded), *of_workers]
        return not self._session.let_go(batch, going, at_us=self.now_us, actor=self._actor).lost

    def end_worker(self, worker: str, why: str) -> bool:
        """Record that a worker ended, unless someone did already; returns whether."""

        def end() -> tuple[Event, ...]:
            return () if workers.get(self.txn, worker) is None else (WorkerStopped(why),)

        is_ended = self.append_named(WORKER_STREAM + worker, end)
        self.local(lambda txn: presence.drop(txn, worker))
        return is_ended

    def _decide(self, orders: Sequence[JobOrder], meant: Callable[[Job], bool] | None = None) -> Decided:
        found = self.views.jobs([number for number, _ in orders])
        if None in found:
            check_all(self.txn, jobs.TABLE)
        return decide_all(orders, found, reason=self._reason, meant=meant, holder_of=self._holder_of)

    def _holder_of(self, key: str) -> Job | None:
        return unique_keys.holder_of(self.txn, self.views, key, self.now_us)

    def _append(self, batch: Sequence[Append], *, whole: bool) -> Appended:
        if not batch:
            return _NOTHING
        return self._session.append(batch, at_us=self.now_us, actor=self._actor, cause=self._cause, whole=whole)

    def _catch_up(self) -> bool:
        """Read what is newer, if anything; returns whether there is something else to decide on."""
        if not self._session.catch_up():
            return False
        self.now_us = max(self.now_us, self._session.now_us())
        return True


def settings_of(txn: Transaction, environ: Mapping[str, str]) -> Settings:
    """Return what is configured, under what an environment says; raises InvalidInput for what it says badly."""
    return Settings.of(config.values(txn) | from_environment(environ))


def _looks_at_others(order: EnqueueJob) -> bool:
    """Whether what becomes of an order depends on other jobs: on who has its key, or has ended."""
    return order.options is not None and bool(order.options.unique or order.options.after)


def token_of(job: Job) -> int:
    """Return the token of a job's current lease, 0 when it has none."""
    return job.lease.token if job.lease else 0
