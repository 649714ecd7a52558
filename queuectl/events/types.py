"""What can happen, as immutable values; imports nothing of ours and decides nothing.

Events are named in the past tense. They are frozen msgspec Structs, built, packed and unpacked in C; a field's
`name` is its key in the log, where that is another (docs/decisions/0026).
Times are integer microseconds since the epoch, UTC; durations carry their unit in their name.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias

from msgspec import field
from msgspec.structs import force_setattr

from .frozen import Frozen as Frozen
from .policy import Expiry as Expiry
from .policy import Policy as Policy

Command: TypeAlias = str | tuple[str, ...]
"""A shell line, or an argument vector that runs without a shell."""

Stream: TypeAlias = int | str
"""What an event belongs to: a job, by its number, or a named stream such as `config`."""

Value: TypeAlias = int | float | str
"""What a configuration key can be set to."""

NEW_STREAM: Final = 0
"""The stream of an event that begins a job: its number will be the event's own position."""

CONFIG_STREAM: Final = "config"
RETENTION_STREAM: Final = "retention"
WORKER_STREAM: Final = "worker:"
"""Prefix of each worker's own stream."""

QUEUE_STREAM: Final = "queue:"
"""Prefix of the stream of what was told of a queue; the queue's name follows."""

LIMIT_STREAM: Final = "limit:"
"""Prefix of the stream of a limit; its name follows."""

ENVIRONMENT_STREAM: Final = "environment:"
"""Prefix of the stream of one environment that jobs took along; the digest of its entries follows, in hexadecimal."""

DEFAULT_QUEUE: Final = "default"
DEFAULT_BACKOFF_BASE: Final = 2.0


class Failure(StrEnum):
    """How an attempt failed."""

    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    SPAWN_ERROR = "spawn_error"
    LOST = "lost"


class JobSpec(Frozen):
    """What was asked for; only an edit changes it after the job is enqueued.

    `timeout_is_default`: nobody asked for this timeout, the configuration said it. `shell` None is /bin/sh.
    `merge`: what it prints to stderr goes to stdout.
    `inherited` is the digest of the environment that it took along. `run_at_us` is by the machine's clock, and
    `due_us` the same by the log's time, where that is ahead.
    """

    # There are no new fields: msgspec chooses the form of a map's header by how many fields the type has, so that a
    # 16th changes the bytes of every job. What else is asked of a job is a field of JobOptions. That needs: a
    # field of JobRequest, its check, and Intake.specify (core/request.py); a key in mappings (core/job_mapping.py)
    # and an argument of Queue.enqueue (api/jobs.py); an option (cli/input/job_options.py); limits for an event from a
    # file (core/event_check.py); its JSON form (queries/json_form.py) and its line of `show`
    # (cli/output/job_text.py); a place in the form of the page (web/page/new.js); what the worker does by it
    # (worker/invocations.py, worker/attempt.py); docs/log-format.md. If an edit may change it: a field of Edited too,
    # core/edit.py, and _FIELDS in cli/output/event_text.py. If it decides where a job lies: `place`
    # (projections/views.py) and VIEWS_VERSION (projections/layout.py).

    id: str
    command: Command = field(name="cmd")
    queue: str = field(default=DEFAULT_QUEUE, name="q")
    priority: int = field(default=0, name="pri")
    max_retries: int = field(default=3, name="max")
    timeout_ms: int | None = field(default=None, name="tmo")
    backoff_base: float = field(default=DEFAULT_BACKOFF_BASE, name="base")
    cwd: str | None = None
    env: Mapping[str, str] | None = None
    run_at_us: int | None = field(default=None, name="run")
    timeout_is_default: bool = field(default=False, name="dt")
    shell: str | None = field(default=None, name="sh")
    inherited: bytes | None = field(default=None, name="inh")
    due_us: int | None = field(default=None, name="due")
    merge: bool = field(default=False, name="mrg")

    def __post_init__(self) -> None:
        """Make a value that equals its default the very object declared: msgspec leaves out no other.

        The other defaults there are (None, False, and whole numbers from -5 to 256) are one object each in CPython.
        """
        if self.queue is not DEFAULT_QUEUE and self.queue == DEFAULT_QUEUE:
            force_setattr(self, "queue", DEFAULT_QUEUE)
        if self.backoff_base is not DEFAULT_BACKOFF_BASE and self.backoff_base == DEFAULT_BACKOFF_BASE:
            force_setattr(self, "backoff_base", DEFAULT_BACKOFF_BASE)


class Edge(Frozen, array_like=True):
    """What a job waits for: that a parent ends, `kind` says how; `id` is what it was called.

    `parent` is its number, or less than 0: how far before the job itself it stands, where both were enqueued at once.
    """

    parent: int
    kind: str
    id: str


