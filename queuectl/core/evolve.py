"""The life of a job: one literal transition table, and `evolve`, which applies an event to a job.

Whatever says which event leads where, or what it changes, lives here. Pure: no clock, no I/O. The diagram in
docs/lifecycle.md is printed from TRANSITIONS.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from ..errors import IllegalTransition
from ..events.types import (
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    Dead,
    DependencyMet,
    Edited,
    Enqueued,
    Event,
    Failed,
    Paused,
    Recorded,
    Released,
    Removed,
    Renewed,
    Requeued,
    Resumed,
    Snoozed,
    Started,
)
from .dependencies import unmet_at, without
from .edited import edited, edited_options, lifted
from .expiry import ENDINGS
from .held import Lease, Outcome
from .job import Job, JobState

_P, _R, _C, _F, _D, _X = JobState

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
    DependencyMet: {_P: _P},
}
"""Event -> state before -> state after. None before: there is no such job; None after: it is gone."""


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
    return Job(
        position,
        spec,
        state,
        position,
        at_us,
        at_us,
        due_us,
        options=options,
        paused_at_us=at_us if options.paused else None,
        unmet=unmet_at(options, position),
    )


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
    unmet = job.unmet if options is not None and options.after else ()
    return _moved(job, at, state, spec=spec, options=options, due_us=due_us, unmet=unmet)


def _removed(job: Job, event: Removed, at: Recorded, state: None) -> None:
    return None


def _paused(job: Job, event: Paused, at: Recorded, state: JobState) -> Job:
    return _moved(job, at, state, paused_at_us=at.at_us)


def _resumed(job: Job, event: Resumed, at: Recorded, state: JobState) -> Job:
    return _moved(job, at, state, paused_at_us=None)


def _dependency_met(job: Job, event: DependencyMet, at: Recorded, state: JobState) -> Job:
    return _moved(job, at, state, unmet=without(job.unmet, event.parent))


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
    DependencyMet: _dependency_met,
}
