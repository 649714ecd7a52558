"""The rules: what a command does to a job, as events or a typed refusal; pure.

`decide` reads no clock and does no I/O; whatever it needs is in the command or the job. What state
an event leads to is not said here but in job.TRANSITIONS.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from .. import hints
from ..errors import JobNotFound, StaleLease, WrongState
from ..events.append import OF_ITS_CLAIM
from ..events.types import (
    NO_OPTIONS,
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    ConfigChanged,
    DependencyMet,
    Edited,
    Enqueued,
    Failure,
    JobEvent,
    JobOptions,
    Paused,
    Released,
    Removed,
    Renewed,
    Requeued,
    Resumed,
    Started,
    Value,
)
from .commands import (
    CancelJob,
    ClaimJob,
    CompleteJob,
    ConfirmCancel,
    EditJob,
    EnqueueJob,
    ExpireJob,
    FailJob,
    JobCommand,
    PauseJob,
    RecoverJob,
    ReleaseJob,
    RemoveJob,
    RenewLease,
    RequeueJob,
    ResumeJob,
    StartJob,
    TakeJob,
    TellEnd,
)
from .dependencies import fate
from .edited import asked_of, edited, kept, options_of
from .held import NOT_KNOWN, Lease
from .job import ENDED, WAITING, Job, JobState
from .run_end import failed, over_by

Events = tuple[JobEvent, ...]

_HINT: Mapping[JobState, str] = {
    JobState.PENDING: hints.WHY_OR_CANCEL,
    JobState.PROCESSING: "wait for it, or cancel it first",
    JobState.COMPLETED: hints.RETRY,
    JobState.FAILED: hints.RETRY_OR_CANCEL,
    JobState.DEAD: hints.DLQ_RETRY_OR_PURGE,
    JobState.CANCELLED: hints.RETRY,
}


def decide(command: JobCommand, job: Job | None) -> Events:
    """Decide what a command does to a job: events, none when there is nothing to do.

    Raises JobNotFound, WrongState or StaleLease when it must not be done. EnqueueJob is for no job yet: whether
    its id is free is known where ids are looked up.
    """
    if job is None:
        if isinstance(command, EnqueueJob):
            return (Enqueued(command.spec, command.options),)
        raise JobNotFound("", is_numbered=True)
    return _DECIDE[type(command)](command, job)


def decide_config(key: str, old: Value | None, new: Value | None) -> tuple[ConfigChanged, ...]:
    """Decide what setting a configuration key does: nothing where it has that value already."""
    return () if old == new else (ConfigChanged(key, old, new),)


def _claim(command: ClaimJob, job: Job) -> Events:
    _require_claimable(job)
    if job.options is not None and (over := over_by(job, command.now_us)):
        return over
    return (Claimed(command.worker, command.expires_at_us),)


def _start(command: StartJob, job: Job) -> Events:
    lease = _lease(job, "start", command.token)
    if lease.attempt:
        raise StaleLease("start", job.id, command.token, f"attempt {lease.attempt} was started under it already")
    return (Started(command.token, job.attempts + 1, command.host, command.pid),)


def _take(command: TakeJob, job: Job) -> Events:
    _require_claimable(job)
    if job.options is not None and (over := over_by(job, command.now_us)):
        return over
    started = Started(OF_ITS_CLAIM, job.attempts + 1, command.host, command.pid)
    return (Claimed(command.worker, command.expires_at_us), started)


def _expire(command: ExpireJob, job: Job) -> Events:
    return over_by(job, command.now_us) if job.state in WAITING else ()


def _renew(command: RenewLease, job: Job) -> Events:
    _lease(job, "renew", command.token)
    return (Renewed(command.token, command.expires_at_us),)


def _complete(command: CompleteJob, job: Job) -> Events:
    attempt = _attempt(job, _lease(job, "complete", command.token))
    return (
        Completed(
            command.token,
            attempt,
            command.duration_ms,
            command.return_code,
            command.stdout,
            command.stderr,
            command.output_error,
        ),
    )


def _fail(command: FailJob, job: Job) -> Events:
    lease = _lease(job, "fail", command.token)
    if lease.cancel_requested:
        return (_cancelled(command, job, lease),)
    return failed(command, job, _attempt(job, lease))


def _recover(command: RecoverJob, job: Job) -> Events:
    lease = _lease(job, "recover", command.token)
    if not command.gone and max(lease.expires_at_us, command.held_until_us) > command.retry.now_us:
        raise WrongState("recover", job.id, job.state, f"worker {lease.worker} still holds its lease")
    who = f"worker {lease.worker}" + ("" if command.pid is None else f" (pid {command.pid})")
    found = who + (" is gone" if command.gone else " let its lease expire")
    if lease.cancel_requested:
        return (_cancelled(ConfirmCancel(command.token), job, lease),)
    if not lease.attempt or not command.launched:
        return (Released(command.token, f"{found} before it started the command"),)
    error = f"{found}; how the command {NOT_KNOWN}"
    return failed(FailJob(command.token, command.retry, Failure.LOST, error), job, lease.attempt)


def _release(command: ReleaseJob, job: Job) -> Events:
    lease = _lease(job, "release", command.token)
    if lease.cancel_requested:
        return (_cancelled(ConfirmCancel(command.token, command.duration_ms), job, lease),)
    return (Released(command.token, command.why),)


def _cancel(command: CancelJob, job: Job) -> Events:
    if job.lease is None:
        _require(job, "cancel", WAITING)
        return (Cancelled(),)
    return () if job.lease.cancel_requested else (CancelRequested(job.lease.token),)


def _confirm_cancel(command: ConfirmCancel, job: Job) -> Events:
    return (_cancelled(command, job, _lease(job, "cancel", command.token)),)


def _requeue(command: RequeueJob, job: Job) -> Events:
    _require(job, "retry", _narrowed(ENDED | {JobState.FAILED}, command.only))
    return (Requeued(job.attempts if job.state is JobState.FAILED else 0),)


def _pause(command: PauseJob, job: Job) -> Events:
    _require(job, "pause", WAITING | {JobState.PROCESSING})
    return () if job.is_paused else (Paused(),)


def _resume(command: ResumeJob, job: Job) -> Events:
    return (Resumed(),) if job.is_paused else ()


def _tell_end(command: TellEnd, job: Job) -> Events:
    edge = next((edge for edge in job.unmet if edge.parent == command.parent), None)
    if edge is None or job.state not in WAITING:
        return ()
    word = fate(edge, job.options, completed=command.state is JobState.COMPLETED)
    if word is None:
        return ()
    return (Cancelled(ended_by=word),) if word else (DependencyMet(command.parent, str(command.state)),)


def _edit(command: EditJob, job: Job) -> Events:
    wanted = command.edit
    if job.lease is not None:
        _require_of_a_run(job, wanted)
    if wanted.run_at_us is not None and job.state in ENDED:
        raise WrongState("set when to run", job.id, job.state, "it runs again when it is retried; set it then")
    after = edited(job.spec, wanted)
    changes = {
        field: value for field, value in asked_of(wanted).items() if getattr(after, field) != getattr(job.spec, field)
    }
    before = job.options or NO_OPTIONS
    others = {  # compared as they are written: 1 equals True, and is another value of JSON
        field: value for field, value in options_of(wanted).items() if repr(kept(value)) != repr(getattr(before, field))
    }
    if others:
        changes["options"] = JobOptions(**others)
    if wanted.timeout_ms is not None and job.spec.timeout_is_default:  # the same length, and now somebody's word
        changes["timeout_ms"] = wanted.timeout_ms
    if wanted.run_at_us is not None:  # a retry or a delay may have moved it since it was asked for
        changes |= {"run_at_us": wanted.run_at_us, "due_us": wanted.due_us}
        if (wanted.due_us or wanted.run_at_us) == job.due_us:
            del changes["run_at_us"], changes["due_us"]
    return (Edited(**changes),) if changes else ()


_OF_A_RUN: Final = ("timeout_ms", "labels", "meta")
"""What can be changed of a job that runs: its worker looks at its time limit again, and at the others nobody does."""


def _require_of_a_run(job: Job, wanted: Edited) -> None:
    """Refuse an edit of a running job that its run would not heed."""
    others = [field for field in asked_of(wanted) | options_of(wanted) if field not in _OF_A_RUN]
    if others:
        hint = "while it runs only its timeout, labels and meta can be changed; wait for its end, or cancel it first"
        raise WrongState(f"change {', '.join(others)} of", job.id, job.state, hint)


def _remove(command: RemoveJob, job: Job) -> Events:
    _require(job, "remove", _narrowed(ENDED, command.only))
    return (Removed(job.state, command.replaced),)


def _narrowed(states: frozenset[JobState], only: JobState | None) -> frozenset[JobState]:
    return states if only is None else states & {only}


def _require(job: Job, verb: str, states: frozenset[JobState]) -> None:
    if job.state not in states:
        raise WrongState(verb, job.id, job.state, _HINT[job.state])


def _require_claimable(job: Job) -> None:
    if job.state in WAITING and job.parked is None:
        return
    _require(job, "claim", WAITING)
    if job.unmet:
        raise WrongState("claim", job.id, f"{job.state}, and waits for {job.unmet[0].id}", hints.WHY_OR_CANCEL)
    raise WrongState("claim", job.id, f"{job.state} and paused", hints.RESUME)


def _lease(job: Job, verb: str, token: int) -> Lease:
    lease = job.lease
    if lease is None:
        raise StaleLease(verb, job.id, token, f"the job is {job.state}")
    if lease.token != token:
        raise StaleLease(verb, job.id, token, f"worker {lease.worker} holds it under token {lease.token}")
    return lease


def _attempt(job: Job, lease: Lease) -> int:
    """Return the number of the attempt that ends; of a claim that ends unstarted, the one it would have begun."""
    return lease.attempt or job.attempts + 1


def _cancelled(command: FailJob | ConfirmCancel, job: Job, lease: Lease) -> Cancelled:
    return Cancelled(
        command.token,
        lease.attempt or None,
        command.duration_ms,
        command.stdout,
        command.stderr,
        command.output_error,
    )


_DECIDE: Mapping[type[Any], Callable[[Any, Job], Events]] = {
    ClaimJob: _claim,
    StartJob: _start,
    TakeJob: _take,
    ExpireJob: _expire,
    RenewLease: _renew,
    CompleteJob: _complete,
    FailJob: _fail,
    RecoverJob: _recover,
    ReleaseJob: _release,
    CancelJob: _cancel,
    ConfirmCancel: _confirm_cancel,
    RequeueJob: _requeue,
    PauseJob: _pause,
    ResumeJob: _resume,
    TellEnd: _tell_end,
    EditJob: _edit,
    RemoveJob: _remove,
}
