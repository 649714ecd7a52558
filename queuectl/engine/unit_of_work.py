"""Where decider, log and projections meet: one unit of work is one write transaction.

A unit decides commands against the views, appends the events and applies them, so that nothing is
ever half visible. Whoever claims makes due jobs ready first. Reads a clock only through the Clock it was given.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import islice

from msgspec.structs import replace

from .. import hints
from ..core.commands import ClaimJob, EnqueueJob, JobCommand, RecoverJob, RetryPolicy, StartJob, TakeJob
from ..core.decider import decide, decide_config
from ..core.job import Job
from ..core.request import check_lease_s, check_text, check_worker
from ..core.settings import Settings, from_environment
from ..core.times import wall_time_us
from ..errors import Conflict, DuplicateJob, JobNotFound, QueuectlError, StoreError
from ..events.append import Append
from ..events.types import (
    CONFIG_STREAM,
    ENVIRONMENT_STREAM,
    NEW_STREAM,
    RETENTION_STREAM,
    EnvironmentKept,
    Event,
    JobSpec,
    RetentionApplied,
    Value,
)
from ..projections import config, environments, ids, jobs, ready, removed, workers
from ..projections.row_codec import check_all
from ..projections.views import Views
from ..queries import presence
from ..store.event_reader import EventReader
from ..store.event_writer import EventWriter
from ..store.store import Store, Transaction
from ..system import wakeup
from ..system.clock import Clock
from ..system.scope import scope
from .log_clock import anchored_us, now_us

JobOrder = tuple[int, JobCommand]
"""A job's number and what to do with it."""


