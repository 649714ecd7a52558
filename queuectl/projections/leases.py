"""Who holds what until when? `leases`: expiry, number -> the worker."""

from ..job import Job
from ..store import Row, Transaction, key_of

TABLE = "leases"


def row(job: Job) -> Row:
    """Give the row of a job that is processing."""
    lease = job.lease
    assert lease is not None, "a processing job has a lease"
    return lease.expires_at_us.to_bytes(8, "big") + job.number.to_bytes(8, "big"), lease.worker.encode()


def expired(txn: Transaction, now_us: int) -> list[int]:
    """Give the numbers of the jobs whose lease has run out."""
    return [_number(key) for key, _ in txn.scan(TABLE, stop=key_of(now_us + 1))]


def held(txn: Transaction) -> dict[str, list[int]]:
    """Give the numbers of the jobs each worker holds."""
    found: dict[str, list[int]] = {}
    for key, worker in txn.scan(TABLE):
        found.setdefault(worker.decode(), []).append(_number(key))
    return found


def _number(key: bytes) -> int:
    return int.from_bytes(key[8:], "big")
