"""Where decider, log and projections meet: a unit of work decides, and appends through a session of the writer.

What it decides goes into the log together, so that nothing is ever half visible. Where the log is shared, what it
decided may come too late: then it is decided again, on what is there by then, and a refusal is told only if it stands.
Whoever claims makes due jobs ready first. Reads a clock only through the Clock it was given.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Final

from msgspec.structs import replace

from .. import hints
from ..core.commands import ClaimJob, EnqueueJob, JobCommand, RecoverJob, RenewLease, RetryPolicy, StartJob, TakeJob
from ..core.decider import decide, decide_config
from ..core.job import Job
from ..core.request import check_lease_s, check_text, check_worker
from ..core.settings import Settings, from_environment
from ..core.times import wall_time_us
from ..errors import DuplicateJob, JobNotFound, StoreError
from ..events.append import Append
from ..events.types import (
    CONFIG_STREAM,
    ENVIRONMENT_STREAM,
    NEW_STREAM,
    RETENTION_STREAM,
    WORKER_STREAM,
    EnvironmentKept,
    Event,
    JobSpec,
    RetentionApplied,
    Value,
    WorkerStopped,
)
from ..projections import config, environments, ids, jobs, leases, ready, removed, workers
from ..projections.row_codec import check_all
from ..projections.views import Views
from ..queries import presence
from ..store.event_reader import EventReader
from ..store.store import Store, Transaction
from ..system import wakeup
from ..system.clock import Clock
from ..system.scope import scope
from .decisions import Decided, JobOrder, Refusal, decide_all
from .leaving_streams import LeavingStream
from .log_clock import now_us
from .writer import Appended, EmbeddedWriter, Session, Writer

TRIES: Final = 50
"""How often what came too late is decided again."""

_NOTHING: Final = Appended([])


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

    def catch_up(self) -> bool:
        """Read what is newer, if anything; returns whether there is something else to decide on."""
        if not self._session.catch_up():
            return False
        self.now_us = max(self.now_us, self._session.now_us())
        return True

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

    def find(self, job_id: str) -> Job:
        """Return a job by its id; raises JobNotFound."""
        number = ids.find(self.txn, job_id)
        if number is None and self.catch_up():
            return self.find(job_id)
        if number is None:
            check_all(self.txn, ids.TABLE)
            raise JobNotFound(job_id, removed=self.views.removed(job_id) is not None)
        return self.views.job(number) or next(jobs.each(self.txn, [number]))

    def execute(self, orders: Sequence[JobOrder]) -> list[Job]:
        """Carry out orders, all or none; returns the jobs afterwards.

        Raises the first refusal.
        """
        for _ in range(TRIES):
            decided = self._decide(orders)
            if decided.refused and self.catch_up():
                continue
            if decided.refused:
                raise decided.refused[0][1]
            appended = self._append(decided.batch, whole=True)
            if not appended.lost:
                return decided.unchanged + appended.jobs
        raise appended.lost[0][1]

    def execute_each(
        self, orders: Sequence[JobOrder], *, meant: Callable[[Job], bool] | None = None
    ) -> tuple[list[Job], list[Refusal]]:
        """Carry out those of the orders that are not refused; returns those jobs, and the refusals.

        `meant` is asked of each job as it is decided on, and again where it has moved on: orders for others are left.
        """
        jobs: list[Job] = []
        refused: list[Refusal] = []
        for _ in range(TRIES):
            decided = self._decide(orders, meant)
            if decided.refused and self.catch_up():
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
        self, specs: Sequence[JobSpec], *, skip_existing: bool = False, generated: Container[int] = ()
    ) -> list[Job]:
        """Bring jobs into being; raises DuplicateJob, or leaves those out, whose id is taken.

        `generated` are the indexes of specs whose id was generated: those get another one instead.
        """
        for _ in range(TRIES):
            try:
                batch = self._births(specs, skip_existing, generated)
            except DuplicateJob:
                if self.catch_up():
                    continue
                raise
            appended = self._append(batch, whole=True)
            if not appended.lost:
                return appended.jobs
        raise appended.lost[0][1]

    def _births(self, specs: Sequence[JobSpec], skip_existing: bool, generated: Container[int]) -> list[Append]:
        batch = []
        taken: set[str] = set()
        any_removed = self.txn.count(removed.TABLE) > 0
        known = ids.taken(self.txn, [spec.id for index, spec in enumerate(specs) if index in generated])
        for index, spec in enumerate(specs):
            job_id = spec.id
            if index in generated:
                while job_id in taken or job_id in known:
                    job_id = self._clock.job_ids(1)[0]
                    spec = replace(spec, id=job_id)
                    known |= ids.taken(self.txn, [job_id])
            elif (number := ids.find(self.txn, job_id)) is not None or job_id in taken:
                if skip_existing:
                    continue
                job = None if number is None else self.views.job(number) or next(jobs.each(self.txn, [number]))
                raise DuplicateJob(job_id, job.state if job else "in this very batch", index=index)
            taken.add(job_id)
            earlier = self._last_event_of_removed(job_id) if any_removed else 0
            batch.append(Append(NEW_STREAM, earlier, decide(EnqueueJob(spec), None), self._reason))
        return batch

    def bring_in(self, spec: JobSpec, events: tuple[Event, ...], reason: str) -> Job:
        """Bring a job into being with the life it had elsewhere; raises DuplicateJob."""
        for _ in range(TRIES):
            number = ids.find(self.txn, spec.id)
            if number is not None or spec.id in self._brought:
                if self.catch_up():
                    continue
                job = self.views.job(number) if number is not None else None
                raise DuplicateJob(spec.id, job.state if job else "in this very import")
            append = Append(NEW_STREAM, self._last_event_of_removed(spec.id), events, reason)
            appended = self._append([append], whole=True)
            if not appended.lost:
                self._brought.add(spec.id)
                return appended.jobs[0]
        raise appended.lost[0][1]

    def claim(self, worker: str, count: int, *, lease_s: float, queues: Sequence[str] | None = None) -> list[Job]:
        """Lease the next `count` jobs to a worker; those due by now are among them."""
        check_worker(worker)
        return self._lease(ClaimJob(worker, self.lease_until_us(lease_s)), count, queues)

    def take(
        self, worker: str, count: int, *, lease_s: float, queues: Sequence[str] | None, host: str, pid: int
    ) -> list[Job]:
        """Lease the next `count` jobs to a worker and count an attempt of each, as claim() and start() would."""
        check_worker(worker)
        return self._lease(TakeJob(worker, self.lease_until_us(lease_s), host, pid), count, queues)

    def _lease(self, command: JobCommand, count: int, queues: Sequence[str] | None) -> list[Job]:
        """Lease the next jobs; that there is none is told only if it stands."""
        leased = self._lease_known(command, count, queues)
        return leased if leased or not self.catch_up() else self._lease_known(command, count, queues)

    def _lease_known(self, command: JobCommand, count: int, queues: Sequence[str] | None) -> list[Job]:
        """Lease the next of the jobs that are known here; where another was quicker, those after them."""
        leased: list[Job] = []
        tried: set[int] = set()
        self._session.promote(self.now_us)
        while True:
            free = (number for number in ready.numbers(self.txn, queues) if number not in tried)
            numbers = list(islice(free, count - len(leased)))
            decided = self._decide([(number, command) for number in numbers])
            if decided.refused:  # by the views it is ready
                raise decided.refused[0][1]
            appended = self._append(decided.batch, whole=False)
            leased += appended.jobs
            if not appended.lost:
                return leased
            tried.update(numbers)

    def lease_until_us(self, lease_s: float) -> int:
        """Return when a lease taken now ends; raises InvalidInput."""
        return self.now_us + int(check_lease_s(lease_s) * 1_000_000)

    def hold(self, worker: str, lease_s: float) -> None:
        """Make all leases of a worker hold for `lease_s` seconds from now, by its presence; raises InvalidInput."""
        until_us = self.lease_until_us(lease_s)
        said = presence.Presence(self._clock.now_us(), until_us)
        check_worker(worker)
        self.local(lambda txn: presence.put(txn, worker, said, now_us=self.now_us))
        if self._session.is_shared:  # elsewhere nobody reads this store's presence
            held = jobs.each(self.txn, leases.held_by(self.txn, worker))
            self.execute_each([(job.number, RenewLease(token_of(job), until_us)) for job in held])

    def start(self, jobs: Sequence[Job], *, host: str, pid: int) -> list[Job]:
        """Count an attempt of jobs just claimed."""
        return self.execute([(job.number, StartJob(token_of(job), host, pid)) for job in jobs])

    def recover(self, held: Sequence[Job], *, gone: bool = False, launched: int | None = None) -> list[Job]:
        """Recover jobs whose lease has expired, or whose worker is `gone`; those that have moved on are left.

        `launched` is the highest token for which the worker had come to start a command, where that is known.
        """
        policies = self.retry_policies()
        orders: list[JobOrder] = []
        for job in held:
            worker = job.lease.worker if job.lease else ""
            row = workers.get(self.txn, worker)
            pid = None if row is None else row.pid
            until_us = presence.get(self.txn, worker).holds_until_us
            token = token_of(job)
            was_launched = launched is None or token <= launched
            orders.append((job.number, RecoverJob(token, next(policies), gone, pid, was_launched, until_us)))
        recovered, _ = self.execute_each(orders)
        return recovered

    def keep_environments(self, kept: Mapping[bytes, Mapping[str, str | None]]) -> None:
        """Keep the environments that jobs about to be enqueued take along, each once and for good; raises StoreError.

        What is kept already is compared: a log from elsewhere may say anything, and jobs would run by it.
        """
        for digest, entries in kept.items():
            self.append_named(ENVIRONMENT_STREAM + digest.hex(), partial(self._kept_as, digest, entries))

    def _kept_as(self, digest: bytes, entries: Mapping[str, str | None]) -> tuple[EnvironmentKept, ...]:
        found = environments.find(self.txn, digest)
        if found is not None and found != entries:
            raise StoreError(
                f"cannot enqueue: what is kept as environment {digest.hex()} is not what has that digest, so this "
                "log was tampered with",
                hint=hints.TAMPERED,
            )
        return () if found is not None else (EnvironmentKept(entries),)

    def configure(self, key: str, value: Value | None) -> None:
        """Set a configuration key to a value, or unset it."""
        self.append_named(CONFIG_STREAM, lambda: decide_config(key, config.values(self.txn).get(key), value))

    def until_s(self, due_us: int) -> float:
        """Return in how many seconds of the machine's clock the log's time will be there."""
        wall_us = self._clock.now_us()
        return max(0, wall_time_us(due_us, log_now_us=self.now_us, wall_now_us=wall_us) - wall_us) / 1_000_000

    def append_named(self, stream: str, decide_now: Callable[[], tuple[Event, ...]]) -> bool:
        """Append to a named stream what is decided, again where it has moved on; returns whether that was anything."""
        for _ in range(TRIES):
            events = decide_now()
            if not events:
                return False
            append = Append(stream, self.log.version(stream), events, self._reason)
            appended = self._append([append], whole=True)
            if not appended.lost:
                return True
        raise appended.lost[0][1]

    def let_go(self, event: RetentionApplied, going: Sequence[LeavingStream]) -> bool:
        """Append what retention says and drop the streams that go; returns False where one has moved on meanwhile.

        The last event of each job that goes is compared, without one more: so nobody who decided on the job as it was
        can add to it once it is gone. To one that was removed nobody can, and its id may have another job by now.
        """
        of_jobs = [(each, each.stream) for each in going if isinstance(each.stream, int)]
        there = self.views.jobs([number for _, number in of_jobs])
        guarded = (each for each, job in zip(of_jobs, there, strict=True) if job is not None)
        batch = [Append(number, each.last, ()) for each, number in guarded]
        batch.append(Append(RETENTION_STREAM, self.log.version(RETENTION_STREAM), (event,), self._reason))
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
        return decide_all(orders, found, reason=self._reason, meant=meant)

    def _append(self, batch: Sequence[Append], *, whole: bool) -> Appended:
        if not batch:
            return _NOTHING
        return self._session.append(batch, at_us=self.now_us, actor=self._actor, cause=self._cause, whole=whole)

    def _last_event_of_removed(self, job_id: str) -> int:
        number = self.views.removed(job_id)
        return 0 if number is None else self.log.version(number)


def settings_of(txn: Transaction, environ: Mapping[str, str]) -> Settings:
    """Return what is configured, under what an environment says; raises InvalidInput for what it says badly."""
    return Settings.of(config.values(txn) | from_environment(environ))


def token_of(job: Job) -> int:
    """Return the token of a job's current lease, 0 when it has none."""
    return job.lease.token if job.lease else 0