class JobOptions(Frozen):
    """What else was asked for of a job, where anything was; only an edit changes it, and a requeue lifts its expiry.

    `paused`: it is not to run before it is resumed. `labels` are what it is found by; `meta` is JSON that is kept.
    `use`: what it uses of limits while it runs, each as it is typed. `unique`: a key that no two jobs hold at once: it
    holds the key until it has ended, and until `unique_until_us` in any case, by the log's time. `after`: what it waits
    for of other jobs, and `if_parent_fails` that it is cancelled where one that was to complete did not (None: it
    waits on).
    """

    paused: bool = field(default=False, name="psd")
    labels: Mapping[str, str] | None = field(default=None, name="lab")
    meta: Mapping[str, Any] | None = None
    policy: Policy | None = field(default=None, name="pol")
    expiry: Expiry | None = field(default=None, name="exp")
    use: tuple[str, ...] | None = None
    unique: str | None = field(default=None, name="unq")
    unique_until_us: int | None = field(default=None, name="unt")
    after: tuple[Edge, ...] | None = field(default=None, name="aft")
    if_parent_fails: str | None = field(default=None, name="onpf")


NO_OPTIONS: Final = JobOptions()


class Output(Frozen, array_like=True):
    """What one output stream of an attempt amounted to; the content lies beside the log."""

    size_bytes: int
    sha256: bytes


class Enqueued(Frozen):
    """A job came to be."""

    spec: JobSpec
    options: JobOptions | None = None


class Claimed(Frozen):
    """A worker took the job under a lease; this event's position is the lease's token."""

    worker: str = field(name="w")
    expires_at_us: int = field(name="exp")


class Started(Frozen):
    """The run was about to spawn its command: from here on it counts as an attempt."""

    token: int = field(name="tok")
    attempt: int = field(name="n")
    host: str
    pid: int


class Renewed(Frozen):
    """The lease was made longer."""

    token: int = field(name="tok")
    expires_at_us: int = field(name="exp")


class Completed(Frozen):
    """The command ended well; `output_error` says what kept the disk from taking all that it printed.

    `ended_by` is what of the job's policy took its end for a good one; `return_code` is None where it had none.
    """

    token: int = field(name="tok")
    attempt: int = field(name="n")
    duration_ms: int | None = field(default=None, name="ms")
    return_code: int | None = field(default=0, name="rc")
    stdout: Output | None = field(default=None, name="out")
    stderr: Output | None = field(default=None, name="err")
    output_error: str | None = field(default=None, name="oerr")
    signal: str | None = field(default=None, name="sig")
    ended_by: str | None = field(default=None, name="by")


class Failed(Frozen):
    """The attempt ended badly, `failure` says how; `retry_at_us` is None when no other follows."""

    token: int = field(name="tok")
    attempt: int = field(name="n")
    failure: str = field(name="why")
    error: str = field(name="msg")
    return_code: int | None = field(default=None, name="rc")
    signal: str | None = field(default=None, name="sig")
    duration_ms: int | None = field(default=None, name="ms")
    retry_at_us: int | None = field(default=None, name="retry")
    stdout: Output | None = field(default=None, name="out")
    stderr: Output | None = field(default=None, name="err")
    stderr_tail: str | None = field(default=None, name="tail")
    output_error: str | None = field(default=None, name="oerr")


class Snoozed(Frozen):
    """The run ended in a way after which the job tries again at `until_us`; no attempt was used up.

    `failure` and `error` say how it ended, and `ended_by` what of the job's policy says that it is no failure.
    """

    token: int = field(name="tok")
    attempt: int = field(name="n")
    failure: str = field(name="why")
    error: str = field(name="msg")
    until_us: int = field(name="until")
    ended_by: str = field(name="by")
    return_code: int | None = field(default=None, name="rc")
    signal: str | None = field(default=None, name="sig")
    duration_ms: int | None = field(default=None, name="ms")
    stdout: Output | None = field(default=None, name="out")
    stderr: Output | None = field(default=None, name="err")
    output_error: str | None = field(default=None, name="oerr")


class Dead(Frozen):
    """The job went to the dead letter queue; `failure` is how its last attempt failed, or `expired` or `max_time`.

    `ended_by` is what of the job's policy said that no other attempt follows.
    """

    attempts: int = field(name="n")
    failure: str = field(name="why")
    ended_by: str | None = field(default=None, name="by")


class Released(Frozen):
    """The claim was given back, `why` in a line; no attempt was used up."""

    token: int = field(name="tok")
    why: str


class CancelRequested(Frozen):
    """Someone wants the running job stopped; its worker will see to it."""

    token: int = field(name="tok")


