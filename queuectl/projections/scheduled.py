"""What becomes due when? `scheduled`: due time, number -> the row of `ready` it will have."""

from collections import Counter
from collections.abc import Iterator

from ..core.job import Job
from ..store.store import Row, Transaction, key_of
from . import ready
from .row_codec import scan

TABLE = "scheduled"


def key(job: Job, number: bytes) -> bytes:
    """Return the key of a job that waits for its time, from its number's."""
    return job.due_us.to_bytes(8, "big") + number


def next_due_us(txn: Transaction) -> int | None:
    """Return the time at which the next job becomes due."""
    found = next(scan(txn, TABLE), None)
    return None if found is None else due_us(found)


def due(txn: Transaction, now_us: int, limit: int) -> Iterator[Row]:
    """Yield the rows due by now, `limit` or a few more: those due at one time are not parted."""
    taken, last = 0, -1
    for found in scan(txn, TABLE, stop=key_of(now_us + 1)):
        if taken >= limit and due_us(found) != last:
            return
        taken, last = taken + 1, due_us(found)
        yield found


def due_us(found: Row) -> int:
    """Return the time a row becomes due."""
    return int.from_bytes(found[0][:8], "big")


def times(txn: Transaction) -> Iterator[tuple[int, int]]:
    """Return when jobs become due, and their numbers, next due first."""
    return ((due_us(found), int.from_bytes(found[0][8:], "big")) for found in scan(txn, TABLE))


def later(txn: Transaction, now_us: int) -> Counter[str]:
    """Count the jobs of each queue that wait for a time which is still to come."""
    return Counter(ready.queue_of(ready_key) for _, ready_key in scan(txn, TABLE, key_of(now_us + 1)))


def ready_keys(txn: Transaction) -> Iterator[bytes]:
    """Return the key in `ready` that each job will have which waits for its time, next due first."""
    return (ready_key for _, ready_key in scan(txn, TABLE))


def numbers(txn: Transaction, behind: Job | None = None) -> Iterator[int]:
    """Return the numbers of all that wait for their time, next due first, after the place of `behind`."""
    start = b"" if behind is None else key(behind, key_of(behind.number)) + b"\0"
    return (int.from_bytes(key[8:], "big") for key, _ in scan(txn, TABLE, start))
