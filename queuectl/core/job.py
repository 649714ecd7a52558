"""A job and its life: one literal transition table, and `evolve`, which applies an event to a job.

Anything that touches a state or a transition lives here. Pure: no clock, no I/O. A job is the fold
of its events; the diagram in docs/lifecycle.md is printed from TRANSITIONS.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from ..errors import IllegalTransition
from ..events.types import (
    Cancelled,
    CancelRequested,
    Claimed,
    Command,
    Completed,
    Dead,
    Edited,
    Enqueued,
    Event,
    Expiry,
    Failed,
    Frozen,
    JobOptions,
    JobSpec,
    Paused,
    Policy,
    Recorded,
    Released,
    Removed,
    Renewed,
    Requeued,
    Resumed,
    Snoozed,
    Started,
)
from .edited import edited, edited_options, lifted
from .expiry import ENDINGS
from .held import Lease, Outcome, Wait
from .retry import is_exhausted
from .times import Instant, moment_of


class JobState(StrEnum):
    """The states users see."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"

    __hash__ = str.__hash__  # an Enum's own is written in Python, and states are looked up for every event


_P, _R, _C, _F, _D, _X = JobState

WAITING = frozenset({_P, _F})
"""Not running, and going to."""

ENDED = frozenset({_C, _D, _X})
"""Not going to run again by itself."""

TRANSITIONS: Mapping[type[Any], Mapping[JobState | None, JobState | None]] = {
    Enqueued: {None: _P},
    Claimed: {_P: _R, _F: _R},
    Started: {_R: _R},
    Renewed: {_R: _R},
    Completed: {_R: _C},
    Failed: {_R: _F},
    Snoozed: {_R: _P},
    Dead: {_P: _D, _F: _D},
    Released: {_R: _P},
    CancelRequested: {_R: _R},
    Cancelled: {_P: _X, _F: _X, _R: _X},
    Requeued: {_F: _P, _C: _P, _D: _P, _X: _P},
    Edited: {_P: _P, _R: _R, _C: _C, _F: _F, _D: _D, _X: _X},
    Removed: {_C: None, _D: None, _X: None},
    Paused: {_P: _P, _F: _F, _R: _R},
    Resumed: {state: state for state in JobState},
}
"""Event -> state before -> state after. None before: there is no such job; None after: it is gone."""


