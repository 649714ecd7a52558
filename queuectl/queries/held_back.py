"""Which waiting jobs no worker takes, whatever ends and however long it waits: a worker that drains leaves them."""

from collections.abc import Sequence

from ..core.due_times import DueTimes
from ..core.held import Wait
from ..core.job import JobState
from ..projections import counts
from ..projections import limits as limit_rows
from ..projections import queues as queue_rows
from ..store.store import Transaction
from . import limits, paused


def count(txn: Transaction, times: DueTimes, served: Sequence[str] | None) -> int:
    """Count the jobs of these queues, or of all, that are paused, or whose queue is, or that use more than there is."""
    shut = {row.name for row in queue_rows.paused(txn, times.log_us)} | limit_rows.shut_queues(txn)
    named = shut if served is None else shut & set(served)
    each = [(counts.get(txn, name), counts.waiting(txn, name)) for name in named]
    of_all = [counts.waiting(txn)] if served is None else [counts.waiting(txn, name) for name in set(served)]
    alone = sum(waiting[Wait.PAUSED] for waiting in of_all)
    blocked = sum(waiting[Wait.DEPENDENCY] for waiting in of_all)
    in_shut = sum(paused.waiting(states) - waiting[Wait.PAUSED] - waiting[Wait.DEPENDENCY] for states, waiting in each)
    held = alone + in_shut + limits.never(txn, served, but=shut)
    # Whatever may still run anywhere may end one that these wait for; where nothing may, they wait for what has ended.
    return held + blocked if blocked and _nothing_may_run(txn, times) else held


def _nothing_may_run(txn: Transaction, times: DueTimes) -> bool:
    """Whether all jobs of all queues that have not ended are held back, or wait for some that are or have ended."""
    shut = {row.name for row in queue_rows.paused(txn, times.log_us)} | limit_rows.shut_queues(txn)
    states, waits = counts.total(txn), counts.waiting(txn)
    if states[JobState.PROCESSING]:
        return False
    in_shut = 0
    for name in shut:
        of = counts.waiting(txn, name)
        in_shut += paused.waiting(counts.get(txn, name)) - of[Wait.PAUSED] - of[Wait.DEPENDENCY]
    held = waits[Wait.PAUSED] + waits[Wait.DEPENDENCY] + in_shut + limits.never(txn, None, but=shut)
    return paused.waiting(states) <= held
