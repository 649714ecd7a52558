"""What limits are at: how much of each is in use, by which jobs, and what waits for it."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Final

from ..core.due_times import DueTimes
from ..core.job import Job, JobState
from ..core.limits import QUEUE, LaneNames, Limit, Use, cap_of, may_start_us, parse, used_by
from ..core.results import Blocker, LimitState
from ..core.times import wall_time_us
from ..projections import counts, jobs, lanes, leases
from ..projections import limits as limit_rows
from ..store.store import Transaction
from . import rates

MOST_HOLDERS: Final = 1_000
"""Running jobs that are looked at for those that use a limit."""

MOST_WAITING: Final = 100_000
"""Waiting ones that are counted."""


def every(txn: Transaction, times: DueTimes) -> list[LimitState]:
    """Return all limits, by name."""
    return [_state(txn, name, row, times) for name, row in limit_rows.every(txn).items()]


def values(txn: Transaction, name: str) -> list[tuple[str, int]]:
    """Return the values of a limit that are in use, and how many jobs run of each."""
    return list(lanes.each_used(txn, f"{name}:"))


def holders(txn: Transaction, name: str) -> list[Job]:
    """Return the running jobs that use a limit, or a value of it, the longest first."""
    held = (number for numbers in leases.held(txn).values() for number in numbers)
    found = jobs.each(txn, islice(held, MOST_HOLDERS))
    return sorted((job for job in found if _uses(job, name)), key=lambda job: job.running_since_us or job.updated_at_us)


def waiting(txn: Transaction, name: str) -> int:
    """Count the jobs that are due and wait for room, and use a limit or a value of it, up to MOST_WAITING."""
    found = islice(lanes.each(txn), MOST_WAITING)
    return sum(1 for names in found if name in (names.of.keyed, names.value, *(plain for plain, _ in names.of.plain)))


def blockers(txn: Transaction, job: Job, times: DueTimes) -> Iterator[Blocker]:
    """Yield what a job waits for of the limits that it uses, and of its queue's."""
    caps = limit_rows.caps(txn)
    uses = list(map(parse, job.use))
    if f"{QUEUE}:{job.spec.queue}" in caps:
        uses.append(Use(QUEUE, job.spec.queue))
    for use in uses:
        yield from _blocker(txn, use, caps, times)


def never(txn: Transaction, served: Iterable[str] | None, *, but: Collection[str]) -> int:
    """Count the jobs of these queues, or of all but some, that wait for room that no job's end makes.

    Of very many only the first MOST_WAITING are looked at.
    """
    caps, queues = limit_rows.caps(txn), None if served is None else frozenset(served)
    found = islice(lanes.each(txn), MOST_WAITING)
    there = (each for each in found if each.of.queue not in but and (queues is None or each.of.queue in queues))
    return sum(1 for each in there if any(_exceeds(cap_of(name, caps), units) for name, units in _uses_of(each)))


def _uses_of(names: LaneNames) -> tuple[tuple[str, int], ...]:
    return names.of.plain if names.value is None else (*names.of.plain, (names.value, 1))


def _exceeds(cap: int | None, units: int) -> bool:
    return cap is not None and units > cap


def _blocker(txn: Transaction, use: Use, caps: dict[str, Limit], times: DueTimes) -> Iterator[Blocker]:
    cap = cap_of(use.name, caps)
    in_use = _running(txn, use)
    if cap is not None and in_use + use.units > cap:
        by = tuple(job.id for job in holders(txn, use.name))
        yield Blocker("limit", holders=by, limit=use.name, used=in_use, cap=cap, units=use.units)
    rated = use.name if use.limit == QUEUE else use.limit  # a rate is of all values together
    limit = caps.get(rated)
    if limit is not None and (at_us := may_start_us(limit, rates.tat_us(txn, rated))) > times.log_us:
        until_us = wall_time_us(at_us, log_now_us=times.log_us, wall_now_us=times.wall_us)
        yield Blocker("rate", until_us, limit=rated)


def _running(txn: Transaction, use: Use) -> int:
    """Return how many units of a use are in use."""
    if use.limit == QUEUE:
        return counts.get(txn, use.value or "")[JobState.PROCESSING]
    return lanes.used(txn, use.name)


def _uses(job: Job, name: str) -> bool:
    if name == f"{QUEUE}:{job.spec.queue}":
        return True
    return any(each == name or each.startswith(f"{name}:") for each, _ in used_by(job.use))


def _state(txn: Transaction, name: str, row: limit_rows.LimitRow, times: DueTimes) -> LimitState:
    limit, next_us = row.limit, may_start_us(row.limit, rates.tat_us(txn, name))
    of, _, value = name.partition(":")
    next_start_us = (
        None if next_us <= times.log_us else wall_time_us(next_us, log_now_us=times.log_us, wall_now_us=times.wall_us)
    )
    used = _running(txn, Use(of, value or None))
    period_s = None if limit.period_us is None else limit.period_us / 1_000_000
    return LimitState(
        name, limit.running, limit.starts, period_s, limit.burst, used, next_start_us, row.set_at_us, row.by, row.reason
    )