class Job(Frozen, array_like=True):
    """One job as it stands at `version`, the position of its last event.

    `number` is the position of its first. `due_us`: when it may run, or could have (0: at once).
    `lease` is set exactly while it is processing. `paused_at_us`: since when it is not to run, None where it may.
    `snoozes` are those since it was enqueued or run again, and `ended_by` says what of its policy or its time ended it
    or its last run. `restarted_us`: from when its total time counts (0: since it was enqueued).
    """

    number: int
    spec: JobSpec
    state: JobState
    version: int
    created_at_us: int
    updated_at_us: int
    due_us: int
    attempts: int = 0
    lease: Lease | None = None
    started_at_us: int | None = None
    finished_at_us: int | None = None
    last: Outcome | None = None
    options: JobOptions | None = None
    paused_at_us: int | None = None
    snoozes: int = 0
    ended_by: str | None = None
    restarted_us: int = 0

    @property
    def id(self) -> str:
        """The id its user knows it by."""
        return self.spec.id

    @property
    def command(self) -> Command:
        """What it runs: a shell line, or words that run without a shell."""
        return self.spec.command

    @property
    def queue(self) -> str:
        """The queue that it is in."""
        return self.spec.queue

    @property
    def priority(self) -> int:
        """Its priority; of jobs that are due, the higher runs first."""
        return self.spec.priority

    @property
    def max_retries(self) -> int:
        """How many attempts may follow its first."""
        return self.spec.max_retries

    @property
    def timeout_s(self) -> float | None:
        """How long an attempt may take, in seconds; None is for ever."""
        return None if self.spec.timeout_ms is None else self.spec.timeout_ms / 1000

    @property
    def backoff_base(self) -> float:
        """What a retry waits by: `backoff_base ** attempt` seconds."""
        return self.spec.backoff_base

    @property
    def cwd(self) -> str | None:
        """The directory that it runs in."""
        return self.spec.cwd

    @property
    def env(self) -> Mapping[str, str]:
        """What it adds to its worker's environment."""
        return self.spec.env or {}

    @property
    def labels(self) -> Mapping[str, str]:
        """What it is found by, beside its id and its queue."""
        return (self.options and self.options.labels) or {}

    @property
    def meta(self) -> Mapping[str, Any]:
        """What is kept and shown with it, as JSON has it."""
        return (self.options and self.options.meta) or {}

    @property
    def created_at(self) -> Instant:
        """When it was enqueued, as an aware datetime, as all times here."""
        return moment_of(self.created_at_us)

    @property
    def updated_at(self) -> Instant:
        """When its last event was."""
        return moment_of(self.updated_at_us)

    @property
    def due_at(self) -> Instant:
        """When it may run, or could have."""
        return moment_of(self.runs_at_us or self.created_at_us)

    @property
    def started_at(self) -> Instant | None:
        """When its last attempt started; None if none did."""
        return None if self.started_at_us is None else moment_of(self.started_at_us)

    @property
    def finished_at(self) -> Instant | None:
        """When its last attempt ended, or it was cancelled; None if it is to run, or runs."""
        return None if self.finished_at_us is None else moment_of(self.finished_at_us)

    @property
    def return_code(self) -> int | None:
        """The exit code of its last run; None if none has ended with one."""
        return self.last.return_code if self.last else None

    @property
    def error(self) -> str | None:
        """How its last run failed; None if it did not."""
        return self.last.error if self.last else None

    @property
    def runs_at_us(self) -> int:
        """When it may run by the machine's clock: as it was asked for, if that is what it waits for."""
        spec = self.spec
        return spec.run_at_us or 0 if spec.due_us is not None and spec.due_us == self.due_us else self.due_us

    @property
    def policy(self) -> Policy | None:
        """What follows from how its runs end, where that was said."""
        return None if self.options is None else self.options.policy

    @property
    def expiry(self) -> Expiry | None:
        """Until when its attempts may start, where that was said."""
        return None if self.options is None else self.options.expiry

    @property
    def running_since_us(self) -> int | None:
        """When the run began that goes on now; None if none does, also if it was claimed and did not start yet."""
        return self.started_at_us if self.lease is not None and self.lease.attempt else None

    @property
    def is_paused(self) -> bool:
        """Whether it was paused, and not resumed."""
        return self.paused_at_us is not None

    @property
    def parked(self) -> Wait | None:
        """What it waits for that no time ends; None where it does not wait, or for its time and its turn alone."""
        return Wait.PAUSED if self.paused_at_us is not None and self.lease is None and self.state in WAITING else None

    @property
    def unique(self) -> str | None:
        """The key that no other job holds while it does; None where it asked for none."""
        return None if self.options is None else self.options.unique

    @property
    def unique_until_us(self) -> int | None:
        """Until when it holds that key in any case; None where only until it has ended."""
        return None if self.options is None else self.options.unique_until_us

    @property
    def uses_limits(self) -> bool:
        """Whether it uses something of a limit while it runs, and so waits until there is room."""
        return self.options is not None and bool(self.options.use)

    @property
    def use(self) -> tuple[str, ...]:
        """What it uses of limits while it runs, each as it is typed."""
        return (self.options and self.options.use) or ()

    @property
    def waits_for(self) -> Wait | None:
        """What it waits for beside its time and its turn; of several things the first to be over; None for nothing."""
        if self.options is None and self.paused_at_us is None:
            return None
        return self.parked or (Wait.LIMIT if self.uses_limits and self.state in WAITING else None)

    @property
    def is_last_attempt(self) -> bool:
        """Return whether the job is dead if its current attempt fails."""
        return is_exhausted(self.attempts, self.spec.max_retries)


def id_of(job: Job | str) -> str:
    """Return the id of a job, from a Job or from the id itself."""
    return job if isinstance(job, str) else job.id


def evolve(job: Job | None, recorded: Recorded) -> Job | None:
    """Apply one recorded event to its job; None stands for no job, before or after.

    Raises IllegalTransition where TRANSITIONS has no such arrow.
    """
    event = recorded.event
    kind = type(event)
    before = None if job is None else job.state
    try:
        after = TRANSITIONS[kind][before]
    except KeyError:
        raise IllegalTransition(kind.__name__.lower(), before or "absent", recorded.position) from None
    return _EVOLVE[kind](job, event, recorded, after)


def _enqueued(job: Job | None, event: Enqueued, at: Recorded, state: JobState) -> Job:
    spec, position, at_us = event.spec, at.position, at.at_us
    due_us, options = spec.due_us or spec.run_at_us or 0, event.options
    if options is None:
        return Job(position, spec, state, position, at_us, at_us, due_us)
    paused_at_us = at_us if options.paused else None
    return Job(position, spec, state, position, at_us, at_us, due_us, options=options, paused_at_us=paused_at_us)


def _claimed(job: Job, event: Claimed, at: Recorded, state: JobState) -> Job:
    lease = Lease(at.position, event.worker, event.expires_at_us)
    return replace(job, state=state, version=at.position, updated_at_us=at.at_us, lease=lease)


def _started(job: Job, event: Started, at: Recorded, state: JobState) -> Job:
    attempt, at_us = event.attempt, at.at_us
    return replace(
        job,
        state=state,
        version=at.position,
        updated_at_us=at_us,
        attempts=attempt,
        lease=replace(_held(job.lease), attempt=attempt),
        started_at_us=at_us,
        finished_at_us=None,
    )


