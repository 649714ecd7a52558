"""Which removed job last had this id? `removed`: id -> number; its history is still in the log."""

from ..store.store import Transaction, key_of
from .row_codec import read_row

TABLE = "removed"


def row(job_id: str, number: int) -> tuple[bytes, bytes]:
    """Return the row of a removed job."""
    return job_id.encode(), key_of(number)


def find(txn: Transaction, job_id: str) -> int | None:
    """Return the number of the last removed job with this id."""
    found = read_row(txn, TABLE, job_id.encode(errors="surrogatepass"))
    return None if found is None else int.from_bytes(found, "big")
