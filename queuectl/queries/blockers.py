"""What does a waiting job wait for? Asked when somebody wants to know why it does not run."""

from itertools import islice, takewhile
from pathlib import Path
from typing import Final

from ..core.due_times import DueTimes
from ..core.job import WAITING, Job
from ..core.results import Blocker
from ..projections import jobs, ready
from ..store.store import Transaction
from . import limits, paused
from .jobs import list_workers

MOST_BEFORE: Final = 10_000
"""Jobs that run before one are counted up to here."""


def blockers(txn: Transaction, path: Path, job: Job, times: DueTimes) -> list[Blocker]:
    """Return what a job waits for, nothing where it runs, has ended, or is about to be taken by a free worker."""
    if job.state not in WAITING:
        return []
    found: list[Blocker] = []
    if job.is_paused:
        told = paused.told_by(txn, job)
        since_us = times.began_us(told.at_us)
        found.append(Blocker("paused", since_us=since_us, by=told.actor, reason=told.reason))
    if (pause := paused.queue(txn, job.spec.queue, times)) is not None:
        found.append(
            Blocker("queue_paused", pause.until_us, since_us=pause.paused_at_us, by=pause.by, reason=pause.reason)
        )
    if job.due_us > times.log_us:
        found.append(Blocker("time", times.shown(job).due_us))
    for edge in job.unmet:
        parent = jobs.get(txn, edge.parent)
        state = None if parent is None else parent.state
        found.append(Blocker("dependency", holders=(edge.id if parent is None else parent.id,), state=state))
    found += limits.blockers(txn, job, times)
    serving = [
        info
        for info in list_workers(txn, path, times.wall_us)
        if info.state == "running" and info.serves(job.spec.queue)
    ]
    if not serving:
        found.append(Blocker("no_worker"))
    elif not found and all(len(info.runs) >= info.slots for info in serving):
        holders = tuple(run.job_id for info in serving for run in info.runs)
        found.append(Blocker("slots", None, sum(info.slots for info in serving), holders, _before(txn, job)))
    return found


def _before(txn: Transaction, job: Job) -> int:
    """Count the jobs of its queue that run before one which is ready."""
    first = islice(ready.numbers(txn, [job.spec.queue]), MOST_BEFORE)
    return sum(1 for _ in takewhile(lambda number: number != job.number, first))
