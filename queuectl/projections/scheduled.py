"""What becomes due when? `scheduled`: due time, number -> the row of `ready` it will have.

After every time come the jobs that wait for something else, each kind in a place of its own.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ..core.held import Wait
from ..core.job import Job
from ..store.store import Row, Transaction, key_of
from .row_codec import scan

TABLE: Final = "scheduled"

_PARKED: Final[Mapping[Wait, bytes]] = {Wait.PAUSED: key_of(2**64 - 1)}
"""What a job waits for in place of a time -> what stands for that time."""

_TIMES_END: Final = min(_PARKED.values())


def key(job: Job, number: bytes) -> bytes:
    """Return the key of a job that waits for its time, or for something in place of it, from its number's."""
    return (job.due_us.to_bytes(8, "big") if job.parked is None else _PARKED[job.parked]) + number


def next_due_us(txn: Transaction) -> int | None:
    """Return the time at which the next job becomes due."""
    found = next(scan(txn, TABLE, stop=_TIMES_END), None)
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
    return ((due_us(found), int.from_bytes(found[0][8:], "big")) for found in scan(txn, TABLE, stop=_TIMES_END))


def later(txn: Transaction, now_us: int) -> Iterator[bytes]:
    """Return the key in `ready` that each job will have which waits for a time still to come, next due first."""
    return (ready_key for _, ready_key in scan(txn, TABLE, key_of(now_us + 1), _TIMES_END))


def ready_keys(txn: Transaction) -> Iterator[bytes]:
    """Return the key in `ready` that each job will have which waits for its time or else, next due first."""
    return (ready_key for _, ready_key in scan(txn, TABLE))


def numbers(txn: Transaction, behind: Job | None = None) -> Iterator[int]:
    """Return the numbers of all that wait for their time or else, next due first, after the place of `behind`."""
    start = b"" if behind is None else key(behind, key_of(behind.number)) + b"\0"
    return (int.from_bytes(key[8:], "big") for key, _ in scan(txn, TABLE, start))


def parked(txn: Transaction, wait: Wait) -> Iterator[int]:
    """Return the numbers of the jobs that wait for something in place of a time, the first enqueued first."""
    start = _PARKED[wait]
    return (int.from_bytes(key[8:], "big") for key, _ in scan(txn, TABLE, start, start + b"\xff" * 9))
