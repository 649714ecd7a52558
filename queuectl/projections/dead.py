"""What lies in the dead letter queue, since when? `dead`: position of its last event -> number.

That is its death, or an edit since.
"""

from collections.abc import Iterator

from ..core.job import Job
from ..store.store import Row, Transaction, key_of
from .row_codec import scan, scan_back

TABLE = "dead"

VersionAndNumber = tuple[int, int]
"""The position of a job's last event, and its number."""


def key(job: Job) -> bytes:
    """Return the key of a dead job; its version is the position of its death, or of an edit since."""
    return job.version.to_bytes(8, "big")


def numbers(txn: Transaction) -> Iterator[int]:
    """Return the numbers of the dead, last to die first."""
    return (number for _, number in newest_first(txn))


def newest_first(txn: Transaction, below: int | None = None) -> Iterator[VersionAndNumber]:
    """Return the dead whose last event lies `below` a position, that one first."""
    return map(_version_and_number, scan_back(txn, TABLE, None if below is None else key_of(below)))


def oldest_first(txn: Transaction, above: int = 0) -> Iterator[VersionAndNumber]:
    """Return the dead whose last event lies `above` a position, the oldest first."""
    return map(_version_and_number, scan(txn, TABLE, key_of(above + 1)))


def _version_and_number(found: Row) -> VersionAndNumber:
    return int.from_bytes(found[0], "big"), int.from_bytes(found[1], "big")
