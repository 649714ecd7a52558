"""A job as it stands, and its states; pure.

It is the fold of its events: how each changes it is in `evolve`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from ..events.types import (
    Command,
    Edge,
    Expiry,
    Frozen,
    JobOptions,
    JobSpec,
    Policy,
)
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
    unmet: tuple[Edge, ...] = ()

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
        if (self.paused_at_us is None and not self.unmet) or self.state not in WAITING:
            return None
        return Wait.PAUSED if self.paused_at_us is not None else Wait.DEPENDENCY

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
