"""Which live job has this id? `ids`: id -> number."""

from ..store import Transaction, key_of

TABLE = "ids"


def row(job_id: str, number: int) -> tuple[bytes, bytes]:
    """Give the row of a live job."""
    return job_id.encode(), key_of(number)


def find(txn: Transaction, job_id: str) -> int | None:
    """Give the number of the live job with this id."""
    found = txn.get(TABLE, job_id.encode(errors="surrogatepass"))
    return None if found is None else int.from_bytes(found, "big")
