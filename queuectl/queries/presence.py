"""Who is there? `presence`: worker -> when it was last heard of, and until when all its leases hold; no history.

Replay neither reads nor makes this table. A claim's event says how long its lease holds by itself; a worker
that goes on holds all its leases by one row here, which it writes anew.
"""

from itertools import chain, islice
from typing import Final

from msgspec.structs import replace

from ..core.job import Job
from ..events.types import Frozen
from ..projections import leases, workers
from ..store.store import Transaction, key_of

TABLE: Final = "presence"

SILENT_US: Final = 20_000_000
"""A worker that holds no lock file and sent no heartbeat for this long is taken for dead."""

_SWEPT: Final = 8
"""How many rows each write looks at beside its own: more than it can add."""


class Presence(Frozen):
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


def put(txn: Transaction, worker: str, presence: Presence, *, now_us: int) -> None:
    """Record what a worker says of itself, and forget those of the next few that are gone without a word."""
    key = worker.encode()
    txn.put(TABLE, key, key_of(presence.heard_at_us) + key_of(presence.holds_until_us))
    others = chain(
        txn.scan(TABLE, key + b"\0"), txn.scan(TABLE, stop=key)
    )  # after the last come those from the first on
    for other in [row[0].decode() for row in islice(others, _SWEPT)]:
        if _is_over(txn, other, now_us):
            drop(txn, other)


def _is_over(txn: Transaction, worker: str, now_us: int) -> bool:
    """Whether a worker that never said it started has long been silent and holds nothing; `workers` has the others."""
    said = get(txn, worker)
    is_silent = said.heard_at_us + SILENT_US < now_us and said.holds_until_us < now_us
    return is_silent and workers.get(txn, worker) is None and not leases.held_by(txn, worker)


def drop(txn: Transaction, worker: str) -> None:
    """Forget a worker that has ended."""
    txn.delete(TABLE, worker.encode())


def with_true_lease(txn: Transaction, job: Job) -> Job:
    """Return a job with its lease as long as it really holds: by its claim, or by its worker's presence if later."""
    lease = job.lease
    if lease is None:
        return job
    until_us = get(txn, lease.worker).holds_until_us
    return job if until_us <= lease.expires_at_us else replace(job, lease=replace(lease, expires_at_us=until_us))