class Engine:
    """A store, a clock, who acts, and an environment whose settings count: opens units of work."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        actor: str,
        cause: int = 0,
        environ: Mapping[str, str] | None = None,
        writer: Writer | None = None,
    ) -> None:
        self.store = store
        self.environ = environ or {}
        self.clock = clock
        self.actor = actor
        self.cause = cause
        self.writer = writer or EmbeddedWriter(store, clock)

    @scope
    def unit(self, *, actor: str | None = None, reason: str | None = None, rings: bool = False) -> Iterator[Unit]:
        """Open a unit of work; at its end everything is on disk, or nothing is.

        `rings`: idle workers are woken after it. Raises InvalidInput for an actor or a reason that
        the log cannot keep.
        """
        if reason is not None:
            check_text("reason", reason)
        if actor is not None:
            check_text("actor", actor)
        with self.writer.session() as session:
            cause = self.cause if actor in (None, self.actor) else 0
            yield Unit(session, self.clock, actor or self.actor, reason, cause, self.environ)
        if rings:
            wakeup.ring(self.store.path)

    def now_us(self) -> int:
        """Return the time that an event appended now would have: never before what was promoted or recorded."""
        with self.store.read() as txn:
            return self.now_us_in(txn)

    def now_us_in(self, txn: Transaction) -> int:
        """Return now_us() as a transaction has it."""
        return now_us(txn, self.clock, max(EventReader(txn).last_at_us, Views(txn).promoted_us))
