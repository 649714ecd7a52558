"""Who is there? `presence`: worker -> when it was last heard of, and until when all its leases hold; no history.

Replay neither reads nor makes this table. A claim's event says how long its lease holds by itself; a worker
that goes on holds all its leases by one row here, which it writes anew.
"""

from typing import Final, NamedTuple

from .job import Job
from .store import Transaction, key_of

TABLE: Final = "presence"


class Presence(NamedTuple):
    """When a worker was last heard of, by the machine's clock, and until when its leases hold, by the log's time.

    Either is 0 where the worker never said so.
    """

    heard_at_us: int = 0
    holds_until_us: int = 0


def get(txn: Transaction, worker: str) -> Presence:
    """Return what a worker last said of itself."""
    row = txn.get(TABLE, worker.encode())
    if row is None:
        return Presence()
    return Presence(int.from_bytes(row[:8], "big"), int.from_bytes(row[8:16], "big"))  # an older release wrote 8 bytes


def put(txn: Transaction, worker: str, presence: Presence) -> None:
    """Record what a worker says of itself."""
    txn.put(TABLE, worker.encode(), key_of(presence.heard_at_us) + key_of(presence.holds_until_us))


def drop(txn: Transaction, worker: str) -> None:
    """Forget a worker that has ended."""
    txn.delete(TABLE, worker.encode())


def shown(txn: Transaction, job: Job) -> Job:
    """Return a job with its lease as long as it really holds: by its claim, or by its worker's presence if later."""
    lease = job.lease
    if lease is None:
        return job
    until_us = get(txn, lease.worker).holds_until_us
    return job if until_us <= lease.expires_at_us else job._replace(lease=lease._replace(expires_at_us=until_us))