def _completed(job: Job, event: Completed, at: Recorded, state: JobState) -> Job:
    last = Outcome(_held(job.lease).worker, event.return_code, event.signal, event.duration_ms, None)
    return _ended(job, event.attempt, at, state, last, job.due_us, event.ended_by)


def _failed(job: Job, event: Failed, at: Recorded, state: JobState) -> Job:
    last = Outcome(_held(job.lease).worker, event.return_code, event.signal, event.duration_ms, event.error)
    due_us = job.due_us if event.retry_at_us is None else event.retry_at_us
    return _ended(job, event.attempt, at, state, last, due_us)


def _ended(
    job: Job, attempt: int, at: Recorded, state: JobState, last: Outcome, due_us: int, ended_by: str | None = None
) -> Job:
    return replace(
        job,
        state=state,
        version=at.position,
        updated_at_us=at.at_us,
        due_us=due_us,
        attempts=attempt,
        lease=None,
        finished_at_us=at.at_us,
        last=last,
        ended_by=ended_by,
    )


def _snoozed(job: Job, event: Snoozed, at: Recorded, state: JobState) -> Job:
    last = Outcome(_held(job.lease).worker, event.return_code, event.signal, event.duration_ms, event.error)
    snoozed = _ended(job, event.attempt - 1, at, state, last, event.until_us, event.ended_by)
    return replace(snoozed, finished_at_us=None, snoozes=job.snoozes + 1)


def _moved(job: Job, at: Recorded, state: JobState, **changes: Any) -> Job:
    return replace(job, state=state, version=at.position, updated_at_us=at.at_us, **changes)


def _renewed(job: Job, event: Renewed, at: Recorded, state: JobState) -> Job:
    return _moved(job, at, state, lease=replace(_held(job.lease), expires_at_us=event.expires_at_us))


def _released(job: Job, event: Released, at: Recorded, state: JobState) -> Job:
    started = _held(job.lease).attempt
    return _moved(job, at, state, lease=None, attempts=started - 1 if started else job.attempts)


def _cancel_requested(job: Job, event: CancelRequested, at: Recorded, state: JobState) -> Job:
    return _moved(job, at, state, lease=replace(_held(job.lease), cancel_requested=True))


def _cancelled(job: Job, event: Cancelled, at: Recorded, state: JobState) -> Job:
    lease, last = job.lease, job.last
    if lease is not None and lease.attempt:
        last = Outcome(lease.worker, None, None, event.duration_ms, None)
    return _moved(job, at, state, lease=None, finished_at_us=at.at_us, last=last, ended_by=event.ended_by)


def _requeued(job: Job, event: Requeued, at: Recorded, state: JobState) -> Job:
    at_us, options = at.at_us, lifted(job.options)
    begun = {"attempts": event.attempts, "snoozes": 0, "ended_by": None, "due_us": at_us, "restarted_us": at_us}
    return _moved(job, at, state, options=options, finished_at_us=None, **begun)


def _dead(job: Job, event: Dead, at: Recorded, state: JobState) -> Job:
    ended_by = event.ended_by or (event.failure if event.failure in ENDINGS else None)
    return _moved(job, at, state, finished_at_us=job.finished_at_us or at.at_us, ended_by=ended_by)


def _edited(job: Job, event: Edited, at: Recorded, state: JobState) -> Job:
    due_us = job.due_us if event.run_at_us is None else event.due_us or event.run_at_us
    spec, options = edited(job.spec, event), edited_options(job.options, event)
    return _moved(job, at, state, spec=spec, options=options, due_us=due_us)


def _removed(job: Job, event: Removed, at: Recorded, state: None) -> None:
    return None


def _paused(job: Job, event: Paused, at: Recorded, state: JobState) -> Job:
    return _moved(job, at, state, paused_at_us=at.at_us)


def _resumed(job: Job, event: Resumed, at: Recorded, state: JobState) -> Job:
    return _moved(job, at, state, paused_at_us=None)


def _held(lease: Lease | None) -> Lease:
    assert lease is not None, "a processing job has a lease"
    return lease


_EVOLVE: Mapping[type[Event], Callable[[Any, Any, Recorded, Any], Job | None]] = {
    Enqueued: _enqueued,
    Claimed: _claimed,
    Started: _started,
    Renewed: _renewed,
    Completed: _completed,
    Failed: _failed,
    Snoozed: _snoozed,
    Dead: _dead,
    Released: _released,
    CancelRequested: _cancel_requested,
    Cancelled: _cancelled,
    Requeued: _requeued,
    Edited: _edited,
    Removed: _removed,
    Paused: _paused,
    Resumed: _resumed,
}
