"""What can be asked of a job, in the imperative; immutable, and complete.

Time, ids, jitter and policy arrive inside the command, so that deciding needs nothing else.
`token` is the position of the claim a worker acts under.
"""

from typing import TypeAlias

from ..events.types import Edited, Frozen, JobOptions, JobSpec, Output
from .job import JobState


class RetryPolicy(Frozen):
    """What a failure needs to know to set the next attempt; `roll` in [0, 1) is the jitter's chance."""

    now_us: int
    max_delay_s: float = 3600.0
    jitter: float = 0.0
    roll: float = 0.0


class EnqueueJob(Frozen):
    """Bring a job into being; `if_exists` says what to do where another holds its key, None for the default."""

    spec: JobSpec
    options: JobOptions | None = None
    if_exists: str | None = None


class ClaimJob(Frozen):
    """Lease a waiting job to a worker until `expires_at_us`; of one whose time is over by `now_us`, end it."""

    worker: str
    expires_at_us: int
    now_us: int = 0


class StartJob(Frozen):
    """Count an attempt: the command is about to be spawned."""

    token: int
    host: str
    pid: int


class TakeJob(Frozen):
    """Lease a waiting job and count an attempt at once; of one whose time is over by `now_us`, end it."""

    worker: str
    expires_at_us: int
    host: str
    pid: int
    now_us: int = 0


class ExpireJob(Frozen):
    """End a waiting job whose time is over by `now_us`."""

    now_us: int


class RenewLease(Frozen):
    """Hold the job until `expires_at_us`."""

    token: int
    expires_at_us: int


class CompleteJob(Frozen):
    """Record that the run ended well."""

    token: int
    duration_ms: int | None = None
    return_code: int = 0
    stdout: Output | None = None
    stderr: Output | None = None
    output_error: str | None = None


class FailJob(Frozen):
    """Record that the run ended badly; whether another follows is for the decider."""

    token: int
    retry: RetryPolicy
    failure: str
    error: str
    return_code: int | None = None
    signal: str | None = None
    duration_ms: int | None = None
    stdout: Output | None = None
    stderr: Output | None = None
    stderr_tail: str | None = None
    output_error: str | None = None


class RecoverJob(Frozen):
    """Recover a job from a worker whose lease expired, or who is known to be `gone`; `pid` was its process.

    `launched` False: it is known that the worker had not come to start the command. The worker's presence
    held its leases until `held_until_us`.
    """

    token: int
    retry: RetryPolicy
    gone: bool = False
    pid: int | None = None
    launched: bool = True
    held_until_us: int = 0


class ReleaseJob(Frozen):
    """Return a claimed job to the queue, `why` in a line; it costs no attempt.

    Of a job being cancelled its run of `duration_ms` was the last.
    """

    token: int
    why: str
    duration_ms: int | None = None


class CancelJob(Frozen):
    """Keep a waiting job from running, or ask for a running one to be stopped."""


class ConfirmCancel(Frozen):
    """Record that a running job was stopped on request."""

    token: int
    duration_ms: int | None = None
    stdout: Output | None = None
    stderr: Output | None = None
    output_error: str | None = None


class RequeueJob(Frozen):
    """Run a job again, now; `only` limits it to one state."""

    only: JobState | None = None


class PauseJob(Frozen):
    """Keep a waiting job from running, and have a running one stand still, until it is resumed."""


class ResumeJob(Frozen):
    """Let a paused job go on."""


class TellEnd(Frozen):
    """Tell a job that waits for others that one of these, by its number, has ended in a state."""

    parent: int
    state: JobState


class EditJob(Frozen):
    """Change what a job is to do, of one that runs its timeout, labels and meta; what already is so makes no change."""

    edit: Edited


class RemoveJob(Frozen):
    """Drop an ended job from the views; `only` limits it to one state, `replaced` says that a new one takes its id."""

    only: JobState | None = None
    replaced: bool = False


JobCommand: TypeAlias = (
    EnqueueJob
    | ClaimJob
    | StartJob
    | TakeJob
    | ExpireJob
    | RenewLease
    | CompleteJob
    | FailJob
    | RecoverJob
    | ReleaseJob
    | CancelJob
    | ConfirmCancel
    | RequeueJob
    | PauseJob
    | ResumeJob
    | TellEnd
    | EditJob
    | RemoveJob
)
