"""Which live job has this id? `ids`: id -> number."""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from ..store.store import Transaction
from .row_codec import read_row, scan, scan_back

TABLE = "ids"

LONGEST_BYTES = 480
"""No id is longer; LMDB refuses to look for a key above 511."""


def find(txn: Transaction, job_id: str) -> int | None:
    """Return the number of the live job with this id."""
    found = read_row(txn, TABLE, job_id.encode(errors="surrogatepass"))
    return None if found is None else int.from_bytes(found, "big")


def taken(txn: Transaction, job_ids: Sequence[str]) -> set[str]:
    """Return which of these ids live jobs have; for ids made up just now, since damaged rows are not refused here."""
    return {key.decode() for key, _ in txn.get_many(TABLE, [job_id.encode() for job_id in job_ids])}


def beginning(txn: Transaction, start: str, table: str = TABLE) -> Iterator[str]:
    """Return the ids that begin so, in order; those of `removed` where that is the table."""
    key = start.encode(errors="surrogatepass")
    rows = scan(txn, table, key) if len(key) <= LONGEST_BYTES else iter(())
    return (each.decode() for each, _ in takewhile(lambda row: row[0].startswith(key), rows))


def last_beginning(txn: Transaction, start: str) -> Iterator[str]:
    """Return the ids that begin so, last first."""
    key = start.encode(errors="surrogatepass")
    rows = scan_back(txn, TABLE, key + b"\xff") if len(key) < LONGEST_BYTES else iter(())
    return (each.decode() for each, _ in takewhile(lambda row: row[0].startswith(key), rows))
