"""What can happen, as immutable values; imports nothing of ours and decides nothing.

Events are named in the past tense. They are NamedTuples rather than frozen dataclasses: building
one is five times faster and the codec walks their fields in order (docs/decisions/0002).
Times are integer microseconds since the epoch, UTC; durations carry their unit in their name.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

Command: TypeAlias = str | tuple[str, ...]
"""A shell line, or an argument vector that runs without a shell."""

Stream: TypeAlias = int | str
"""What an event belongs to: a job, by its number, or a named stream such as `config`."""

Value: TypeAlias = int | float | str
"""What a configuration key can be set to."""

NEW: Final = 0
"""The stream of an event that begins a job: its number will be the event's own position."""

CONFIG_STREAM: Final = "config"
RETENTION_STREAM: Final = "retention"
WORKER_STREAM: Final = "worker:"
"""Prefix of each worker's own stream."""

ENVIRONMENT_STREAM: Final = "environment:"
"""Prefix of the stream of one environment that jobs took along; the digest of its entries follows, in hexadecimal."""


class Reason(StrEnum):
    """Why an attempt failed."""

    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    SPAWN_ERROR = "spawn_error"
    LOST = "lost"


class JobSpec(NamedTuple):
    """What was asked for; only an edit changes it after the job is enqueued.

    `timeout_is_default`: nobody asked for this timeout, the configuration said it. `shell` None is /bin/sh.
    `merge`: what it prints to stderr goes to stdout.
    `inherited` is the digest of the environment that it took along. `run_at_us` is by the machine's clock, and
    `due_us` the same by the log's time, where that is ahead.
    """

    id: str
    command: Command
    queue: str = "default"
    priority: int = 0
    max_retries: int = 3
    timeout_ms: int | None = None
    backoff_base: float = 2.0
    cwd: str | None = None
    env: Mapping[str, str] | None = None
    run_at_us: int | None = None
    timeout_is_default: bool = False
    shell: str | None = None
    inherited: bytes | None = None
    due_us: int | None = None
    merge: bool = False


class Output(NamedTuple):
    """What one output stream of an attempt amounted to; the content lies beside the log."""

    size: int
    sha256: bytes


class Enqueued(NamedTuple):
    """A job came to be."""

    spec: JobSpec


class Claimed(NamedTuple):
    """A worker took the job under a lease; this event's position is the lease's token."""

    worker: str
    expires_at_us: int


class Started(NamedTuple):
    """The run was about to spawn its command: from here on it counts as an attempt."""

    token: int
    attempt: int
    host: str
    pid: int


class Renewed(NamedTuple):
    """The lease was made longer."""

    token: int
    expires_at_us: int


class Completed(NamedTuple):
    """The command ended well."""

    token: int
    attempt: int
    duration_ms: int | None = None
    return_code: int = 0
    stdout: Output | None = None
    stderr: Output | None = None


class Failed(NamedTuple):
    """The attempt ended badly; `retry_at_us` is None when no other follows."""

    token: int
    attempt: int
    reason: str
    error: str
    return_code: int | None = None
    signal: str | None = None
    duration_ms: int | None = None
    retry_at_us: int | None = None
    stdout: Output | None = None
    stderr: Output | None = None
    stderr_tail: str | None = None


class Dead(NamedTuple):
    """The job went to the dead letter queue."""

    attempts: int
    reason: str


class Released(NamedTuple):
    """The claim was given back; no attempt was used up."""

    token: int
    cause: str


class CancelRequested(NamedTuple):
    """Someone wants the running job stopped; its worker will see to it."""

    token: int


class Cancelled(NamedTuple):
    """The job will not run, or its run was stopped on request; `token` is set in the second case."""

    token: int | None = None
    attempt: int | None = None
    duration_ms: int | None = None
    stdout: Output | None = None
    stderr: Output | None = None


class Requeued(NamedTuple):
    """The job may run again, now; `attempts` is what its count starts from."""

    attempts: int


class Edited(NamedTuple):
    """What the job is to do was changed; a field that is None stayed as it was.

    No timeout is a `timeout_ms` of 0, no directory an empty one, no time to wait for a `run_at_us` of 0, and
    an empty shell is the one there is by default.
    """

    command: Command | None = None
    queue: str | None = None
    priority: int | None = None
    max_retries: int | None = None
    timeout_ms: int | None = None
    backoff_base: float | None = None
    cwd: str | None = None
    env: Mapping[str, str] | None = None
    run_at_us: int | None = None
    shell: str | None = None
    due_us: int | None = None


class Removed(NamedTuple):
    """The job left the views and its id is free; its history stays. `replaced`: a new job of its id was to come."""

    state: str
    replaced: bool = False


class ConfigChanged(NamedTuple):
    """A configuration key got a value of its own, or lost it (`new` is None)."""

    key: str
    old: Value | None
    new: Value | None


class EnvironmentKept(NamedTuple):
    """An environment was kept for the jobs that take it along; a variable without a value is not to be set."""

    entries: Mapping[str, str | None]


class WorkerStarted(NamedTuple):
    """A worker process began to take jobs."""

    host: str
    pid: int
    slots: int
    queues: tuple[str, ...] | None = None


class WorkerStopping(NamedTuple):
    """A worker was asked to take no more jobs; `now`: also to give back those it runs."""

    now: bool = False


class WorkerStopped(NamedTuple):
    """A worker process ended, or was found gone."""

    cause: str


class RetentionApplied(NamedTuple):
    """Jobs that had ended left the views and the log: their events lie in a sealed archive segment.

    It speaks of the jobs numbered above `after`, up to and with `through`, whose last event is not
    behind `upto` and that have ended, `keep_dead` leaving the dead ones; and of workers and retention
    events of old, where `after` is 0. `removed` events went. `chain` is the digest of the log's chain
    at `upto`; `archive` names the segment and `sha256` is its file's.
    """

    upto: int
    after: int
    through: int
    removed: int
    chain: bytes
    archive: str
    sha256: bytes
    keep_dead: bool = False


JobEvent: TypeAlias = (
    Enqueued
    | Claimed
    | Started
    | Renewed
    | Completed
    | Failed
    | Dead
    | Released
    | CancelRequested
    | Cancelled
    | Requeued
    | Edited
    | Removed
)
Event: TypeAlias = (
    JobEvent | ConfigChanged | EnvironmentKept | WorkerStarted | WorkerStopping | WorkerStopped | RetentionApplied
)


class Recorded(NamedTuple):
    """An event as the log keeps it.

    `position` is gapless from 1; `prev` is the position of the stream's event before this one, 0 if
    there is none; `actor` says who; `reason` is what they said of why, if anything. `cause` is the
    position of the claim under which the command ran that did this, 0 where it was no job's.
    """

    position: int
    at_us: int
    stream: Stream
    prev: int
    actor: str
    event: Event
    reason: str | None = None
    cause: int = 0
