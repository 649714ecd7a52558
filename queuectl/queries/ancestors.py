"""Which job that has ended otherwise, or is gone, keeps another from ever starting."""

from typing import NamedTuple

from ..core.dependencies import OK
from ..core.job import Job, JobState
from ..projections import jobs
from ..store.store import Transaction

MOST_LOOKED_AT = 1_000
"""Jobs that are looked at on the way up."""


class Failed(NamedTuple):
    """A job that was to complete and will not: its id, and its state, `gone` where it was removed."""

    id: str
    state: str


def failed_above(txn: Transaction, job: Job) -> Failed | None:
    """Return a job that was to complete, and is dead, cancelled or gone, for which a job or one above it waits."""
    todo, seen = [job], {job.number}
    while todo and len(seen) <= MOST_LOOKED_AT:
        for edge in todo.pop().unmet:
            parent = jobs.get(txn, edge.parent)
            if parent is None:
                return Failed(edge.id, "gone")
            if parent.number in seen:
                continue
            if parent.state in (JobState.DEAD, JobState.CANCELLED) and edge.kind == OK:
                return Failed(parent.id, parent.state)
            seen.add(parent.number)
            todo.append(parent)
    return None
