"""Which live job has this id? `ids`: id -> number."""

from collections.abc import Iterator
from itertools import takewhile

from ..store import Transaction, key_of
from .rows import read, scan, scan_back

TABLE = "ids"

LONGEST_BYTES = 480
"""No id is longer; LMDB refuses to look for a key above 511."""


def row(job_id: str, number: int) -> tuple[bytes, bytes]:
    """Give the row of a live job."""
    return job_id.encode(), key_of(number)


def find(txn: Transaction, job_id: str) -> int | None:
    """Give the number of the live job with this id."""
    found = read(txn, TABLE, job_id.encode(errors="surrogatepass"))
    return None if found is None else int.from_bytes(found, "big")


def is_taken(txn: Transaction, job_id: str) -> bool:
    """Whether a live job has this id, one that was made up just now, so that nothing hides who had it before."""
    return txn.get(TABLE, job_id.encode()) is not None


def beginning(txn: Transaction, start: str, table: str = TABLE) -> Iterator[str]:
    """Give the ids that begin so, in order; those of `removed` where that is the table."""
    key = start.encode(errors="surrogatepass")
    rows = scan(txn, table, key) if len(key) <= LONGEST_BYTES else iter(())
    return (each.decode() for each, _ in takewhile(lambda row: row[0].startswith(key), rows))


def last_beginning(txn: Transaction, start: str) -> Iterator[str]:
    """Give the ids that begin so, last first."""
    key = start.encode(errors="surrogatepass")
    rows = scan_back(txn, TABLE, key + b"\xff") if len(key) < LONGEST_BYTES else iter(())
    return (each.decode() for each, _ in takewhile(lambda row: row[0].startswith(key), rows))
