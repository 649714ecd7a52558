"""Which jobs wait? Those of `ready`, of `lanes` and of `scheduled`, one after the other: about as they run."""

from collections.abc import Iterator, Sequence
from itertools import chain

from ..core.job import Job
from ..store.store import Transaction, key_of
from . import lanes, marks, ready, scheduled
from .views import place


def numbers(txn: Transaction, queues: Sequence[str] | None = None, behind: Job | None = None) -> Iterator[int]:
    """Return the numbers of the jobs that wait, of those that are ready only of some queues, after one of them."""
    if behind is None:
        return chain(ready.numbers(txn, queues), lanes.numbers(txn), scheduled.numbers(txn))
    table, key, _ = place(behind, key_of(behind.number), marks.get(txn, marks.PROMOTED))
    if table == ready.TABLE:
        return chain(ready.numbers(txn, queues, behind), lanes.numbers(txn), scheduled.numbers(txn))
    if table == lanes.LANES:
        return chain(lanes.numbers(txn, key), scheduled.numbers(txn))
    return scheduled.numbers(txn, behind)


def count(txn: Transaction) -> int:
    """Count the jobs that wait."""
    return ready.count(txn) + txn.count(lanes.LANES) + txn.count(scheduled.TABLE)
