"""Which jobs did a run enqueue? `children`: position of the run's claim, number of the job -> nothing."""

from collections.abc import Iterator

from ..store.store import Row, Transaction, key_of
from .row_codec import scan

TABLE = "children"


def row(cause: int, number: int) -> Row:
    """Return the row of a job that a run enqueued."""
    return key_of(cause) + key_of(number), b""


def numbers(txn: Transaction, cause: int) -> Iterator[int]:
    """Return the numbers of the jobs that a run enqueued, in order."""
    return (int.from_bytes(key[8:], "big") for key, _ in scan(txn, TABLE, key_of(cause), key_of(cause + 1)))
