"""What is paused: queues, with who said so and why, and how many jobs wait for that."""

from collections.abc import Mapping

from ..core.due_times import DueTimes
from ..core.job import WAITING, Job, JobState
from ..core.results import PausedQueue
from ..core.times import wall_time_us
from ..events.types import Enqueued, Paused, Recorded
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


def waiting(found: Mapping[JobState, int]) -> int:
    """Count the jobs that wait, of those in each state."""
    return sum(found[state] for state in WAITING)


def _shown(row: queue_rows.QueueRow, times: DueTimes) -> PausedQueue:
    until_us = row.until_us
    if until_us is not None:
        until_us = wall_time_us(until_us, log_now_us=times.log_us, wall_now_us=times.wall_us)
    return PausedQueue(row.name, times.began_us(row.paused_at_us), until_us, row.by, row.reason)
