"""Which jobs hold a unique key? `unique`: digest of the key, until when it is held, number of the job -> nothing.

A job that has not ended holds its key for as long as that takes: its row is after all times. One that has ended holds
it for the time that it was enqueued for, and has no row where that is none. So one look tells whether a key is held,
however many jobs have had it.
"""

from collections.abc import Iterator
from typing import Final

from ..core.job import ENDED, Job
from ..store.store import Transaction
from .row_codec import scan

TABLE: Final = "unique"

_DIGEST_BYTES: Final = 16
_UNTIL_IT_ENDS: Final = b"\xff" * 8


def key(job: Job, number: bytes) -> bytes | None:
    """Return the key of a job's row, from its number's; None where it holds no unique key."""
    if job.options is None or job.options.unique is None:
        return None
    until = _UNTIL_IT_ENDS
    if job.state in ENDED:
        if job.options.unique_until_us is None:
            return None
        until = job.options.unique_until_us.to_bytes(8, "big")
    return _digest(job.options.unique) + until + number


def holders(txn: Transaction, unique: str, now_us: int) -> Iterator[int]:
    """Yield the numbers of the jobs that hold a unique key at a moment: one, unless nodes enqueued at once."""
    digest = _digest(unique)
    start, stop = digest + (now_us + 1).to_bytes(8, "big"), digest + b"\xff" * 17
    return (int.from_bytes(found[-8:], "big") for found, _ in scan(txn, TABLE, start, stop))


def _digest(unique: str) -> bytes:
    from hashlib import sha256  # only for jobs that have such a key: it costs a command its start

    return sha256(unique.encode()).digest()[:_DIGEST_BYTES]
