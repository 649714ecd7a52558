"""What becomes due when? `scheduled`: due time, number -> the row it will have in `ready`, or in `lanes`.

After every time come the jobs that wait for something else, each kind in a place of its own.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ..core.held import Wait
from ..core.job import Job
from ..store.store import Row, Transaction, key_of
from . import lanes, ready
from .row_codec import scan

TABLE: Final = "scheduled"

_PARKED: Final[Mapping[Wait, bytes]] = {Wait.PAUSED: key_of(2**64 - 1), Wait.DEPENDENCY: key_of(2**64 - 2)}
"""What a job waits for in place of a time -> what stands for that time."""

_TIMES_END: Final = min(_PARKED.values())

_LIMITED: Final = b"\0"
"""How the value begins of a job that will be in `lanes`: no key of `ready` does, since no queue's name is empty."""

_AFTER_KEY: Final = 1 + lanes.KEY_BYTES


def key(job: Job, number: bytes) -> bytes:
    """Return the key of a job that waits for its time, or for something in place of it, from its number's."""
    return (job.due_us.to_bytes(8, "big") if job.parked is None else _PARKED[job.parked]) + number


def value(job: Job, number: bytes) -> bytes:
    """Return what stands under the key of a job: the row that it will have once it waits for its time no more."""
    return _LIMITED + b"".join(lanes.row(job, number)) if job.uses_limits else ready.key(job.spec, number)


def row_to_be(value: bytes) -> tuple[str, Row]:
    """Return the table that a job will be in, and its row there, from the value under its key."""
    if value.startswith(_LIMITED):
        return lanes.LANES, (value[1:_AFTER_KEY], value[_AFTER_KEY:])
    return ready.TABLE, (value, b"")


def queue_of(value: bytes) -> str:
    """Return the name of a job's queue from the value under its key."""
    table, (key, packed) = row_to_be(value)
    return ready.queue_of(key) if table == ready.TABLE else lanes.names_of(packed).of.queue


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


def later(txn: Transaction, now_us: int) -> Iterator[str]:
    """Return the queue of each job that waits for a time still to come, next due first."""
    return (queue_of(value) for _, value in scan(txn, TABLE, key_of(now_us + 1), _TIMES_END))


def queues(txn: Transaction) -> Iterator[str]:
    """Return the queue of each job that waits for its time or else, next due first."""
    return (queue_of(value) for _, value in scan(txn, TABLE))


def numbers(txn: Transaction, behind: Job | None = None) -> Iterator[int]:
    """Return the numbers of all that wait for their time or else, next due first, after the place of `behind`."""
    start = b"" if behind is None else key(behind, key_of(behind.number)) + b"\0"
    return (int.from_bytes(key[8:], "big") for key, _ in scan(txn, TABLE, start))


def parked(txn: Transaction, wait: Wait) -> Iterator[int]:
    """Return the numbers of the jobs that wait for something in place of a time, the first enqueued first."""
    start = _PARKED[wait]
    return (int.from_bytes(key[8:], "big") for key, _ in scan(txn, TABLE, start, start + b"\xff" * 9))
