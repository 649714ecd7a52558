"""Jobs by filter and order, from the table that has them in that order, in short read transactions.

A walk goes over one table, or over a few numbers, from a cursor on; it is taken up again in the next
transaction after the last job looked at. So a list of many jobs is no picture of one moment: each
job is as it was when it was looked at.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import chain, islice
from typing import Any, Final, NamedTuple, TypeAlias

from ..core.evolve import evolve
from ..core.held import Wait
from ..core.job import ENDED, WAITING, Job, JobState
from ..core.job_filter import Filter, SortOrder
from ..projections import counts, dead, ended, jobs, leases, marks, ready, scheduled, tags, waiting
from ..store.event_reader import EventReader
from ..store.store import Transaction, key_of
from . import presence
from .jobs import find, position_at

LOOKED_AT: Final = 10_000
"""Jobs to a read transaction: some 50 ms."""

GATHERED: Final = 50_000
"""As many numbers may be gathered from the tables of several states, in one transaction."""

SCARCE: Final = 8
"""They are where they make up less than this part of all jobs: a walk over all would mostly pass others by."""

_WENT: Final = frozenset({JobState.COMPLETED, JobState.CANCELLED})

Read: TypeAlias = Callable[[], AbstractContextManager[Transaction]]
Step: TypeAlias = tuple[Any, Job]
"""A job, and the cursor after it."""

Steps: TypeAlias = Callable[[Transaction, Any], Iterator[Step]]


class Walk(NamedTuple):
    """A way to the jobs: `steps` goes on after a cursor (None: from the beginning), until `is_past`."""

    steps: Steps
    start: Any = None
    is_past: Callable[[Job], bool] | None = None


def each(
    read: Read, where: Filter, order: SortOrder | None = None, *, limit: int | None = None, after: str | None = None
) -> Iterator[Job]:
    """Return the jobs meant, in order, after the job `after`, a bounded number to a read transaction.

    Without an order: waiting ones by when they run, ended ones by their last change, the last first,
    others by age, the newest first. Raises JobNotFound where there is no job `after`.
    """
    with read() as txn:
        last = None if after is None else find(txn, after)
        walk = _plan(txn, where, order, last)
        if limit is not None and last is None and where.is_counted:
            limit = min(limit, count(txn, where))  # after the last of them nobody needs to look for more
    if walk is not None:
        return _taken(read, walk, where, limit)
    assert order is not None, "jobs are sorted where an order was asked for"
    return _sorted(read, where, order, limit, last)


def numbers(read: Read, where: Filter) -> list[int]:
    """Return the numbers of the jobs meant, each once, those first that come first without an order."""
    return list(dict.fromkeys(job.number for job in each(read, where)))


def count(txn: Transaction, where: Filter) -> int:
    """Count the jobs in the states and of the queue that a filter names."""
    found = counts.total(txn) if where.queue is None else counts.get(txn, where.queue)
    return sum(number for state, number in found.items() if where.states is None or state in where.states)


def _taken(read: Read, walk: Walk, where: Filter, limit: int | None = None) -> Iterator[Job]:
    cursor, left = walk.start, limit
    while left is None or left > 0:
        found: list[Job] = []
        looked, is_over = 0, False
        with read() as txn:
            for behind, job in islice(walk.steps(txn, cursor), LOOKED_AT):
                cursor, looked = behind, looked + 1
                if walk.is_past is not None and walk.is_past(job):
                    is_over = True
                    break
                if where.fits(job):
                    found.append(presence.with_true_lease(txn, job))
                    if len(found) == left:
                        break
        yield from found
        left = None if left is None else left - len(found)
        if is_over or looked < LOOKED_AT:
            return


def _plan(txn: Transaction, where: Filter, order: SortOrder | None, last: Job | None) -> Walk | None:
    """Choose the way to the jobs meant, after a job; None where they have to be sorted."""
    states = where.states
    if not count(txn, where):
        return _of([])
    if order is None and not where.paused:
        if states and states <= WAITING:
            return _waiting(txn, where, last)
        if states and states <= ENDED:
            return _by_change(txn, where, reverse=True, last=last)
    if order is None:
        return _by_age(txn, where, reverse=True, last=last)
    if order.by == "enqueued":
        return _by_age(txn, where, reverse=order.reverse, last=last)
    if order.by == "updated" and states and states <= ENDED:
        return _by_change(txn, where, reverse=order.reverse, last=last)
    return None


def _waiting(txn: Transaction, where: Filter, last: Job | None) -> Walk:
    """Go through those that wait by when they run; failed ones mostly wait for their time, behind many ready ones."""
    if last is None and (delayed := _delayed(txn, where)) is not None:
        return _of(delayed)
    if (few := _labelled_jobs(txn, where)) is not None:
        promoted_us = marks.get(txn, marks.PROMOTED)
        return _of(_numbers_behind(few, lambda job: _turn(job, promoted_us), last and _turn(last, promoted_us)))
    queues = None if where.queue is None else [where.queue]

    def steps(txn: Transaction, behind: Job | None) -> Iterator[Step]:
        return ((job, job) for job in jobs.each(txn, waiting.numbers(txn, queues, behind)))

    return Walk(steps, last)


def _by_change(txn: Transaction, where: Filter, *, reverse: bool, last: Job | None) -> Walk:
    """Go through jobs that ended by the position of their last event."""
    states = [state for state in JobState if state in where.named_states & _WENT]
    since_us, until_us = where.since_us, where.until_us
    start = None if last is None else _place_of(txn, last, where)
    if (few := _labelled_jobs(txn, where)) is not None:
        return _of(_numbers_behind(few, lambda job: job.version, start, reverse=reverse))

    def newest_first(txn: Transaction, below: int | None) -> Iterator[Step]:
        tables = [ended.newest_first(txn, states, below)] if states else []
        if JobState.DEAD in where.named_states:
            tables.append(dead.newest_first(txn, below))
        return _steps(txn, _merged(tables, reverse=True))

    def oldest_first(txn: Transaction, above: int | None) -> Iterator[Step]:
        tables = [ended.oldest_first(txn, states, above or 0)] if states else []
        if JobState.DEAD in where.named_states:
            tables.append(dead.oldest_first(txn, above or 0))
        return _steps(txn, _merged(tables, reverse=False))

    if reverse:
        if until_us is not None and EventReader(txn).head():
            before = position_at(txn, until_us) + 1
            start = before if start is None else min(start, before)
        is_past = None if since_us is None else lambda job: job.updated_at_us < since_us
        return Walk(newest_first, start, is_past)
    if since_us is not None and EventReader(txn).head():
        start = max(start or 0, position_at(txn, since_us - 1))
    is_past = None if until_us is None else lambda job: job.updated_at_us > until_us
    return Walk(oldest_first, start, is_past)


def _by_age(txn: Transaction, where: Filter, *, reverse: bool, last: Job | None) -> Walk:
    """Go through jobs by their number: all there are, or those in the states meant if these are few."""
    few = _labelled(txn, where, GATHERED)
    if few is not None or (few := _gathered(txn, where)) is not None:
        few = [n for n in few if last is None or (n < last.number if reverse else n > last.number)]
        return _of(sorted(few, reverse=reverse))

    def newest_first(txn: Transaction, below: int | None) -> Iterator[Step]:
        return ((job.number, job) for job in jobs.newest_first(txn, below))

    def oldest_first(txn: Transaction, above: int | None) -> Iterator[Step]:
        return ((job.number, job) for job in jobs.oldest_first(txn, above or 0))

    start = None if last is None else last.number
    if reverse and where.until_us is not None and EventReader(txn).head():  # younger ones have changed since
        start = min(start or sys.maxsize, position_at(txn, where.until_us) + 1)
    return Walk(newest_first if reverse else oldest_first, start)


def _of(found: Sequence[int]) -> Walk:
    """Go through jobs whose numbers are known."""

    def steps(txn: Transaction, behind: int | None) -> Iterator[Step]:
        for place in range(behind or 0, len(found)):
            job = jobs.get(txn, found[place])
            if job is not None:
                yield place + 1, job

    return Walk(steps)


def _labelled(txn: Transaction, where: Filter, most: int) -> list[int] | None:
    """Return the numbers of the jobs with one of the labels asked for, the rarest of them, where these are few."""
    few, found = min(most, txn.count(jobs.TABLE) // SCARCE), None
    for key, value in where.labels or ():
        some = list(islice(tags.numbers(txn, key, value), few + 1))
        if len(some) <= few:
            few, found = len(some), some
    return found


def _labelled_jobs(txn: Transaction, where: Filter) -> list[Job] | None:
    """Return the jobs meant that _labelled() leads to, where that are few enough to be put in order."""
    few = _labelled(txn, where, LOOKED_AT)
    return None if few is None else [job for job in jobs.each(txn, few) if where.fits(job)]


def _turn(job: Job, promoted_us: int) -> tuple[bool, bytes]:
    """Return what orders jobs that wait: those that are ready by rank, then the others by their time."""
    is_later = job.parked is not None or job.due_us > promoted_us
    return is_later, scheduled.key(job, key_of(job.number)) if is_later else ready.rank(job.spec, key_of(job.number))


def _numbers_behind(
    found: Sequence[Job], place: Callable[[Job], Any], last: Any, *, reverse: bool = False
) -> list[int]:
    """Return the numbers of jobs in the order of their places, those behind a place alone; None is before all."""
    behind = (job for job in found if last is None or (place(job) < last if reverse else place(job) > last))
    return [job.number for job in sorted(behind, key=place, reverse=reverse)]


def _delayed(txn: Transaction, where: Filter) -> list[int] | None:
    """Return the numbers of all failed jobs meant, where these are asked for and all wait for their time.

    Then nobody has to look for them among those that are ready, which may be many.
    """
    if where.named_states & WAITING != {JobState.FAILED} or txn.count(scheduled.TABLE) > LOOKED_AT:
        return None
    failed = Filter(frozenset({JobState.FAILED}), where.queue)
    found = [job.number for job in jobs.each(txn, scheduled.numbers(txn)) if failed.fits(job)]
    return found if len(found) == count(txn, failed) else None


def _gathered(txn: Transaction, where: Filter) -> list[int] | None:
    """Return the numbers of all jobs in the states meant, from the tables these lie in, where that are few."""
    states = where.states
    if where.paused and counts.waiting(txn)[Wait.PAUSED] <= GATHERED:
        return [*chain.from_iterable(leases.held(txn).values()), *scheduled.parked(txn, Wait.PAUSED)]
    wanted = count(txn, Filter(states))
    if not states or wanted > GATHERED or wanted * SCARCE > txn.count(jobs.TABLE):
        return None
    found: list[int] = []
    if states & WAITING:
        delayed = _delayed(txn, where)
        if delayed is None and waiting.count(txn) > GATHERED:
            return None
        found += waiting.numbers(txn) if delayed is None else delayed
    if JobState.PROCESSING in states:
        found += chain.from_iterable(leases.held(txn).values())
    if JobState.DEAD in states:
        found += dead.numbers(txn)
    if gone := [state for state in JobState if state in states & _WENT]:
        found += (number for _, number in ended.newest_first(txn, gone))
    return found


def _sorted(read: Read, where: Filter, order: SortOrder, limit: int | None, last: Job | None) -> Iterator[Job]:
    """Look at all jobs meant, remember what they are compared by, and read them again in order."""
    from heapq import nlargest, nsmallest

    behind = None if last is None else order.key(last)
    keys = (key for job in each(read, where) if _is_behind(key := order.key(job), behind, reverse=order.reverse))
    if limit is None:
        chosen = sorted(keys, reverse=order.reverse)
    else:
        chosen = nlargest(limit, keys) if order.reverse else nsmallest(limit, keys)
    yield from _taken(read, _of([number for _, number in chosen]), where, limit)


def _is_behind(key: tuple[Any, int], other: tuple[Any, int] | None, *, reverse: bool) -> bool:
    return other is None or (key < other if reverse else key > other)


def _place_of(txn: Transaction, last: Job, where: Filter) -> int:
    """Return the position of the last event that a job had in the states meant, which it may have left since."""
    if last.state in where.named_states:
        return last.version
    place, job = last.version, None
    for recorded in EventReader(txn).read_stream(last.number, after=last.number - 1):
        job = evolve(job, recorded)
        if job is not None and job.state in where.named_states:
            place = recorded.position
    return place


def _steps(txn: Transaction, places: Iterator[tuple[int, int]]) -> Iterator[Step]:
    return ((position, job) for position, number in places for job in jobs.each(txn, [number]))


def _merged(tables: Sequence[Iterator[tuple[int, int]]], *, reverse: bool) -> Iterator[tuple[int, int]]:
    from heapq import merge

    return tables[0] if len(tables) == 1 else merge(*tables, reverse=reverse)
