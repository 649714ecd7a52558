"""What follows from a run that did not end with exit code 0, and from a job's time being over; pure.

What its policy says of such an end comes first (`policy.py`), then whether another attempt follows, and when.
"""

from math import inf

from ..events.types import Cancelled, Completed, Dead, Failed, JobEvent, Policy, Snoozed
from .commands import FailJob, RetryPolicy
from .expiry import EXPIRED, Deadline, deadline_in, shortened_ms
from .job import Job
from .policy import SNOOZES, ruling
from .retry import delay_us, is_exhausted

Events = tuple[JobEvent, ...]


def failed(command: FailJob, job: Job, attempt: int) -> Events:
    """Decide what follows from a run that did not end well by itself."""
    if job.policy is not None:
        return _ruled(command, job, attempt, job.policy)
    return _retried(command, job, attempt)


def _ruled(command: FailJob, job: Job, attempt: int, policy: Policy) -> Events:
    """Return what follows from an end that the job's policy may take for another than a failure."""
    follows, by = ruling(policy, command.failure, command.return_code, command.signal)
    if by is None or follows == "retry":
        return _retried(command, job, attempt)
    if follows == "ok":
        return (_completed(command, attempt, by),)
    if follows == "dead":
        return (_failure(command, attempt, None), Dead(attempt, command.failure, by))
    most = SNOOZES if policy.max_snoozes is None else policy.max_snoozes
    wait_us = None if policy.snooze_ms is None else policy.snooze_ms * 1000
    until_us = _retry_at_us(attempt, job, command.retry) if wait_us is None else command.retry.now_us + wait_us
    if job.snoozes >= most or over_by(job, until_us):
        return _retried(command, job, attempt)
    return (_snoozed(command, attempt, until_us, by),)


def _retried(command: FailJob, job: Job, attempt: int) -> Events:
    """Return what follows from a failure: another attempt later, if there may be one by then."""
    if is_exhausted(attempt, job.spec.max_retries):
        return (_failure(command, attempt, None), Dead(attempt, command.failure))
    retry_at_us = _retry_at_us(attempt, job, command.retry)
    if job.options is not None and (over := over_by(job, retry_at_us, attempt)):
        return (_failure(command, attempt, None), *over)
    return (_failure(command, attempt, retry_at_us),)


def over_by(job: Job, at_us: int, attempts: int | None = None) -> Events:
    """Decide what ends a job of which no attempt may start at a moment; nothing where one may."""
    deadline = deadline_of(job)
    if deadline is None or at_us <= deadline.at_us:
        return ()
    if deadline.ending == EXPIRED and job.expiry is not None and job.expiry.cancels:
        return (Cancelled(ended_by=EXPIRED),)
    return (Dead(job.attempts if attempts is None else attempts, deadline.ending),)


def _completed(command: FailJob, attempt: int, by: str) -> Completed:
    return Completed(
        command.token,
        attempt,
        command.duration_ms,
        command.return_code,
        command.stdout,
        command.stderr,
        command.output_error,
        command.signal,
        by,
    )


def _snoozed(command: FailJob, attempt: int, until_us: int, by: str) -> Snoozed:
    return Snoozed(
        command.token,
        attempt,
        command.failure,
        command.error,
        until_us,
        by,
        command.return_code,
        command.signal,
        command.duration_ms,
        command.stdout,
        command.stderr,
        command.output_error,
    )


def _failure(command: FailJob, attempt: int, retry_at_us: int | None) -> Failed:
    return Failed(
        command.token,
        attempt,
        command.failure,
        command.error,
        command.return_code,
        command.signal,
        command.duration_ms,
        retry_at_us,
        command.stdout,
        command.stderr,
        command.stderr_tail,
        command.output_error,
    )


def _retry_at_us(attempt: int, job: Job, retry: RetryPolicy) -> int:
    own, longest_s, waits_ms = job.policy, retry.max_delay_s, None
    if own is not None:
        waits_ms = own.waits_ms
        if own.wait_max_ms is not None:
            longest_s = own.wait_max_ms / 1000
        elif waits_ms is not None:  # said for this job, and what is configured is for those that say nothing
            longest_s = inf
    base, jitter, roll = job.spec.backoff_base, retry.jitter, retry.roll
    return retry.now_us + delay_us(attempt, base, max_delay_s=longest_s, jitter=jitter, roll=roll, waits_ms=waits_ms)


def deadline_of(job: Job) -> Deadline | None:
    """Return the last moment at which an attempt may start, and how the job ends after it; None if there is none."""
    expiry = job.expiry
    return None if expiry is None else deadline_in(expiry, job.restarted_us or job.created_at_us)


def attempt_ms(job: Job) -> int | None:
    """Return how long the attempt that runs may take: its timeout, or what is left of its total time, if less."""
    if job.expiry is None or job.started_at_us is None:
        return job.spec.timeout_ms
    spent_us = job.started_at_us - (job.restarted_us or job.created_at_us)
    return shortened_ms(job.expiry, job.spec.timeout_ms, spent_us)