class Cancelled(Frozen):
    """The job will not run, or its run was stopped on request; `token` is set in the second case.

    `ended_by` is `expired` where its time cancelled it, and None where somebody did.
    """

    token: int | None = field(default=None, name="tok")
    attempt: int | None = field(default=None, name="n")
    duration_ms: int | None = field(default=None, name="ms")
    stdout: Output | None = field(default=None, name="out")
    stderr: Output | None = field(default=None, name="err")
    output_error: str | None = field(default=None, name="oerr")
    ended_by: str | None = field(default=None, name="why")


class Requeued(Frozen):
    """The job may run again, now; `attempts` is what its count starts from."""

    attempts: int = field(name="n")


class Edited(Frozen):
    """What the job is to do was changed; a field that is None stayed as it was.

    No timeout is a `timeout_ms` of 0, no directory an empty one, no time to wait for a `run_at_us` of 0, no labels
    and no meta an empty mapping, no policy and no expiry an empty one, and an empty shell is the one there is by
    default. `options` never say `paused` or `unique`; a `unique_until_us` of 0 is none, as is an empty `inherited`.
    """

    command: Command | None = field(default=None, name="cmd")
    queue: str | None = field(default=None, name="q")
    priority: int | None = field(default=None, name="pri")
    max_retries: int | None = field(default=None, name="max")
    timeout_ms: int | None = field(default=None, name="tmo")
    backoff_base: float | None = field(default=None, name="base")
    cwd: str | None = None
    env: Mapping[str, str] | None = None
    run_at_us: int | None = field(default=None, name="run")
    shell: str | None = field(default=None, name="sh")
    due_us: int | None = field(default=None, name="due")
    options: JobOptions | None = field(default=None, name="opt")
    inherited: bytes | None = field(default=None, name="inh")
    merge: bool | None = field(default=None, name="mrg")


class Removed(Frozen):
    """The job left the views and its id is free; its history stays. `replaced`: a new job of its id was to come."""

    state: str
    replaced: bool = field(default=False, name="rep")


class Paused(Frozen):
    """A job is not to run, or none of a queue to start, until it is resumed, or until `until_us`."""

    until_us: int | None = field(default=None, name="until")


class Resumed(Frozen):
    """What was paused goes on."""


class DependencyMet(Frozen):
    """A job waits for one of its parents no more, which ended, `how` says how."""

    parent: int = field(name="par")
    how: str


class LimitSet(Frozen):
    """A limit is this from now on: so many units in use at once, so many starts in a period, `burst` at once."""

    running: int | None = field(default=None, name="run")
    starts: int | None = field(default=None, name="n")
    period_us: int | None = field(default=None, name="per")
    burst: int = 1


class LimitRemoved(Frozen):
    """A limit is no more; jobs that use it wait until it is set again."""


class ConfigChanged(Frozen):
    """A configuration key got a value of its own, or lost it (`new` is None)."""

    key: str
    old: Value | None
    new: Value | None


class EnvironmentKept(Frozen):
    """An environment was kept for the jobs that take it along; a variable without a value is not to be set."""

    entries: Mapping[str, str | None] = field(name="env")


class WorkerStarted(Frozen):
    """A worker process began to take jobs; `node` is the store that it works on, where several share a log."""

    host: str
    pid: int
    slots: int
    queues: tuple[str, ...] | None = None
    node: str | None = None


class WorkerStopping(Frozen):
    """A worker was asked to take no more jobs; `now`: also to give back those it runs."""

    now: bool = False


class WorkerStopped(Frozen):
    """A worker process ended, `why` in a line, or was found gone."""

    why: str


class RetentionApplied(Frozen):
    """Jobs that had ended left the views and the log: their events lie in a sealed archive segment.

    It speaks of the jobs numbered above `after`, up to and with `through`, whose last event is not
    after `upto` and that have ended, `keep_dead` leaving the dead ones; and of the streams of `names`, those of
    workers whole and of retention itself what it supersedes; an older release named none. `removed` events went.
    `chain` is the digest of the log's chain at `upto`; `archive` names the segment and `sha256` is its file's.
    """

    upto: int
    after: int = field(name="from")
    through: int = field(name="to")
    removed: int = field(name="n")
    chain: bytes
    archive: str = field(name="arc")
    sha256: bytes = field(name="sha")
    keep_dead: bool = field(default=False, name="dead")
    names: tuple[str, ...] = ()


JobEvent: TypeAlias = (
    Enqueued
    | Claimed
    | Started
    | Renewed
    | Completed
    | Failed
    | Snoozed
    | Dead
    | Released
    | CancelRequested
    | Cancelled
    | Requeued
    | Edited
    | Removed
    | Paused
    | Resumed
    | DependencyMet
)
Event: TypeAlias = (
    JobEvent
    | LimitSet
    | LimitRemoved
    | ConfigChanged
    | EnvironmentKept
    | WorkerStarted
    | WorkerStopping
    | WorkerStopped
    | RetentionApplied
)


class Recorded(Frozen):
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
