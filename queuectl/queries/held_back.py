"""Which waiting jobs no worker takes, whatever ends and however long it waits: a worker that drains leaves them."""

from collections.abc import Sequence

from ..core.due_times import DueTimes
from ..core.held import Wait
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
    in_shut = sum(paused.waiting(states) - waiting[Wait.PAUSED] for states, waiting in each)
    return alone + in_shut + limits.never(txn, served, but=shut)
