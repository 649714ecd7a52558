"""How many jobs are in each state? `counts`: queue -> one number a state."""

from collections.abc import Iterator
from itertools import takewhile

from ..job import JobState
from ..store import Transaction
from .rows import pack, read, scan, unpacker, write

TABLE = "counts"

LONGEST_BYTES = 64
"""No queue's name is longer."""

_unpack = unpacker(list[int])

Counts = dict[JobState, int]
Change = tuple[str, JobState]
"""A queue and a state in it."""


def add(txn: Transaction, changes: dict[Change, int]) -> None:
    """Add to the counts; a queue without jobs has no row."""
    for queue in sorted({queue for queue, _ in changes}):
        counts = get(txn, queue)
        for state in JobState:
            counts[state] += changes.get((queue, state), 0)
        if any(counts.values()):
            write(txn, TABLE, queue.encode(), pack(list(counts.values())))
        else:
            txn.delete(TABLE, queue.encode())


def get(txn: Transaction, queue: str) -> Counts:
    """Give the counts of one queue."""
    row = read(txn, TABLE, queue.encode())
    return _counts(row) if row else dict.fromkeys(JobState, 0)


def total(txn: Transaction) -> Counts:
    """Return the counts of all queues together."""
    columns = zip(*(_unpack(row) for _, row in scan(txn, TABLE)), strict=True)
    return dict.fromkeys(JobState, 0) | dict(zip(JobState, map(sum, columns), strict=False))  # none: no columns


def all_queues(txn: Transaction) -> dict[str, Counts]:
    """Give the counts of every queue that has jobs."""
    return {key.decode(): _counts(row) for key, row in scan(txn, TABLE)}


def names(txn: Transaction, start: str) -> Iterator[str]:
    """Give the names of queues that have jobs and begin so."""
    key = start.encode(errors="surrogatepass")[:LONGEST_BYTES]
    return (each.decode() for each, _ in takewhile(lambda row: row[0].startswith(key), scan(txn, TABLE, key)))


def _counts(row: bytes) -> Counts:
    return dict(zip(JobState, _unpack(row), strict=True))
