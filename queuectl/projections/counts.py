"""How many jobs are in each state? `marks`, beside the marks: a queue's name after `queue ` -> one number a state.

Then one number for each thing that waiting jobs wait for beside their time and their turn.

In that table, since each commit changes both, and a table of its own would cost each one more page to write.
"""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Final

from ..core.held import Wait
from ..core.job import JobState
from ..store.store import Row, Transaction
from .row_codec import pack, read_row, scan, unpacker, write_row

TABLE: Final = "marks"

LONGEST_BYTES: Final = 64
"""No queue's name is longer."""

_PREFIX: Final = b"queue "
_STATES: Final = tuple(JobState)
_KINDS: Final = (*_STATES, *Wait)
_PLACES: Final[Mapping[str, int]] = {kind: place for place, kind in enumerate(_KINDS)}

_unpack: Final = unpacker(list[int])

Counts = dict[JobState, int]
CountChange = tuple[str, str]
"""A queue, and a state or a thing waited for in it, by its word."""


def add(txn: Transaction, changes: Mapping[CountChange, int]) -> None:
    """Add to the counts; a queue without jobs has no row."""
    added: dict[str, list[int]] = {}
    for (queue, state), change in changes.items():
        if change:
            added.setdefault(queue, [0] * len(_KINDS))[_PLACES[state]] += change
    for queue in sorted(added):
        key, numbers = _key(queue), added[queue]
        if (row := read_row(txn, TABLE, key)) is not None:
            numbers = [number + more for number, more in zip(_unpack(row), numbers, strict=True)]
        if any(numbers):
            write_row(txn, TABLE, key, pack(numbers))
        else:
            txn.delete(TABLE, key)


def get(txn: Transaction, queue: str) -> Counts:
    """Return the counts of one queue."""
    row = read_row(txn, TABLE, _key(queue))
    return dict.fromkeys(JobState, 0) if row is None else _counts(row)


def total(txn: Transaction) -> Counts:
    """Return the counts of all queues together."""
    columns = zip(*(_unpack(row)[: len(_STATES)] for _, row in _rows(txn)), strict=True)
    return dict.fromkeys(JobState, 0) | dict(zip(JobState, map(sum, columns), strict=False))  # none: no columns


def waiting(txn: Transaction, queue: str | None = None) -> dict[Wait, int]:
    """Return how many jobs of a queue, or of all, wait for each thing beside their time and their turn."""
    key = None if queue is None else _key(queue)
    rows = [row for _, row in _rows(txn)] if key is None else [read_row(txn, TABLE, key) or b""]
    columns = zip(*(_unpack(row)[len(_STATES) :] for row in rows if row), strict=True)
    return dict.fromkeys(Wait, 0) | dict(zip(Wait, map(sum, columns), strict=False))


def all_queues(txn: Transaction) -> dict[str, Counts]:
    """Return the counts of every queue that has jobs."""
    return {_name(key): _counts(row) for key, row in _rows(txn)}


def names(txn: Transaction, start: str) -> Iterator[str]:
    """Return the names of queues that have jobs and begin so."""
    key = _PREFIX + start.encode(errors="surrogatepass")[:LONGEST_BYTES]
    return (_name(each) for each, _ in takewhile(lambda row: row[0].startswith(key), scan(txn, TABLE, key)))


def _key(queue: str) -> bytes:
    return _PREFIX + queue.encode()


def _name(key: bytes) -> str:
    return key[len(_PREFIX) :].decode()


def _rows(txn: Transaction) -> Iterator[Row]:
    return (row for row in scan(txn, TABLE) if row[0].startswith(_PREFIX))  # the whole table: what is lost shows


def _counts(row: bytes) -> Counts:
    return dict(zip(_STATES, _unpack(row), strict=False))  # what is waited for stands after the states