class Unit:
    """One write transaction's view of the queue: decide, append, apply."""

    def __init__(
        self,
        txn: Transaction,
        clock: Clock,
        actor: str,
        reason: str | None,
        cause: int = 0,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.txn = txn
        self._writer = EventWriter(txn)
        self.log: EventReader = self._writer
        self.views = Views(txn)
        self.now_us = anchored_us(txn, clock, max(self.log.last_at_us, self.views.promoted_us))
        self._clock = clock
        self._actor = actor
        self._reason = reason
        self._cause = cause if self.log.is_claim(cause) else 0
        self._brought: set[str] = set()
        self._environ = environ or {}

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
        if number is None:
            check_all(self.txn, ids.TABLE)
            raise JobNotFound(job_id, removed=removed.find(self.txn, job_id) is not None)
        return self.views.job(number) or next(jobs.each(self.txn, [number]))

    def execute(self, orders: Sequence[JobOrder]) -> list[Job]:
        """Carry out orders, all or none; returns the jobs afterwards.

        Raises the first refusal.
        """
        jobs, _ = self._run(orders, None)
        return jobs

    def execute_each(self, orders: Sequence[JobOrder]) -> tuple[list[Job], list[tuple[JobOrder, QueuectlError]]]:
        """Carry out those of the orders that are not refused; returns those jobs, and the refusals."""
        return self._run(orders, [])

    def enqueue(
        self, specs: Sequence[JobSpec], *, skip_existing: bool = False, generated: Container[int] = ()
    ) -> list[Job]:
        """Bring jobs into being; raises DuplicateJob, or leaves those out, whose id is taken.

        `generated` are the indexes of specs whose id was generated: those get another one instead.
        """
        appends = []
        taken: set[str] = set()
        any_removed = self.txn.count(removed.TABLE) > 0
        known = ids.taken(self.txn, [spec.id for index, spec in enumerate(specs) if index in generated])
        for index, spec in enumerate(specs):
            job_id, number = spec.id, None
            if index not in generated:
                number = ids.find(self.txn, job_id)
            else:
                while job_id in taken or job_id in known:
                    job_id = self._clock.job_ids(1)[0]
                    spec = replace(spec, id=job_id)
                    known |= ids.taken(self.txn, [job_id])
            if number is not None or job_id in taken:
                if skip_existing:
                    continue
                job = None if number is None else self.views.job(number) or next(jobs.each(self.txn, [number]))
                raise DuplicateJob(job_id, job.state if job else "in this very batch", index=index)
            taken.add(job_id)
            earlier = self._last_event_of_removed(job_id) if any_removed else 0
            appends.append(Append(NEW_STREAM, earlier, decide(EnqueueJob(spec), None), self._reason))
        return self._apply(appends)

    def bring_in(self, spec: JobSpec, events: tuple[Event, ...], reason: str) -> Job:
        """Bring a job into being with the life it had elsewhere; raises DuplicateJob."""
        number = ids.find(self.txn, spec.id)
        if number is not None or spec.id in self._brought:
            job = self.views.job(number) if number is not None else None
            raise DuplicateJob(spec.id, job.state if job else "in this very import")
        self._brought.add(spec.id)
        number = self.log.head() + 1
        appends = [Append(NEW_STREAM, self._last_event_of_removed(spec.id), events[:1], reason)]
        return self._apply([*appends, Append(number, number, events[1:])])[0]

    def claim(self, worker: str, count: int, *, lease_s: float, queues: Sequence[str] | None = None) -> list[Job]:
        """Lease the next `count` jobs to a worker; those due by now are among them."""
        check_worker(worker)
        command = ClaimJob(worker, self.lease_until_us(lease_s))
        return self.execute([(number, command) for number in self._next(count, queues)])

    def take(
        self, worker: str, count: int, *, lease_s: float, queues: Sequence[str] | None, host: str, pid: int
    ) -> list[Job]:
        """Lease the next `count` jobs to a worker and count an attempt of each, as claim() and start() would."""
        check_worker(worker)
        until_us = self.lease_until_us(lease_s)
        command = TakeJob(worker, until_us, host, pid)
        return self.execute([(number, command) for number in self._next(count, queues)])

    def _next(self, count: int, queues: Sequence[str] | None) -> list[int]:
        self.views.promote(self.now_us)
        return list(islice(ready.numbers(self.txn, queues), count))

    def lease_until_us(self, lease_s: float) -> int:
        """Return when a lease taken now ends; raises InvalidInput."""
        return self.now_us + int(check_lease_s(lease_s) * 1_000_000)

    def hold(self, worker: str, lease_s: float) -> None:
        """Make all leases of a worker hold for `lease_s` seconds from now, by its presence; raises InvalidInput."""
        until_us = self.lease_until_us(lease_s)
        said = presence.Presence(self._clock.now_us(), until_us)
        presence.put(self.txn, check_worker(worker), said, now_us=self.now_us)

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
            found = environments.find(self.txn, digest)
            if found is not None and found != entries:
                raise StoreError(
                    f"cannot enqueue: what is kept as environment {digest.hex()} is not what has that digest, so this "
                    "log was tampered with",
                    hint=hints.TAMPERED,
                )
            if found is None:
                self.append_named(ENVIRONMENT_STREAM + digest.hex(), (EnvironmentKept(entries),))

    def configure(self, key: str, value: Value | None) -> None:
        """Set a configuration key to a value, or unset it."""
        old = config.values(self.txn).get(key)
        self.append_named(CONFIG_STREAM, decide_config(key, old, value))

    def until_s(self, due_us: int) -> float:
        """Return in how many seconds of the machine's clock the log's time will be there."""
        wall_us = self._clock.now_us()
        return max(0, wall_time_us(due_us, log_now_us=self.now_us, wall_now_us=wall_us) - wall_us) / 1_000_000

    def append_named(self, stream: str, events: tuple[Event, ...]) -> None:
        """Append events to a named stream."""
        if events:
            self._apply([Append(stream, self.log.version(stream), events, self._reason)])

    def let_go(self, event: RetentionApplied, numbers: Sequence[int]) -> None:
        """Append what retention says, and take the jobs it means, these, out of the views."""
        expected = self.log.version(RETENTION_STREAM)
        batch = [Append(RETENTION_STREAM, expected, (event,), self._reason)]
        [recorded] = self._writer.append(batch, at_us=self.now_us, actor=self._actor)
        self.views.let_go(recorded, event, numbers)

    def _run(
        self, orders: Sequence[JobOrder], refused: list[tuple[JobOrder, QueuectlError]] | None
    ) -> tuple[list[Job], list[tuple[JobOrder, QueuectlError]]]:
        numbers = [number for number, _ in orders]
        if len(set(numbers)) < len(numbers):  # what comes next for a job is decided on what came before
            parts = [self._run([order], refused) for order in orders]
            return [job for done, _ in parts for job in done], refused or []
        appends: list[Append] = []
        unchanged: list[Job] = []
        for order, job in zip(orders, self.views.jobs(numbers), strict=True):
            number, command = order
            if job is None:
                check_all(self.txn, jobs.TABLE)
            try:
                events = decide(command, job)
            except QueuectlError as refusal:
                if refused is None:
                    raise
                refused.append((order, refusal))
                continue
            assert job is not None, "decide refuses a job that is not there"
            if events:
                appends.append(Append(number, job.version, events, self._reason))
            else:
                unchanged.append(job)
        return unchanged + self._apply(appends), refused or []

    def _apply(self, appends: Sequence[Append]) -> list[Job]:
        if not appends:
            return []
        try:
            recorded = self._writer.append(appends, at_us=self.now_us, actor=self._actor, cause=self._cause)
        except Conflict as error:  # within one transaction nobody was quicker
            raise StoreError(
                f"cannot append to stream {error.stream}: its last event is at position {error.expected} by the views, "
                f"at {error.actual} by the table `streams`: one is damaged",
                hint=hints.TYPE_VERIFY_FOR_WHICH,
            ) from error
        return self.views.apply(recorded)

    def _last_event_of_removed(self, job_id: str) -> int:
        number = removed.find(self.txn, job_id)
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
        self, store: Store, clock: Clock, actor: str, cause: int = 0, environ: Mapping[str, str] | None = None
    ) -> None:
        self.store = store
        self.environ = environ or {}
        self.clock = clock
        self.actor = actor
        self.cause = cause

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
        with self.store.write() as txn:
            cause = self.cause if actor in (None, self.actor) else 0
            unit = Unit(txn, self.clock, actor or self.actor, reason, cause, self.environ)
            yield unit
            unit.views.flush()
        if rings:
            wakeup.ring(self.store.path)

    def now_us(self) -> int:
        """Return the time that an event appended now would have: never before what was promoted or recorded."""
        with self.store.read() as txn:
            return self.now_us_in(txn)

    def now_us_in(self, txn: Transaction) -> int:
        """Return now_us() as a transaction has it."""
        return now_us(txn, self.clock, max(EventReader(txn).last_at_us, Views(txn).promoted_us))
