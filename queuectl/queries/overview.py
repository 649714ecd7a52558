"""All that a live view shows of a queue, answered from one short read transaction, however large the queue is."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final

from ..core.due_times import DueTimes
from ..core.job import ENDED, Job, JobState
from ..core.results import Overview
from ..projections import dead, jobs, lanes, leases, ready, scheduled
from ..store.store import Transaction
from . import presence
from .jobs import list_workers, status

MOST_LOOKED_AT: Final = 1_000
"""Jobs looked at for each list: a filter that few of them pass shows fewer than there are, rather than take long."""


def overview(
    txn: Transaction,
    path: Path,
    times: DueTimes,
    *,
    state: JobState | None,
    queue: str | None,
    limit: int,
    just_ended: Sequence[int] = (),
) -> Overview:
    """Return the status, the workers, the next retries, and jobs: those that run, those to run next, those that ended.

    `just_ended` are numbers of jobs to look at beside, as they have just ended.
    """
    found = (job for job in _in_order(txn, state, queue, just_ended) if queue in (None, job.spec.queue))
    retries = (job for job in _jobs(txn, scheduled.numbers(txn)) if job.state is JobState.FAILED)
    return Overview(
        status(txn, path, times),
        list_workers(txn, path, times.wall_us),
        list(islice(found, limit)),
        list(islice(retries, limit)),
        times.wall_us,
    )


def _in_order(txn: Transaction, state: JobState | None, queue: str | None, just_ended: Sequence[int]) -> Iterator[Job]:
    if state is JobState.PROCESSING:
        return iter(_running(txn))
    if state is JobState.DEAD:
        return _jobs(txn, dead.numbers(txn))
    if state in ENDED:
        return iter([job for job in _ended(txn, just_ended) if job.state is state])
    if state is not None:
        return (job for job in _waiting(txn, queue) if job.state is state)
    return chain(_running(txn), islice(_waiting(txn, queue), MOST_LOOKED_AT // 20), _ended(txn, just_ended))


def _running(txn: Transaction) -> list[Job]:
    held = (number for numbers in leases.held(txn).values() for number in numbers)
    return sorted((presence.with_true_lease(txn, job) for job in _jobs(txn, held)), key=_since_us)


def _since_us(job: Job) -> int:
    """Return when a job's run began: what happened to it since, such as a wish to cancel it, does not count."""
    return job.running_since_us or job.updated_at_us


def _waiting(txn: Transaction, queue: str | None) -> Iterator[Job]:
    """Return those that wait for the next free slot, and those that wait for their time."""
    first = islice(ready.numbers(txn, None if queue is None else [queue]), MOST_LOOKED_AT // 2)
    limited = islice(lanes.numbers(txn), MOST_LOOKED_AT // 4)
    return _jobs(txn, chain(first, limited, islice(scheduled.numbers(txn), MOST_LOOKED_AT // 4)))


def _ended(txn: Transaction, just_ended: Sequence[int]) -> list[Job]:
    newest = {job.number: job for job in islice(jobs.newest_first(txn), MOST_LOOKED_AT // 2)}
    newest |= {job.number: job for job in _jobs(txn, just_ended)}
    ended = [job for job in newest.values() if job.state in ENDED]
    return sorted(ended, key=lambda job: job.updated_at_us, reverse=True)


def _jobs(txn: Transaction, numbers: Iterable[int]) -> Iterator[Job]:
    return (job for number in islice(numbers, MOST_LOOKED_AT) if (job := jobs.get(txn, number)) is not None)
