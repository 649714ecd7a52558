"""What lies in the dead letter queue, since when? `dead`: position of its death -> number."""

from collections.abc import Iterator

from ..job import Job
from ..store import Row, Transaction, key_of

TABLE = "dead"


def row(job: Job) -> Row:
    """Give the row of a dead job; while it is dead its version is the position of its death."""
    return key_of(job.version), key_of(job.number)


def numbers(txn: Transaction, before: int | None = None) -> Iterator[int]:
    """Give the numbers of the dead, last to die first, of those that died `before` a position."""
    below = None if before is None else key_of(before)
    return (int.from_bytes(number, "big") for _, number in txn.scan_back(TABLE, below))
