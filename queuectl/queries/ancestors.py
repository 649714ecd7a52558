"""Which job that has ended otherwise keeps another from ever starting."""

from ..core.dependencies import OK
from ..core.job import Job, JobState
from ..projections import jobs
from ..store.store import Transaction

MOST_LOOKED_AT = 1_000
"""Jobs that are looked at on the way up."""


def failed_above(txn: Transaction, job: Job) -> Job | None:
    """Return a job that was to complete, and is dead or cancelled, for which a job waits or one that it waits for."""
    todo, seen = [job], {job.number}
    while todo and len(seen) <= MOST_LOOKED_AT:
        for edge in todo.pop().unmet:
            parent = jobs.get(txn, edge.parent)
            if parent is None or parent.number in seen:
                continue
            if parent.state in (JobState.DEAD, JobState.CANCELLED) and edge.kind == OK:
                return parent
            seen.add(parent.number)
            todo.append(parent)
    return None
