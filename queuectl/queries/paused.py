"""What is paused: queues, with who said so and why, and how many jobs wait for that."""

from collections.abc import Mapping, Sequence

from ..core.due_times import DueTimes
from ..core.held import Wait
from ..core.job import WAITING, Job, JobState
from ..core.results import PausedQueue
from ..core.times import wall_time_us
from ..events.types import Enqueued, Paused, Recorded
from ..projections import counts
from ..projections import queues as queue_rows
from ..store.event_reader import EventReader
from ..store.store import Transaction


def queues(txn: Transaction, times: DueTimes) -> list[PausedQueue]:
    """Return the queues that are paused, by name; their times are by the machine's clock."""
    return [_shown(row, times) for row in queue_rows.paused(txn, times.log_us)]


def queue(txn: Transaction, name: str, times: DueTimes) -> PausedQueue | None:
    """Return the pause of a queue, None where it is not paused."""
    row = queue_rows.get(txn, name)
    return None if row is None or not row.is_paused(times.log_us) else _shown(row, times)


def told_by(txn: Transaction, job: Job) -> Recorded:
    """Return the event that paused a job."""
    events = EventReader(txn).read_stream(job.number, after=job.number - 1)
    return next(each for each in reversed(events) if isinstance(each.event, Paused | Enqueued))


def held_back(txn: Transaction, times: DueTimes, served: Sequence[str] | None) -> int:
    """Count the jobs of these queues, or of all, that wait and are not to start: their queue is paused, or they are."""
    held = {row.name for row in queue_rows.paused(txn, times.log_us)}
    if served is None:
        alone = counts.parked(txn)[Wait.PAUSED]
    else:
        alone = sum(counts.parked(txn, name)[Wait.PAUSED] for name in set(served))
        held &= set(served)
    return alone + sum(waiting(counts.get(txn, name)) - counts.parked(txn, name)[Wait.PAUSED] for name in held)


def waiting(found: Mapping[JobState, int]) -> int:
    """Count the jobs that wait, of those in each state."""
    return sum(found[state] for state in WAITING)


def _shown(row: queue_rows.QueueRow, times: DueTimes) -> PausedQueue:
    until_us = row.until_us
    if until_us is not None:
        until_us = wall_time_us(until_us, log_now_us=times.log_us, wall_now_us=times.wall_us)
    return PausedQueue(row.name, times.began_us(row.paused_at_us), until_us, row.by, row.reason)
