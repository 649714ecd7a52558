"""Which run caused what: a job's ancestors up to the first, and all that descends from it.

A job enqueued by another's command names that run's claim as its cause; its parent is the job whose
claim that is. Each job looked at is a read transaction of its own.
"""

from collections import deque
from itertools import islice
from typing import Final, NamedTuple

from ..core.evolve import evolve
from ..core.job import Job
from ..core.results import Cause, Family, Kin
from ..events.types import Claimed, Enqueued, Recorded, Started
from ..projections import children, jobs
from ..queries.jobs import number_of
from ..store.event_reader import EventReader
from ..store.store import Store, Transaction

COUNTED: Final = 10_000
"""Children of one run that are counted, at the most."""


class _Member(NamedTuple):
    """A job by itself, and its children, each with the attempt that enqueued it."""

    kin: Kin
    children: list[tuple[int, int | None]]
    cause: int


def cause_of(txn: Transaction, token: int) -> Cause:
    """Return whose run it is that was claimed at a position."""
    log = EventReader(txn)
    if log.is_gone(token):
        return Cause(token, None, None, None)
    number = log.at(token).stream
    assert isinstance(number, int), "a claim is of a job"
    first = log.at(number).event
    assert isinstance(first, Enqueued), "a job's number is the position of its enqueued event"
    return Cause(token, number, first.spec.id, _attempts(log.read_stream(number, after=token)).get(token))


def family(store: Store, job_id: str, *, depth: int, limit: int) -> Family:
    """Return a job between its ancestors and its descendants, `depth` generations either way.

    `limit` is how many jobs there are at the most, the nearer generations first. Raises JobNotFound.
    """
    with store.read() as txn:
        number = number_of(txn, job_id)
        subject = _look(txn, number, None)
    members = _descend(store, subject, depth=depth, limit=limit)
    root, above = _climb(store, _assembled(members, number), subject.cause, depth)
    return Family(number, root, above)


def _descend(store: Store, subject: _Member, *, depth: int, limit: int) -> dict[int, _Member]:
    """Return a job and what descends from it by number, generation by generation."""
    members = {subject.kin.number: subject}
    waiting = deque((child, 1) for child in subject.children)
    while waiting and len(members) < limit:
        (number, attempt), generation = waiting.popleft()
        if generation > depth:
            break
        with store.read() as txn:
            member = members[number] = _look(txn, number, attempt)
        if len(members) + len(waiting) < limit:
            waiting.extend((child, generation + 1) for child in member.children)
    return members


def _assembled(members: dict[int, _Member], number: int) -> Kin:
    kin, descended, _ = members[number]
    shown = tuple(_assembled(members, child) for child, _ in descended if child in members)
    return kin._replace(children=shown, left_out=len(descended) - len(shown))


def _climb(store: Store, kin: Kin, cause: int, depth: int) -> tuple[Kin, Cause | None]:
    """Set ancestors over a job, each with this one line of its children; returns the first, and what is above it."""
    for _ in range(depth):
        if not cause:
            return kin, None
        with store.read() as txn:
            run = cause_of(txn, cause)
            if run.number is None:
                return kin, run
            parent = _look(txn, run.number, None)
        kin = parent.kin._replace(children=(kin._replace(attempt=run.attempt),), left_out=len(parent.children) - 1)
        cause = parent.cause
    if not cause:
        return kin, None
    with store.read() as txn:
        return kin, cause_of(txn, cause)


def _look(txn: Transaction, number: int, attempt: int | None) -> _Member:
    log = EventReader(txn)
    if log.is_gone(number):
        return _Member(Kin(number, None, None, True, None, None, None, attempt, (), 0), [], 0)
    events = log.read_stream(number, after=number - 1)
    live = jobs.get(txn, number)
    job = live or _as_it_was(events)
    attempts = _attempts(events)
    descended = [
        (child, attempts.get(each.position))
        for each in events
        if type(each.event) is Claimed
        for child in islice(children.numbers(txn, each.position), COUNTED)
    ]
    last = job.last
    code, signal, took_ms = (last.return_code, last.signal, last.duration_ms) if last else (None, None, None)
    kin = Kin(number, job.id, job.state, live is None, code, signal, took_ms, attempt, (), 0)
    return _Member(kin, descended, events[0].cause)


def _as_it_was(events: list[Recorded]) -> Job:
    """Return a job that left the views as it stood before."""
    job = evolve(None, events[0])
    for each in events[1:]:
        after = evolve(job, each)
        if after is None:
            break
        job = after
    assert job is not None, "a job's first event brings it into being"
    return job


def _attempts(events: list[Recorded]) -> dict[int, int]:
    """Return the attempts that were started, by the position of their claim."""
    return {each.event.token: each.event.attempt for each in events if isinstance(each.event, Started)}
