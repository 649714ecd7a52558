"""What has its time, beside jobs that become due? `timers`: time, kind, number -> nothing.

A job that waits, and of which no attempt may start after a moment, stands here at that moment.
"""

from collections.abc import Iterator
from typing import Final

from ..core.job import WAITING, Job
from ..core.run_end import limit_of_job
from ..store.store import Transaction, key_of
from .row_codec import scan

TABLE: Final = "timers"

EXPIRY: Final = b"\1"
"""The kind of a job's last moment to start; each kind is a byte."""


def key(job: Job, number: bytes) -> bytes | None:
    """Return the key of a job's last moment to start, from its number's; None where it has none, or does not wait."""
    if job.options is None or job.state not in WAITING or (limit := limit_of_job(job)) is None:
        return None
    return limit.at_us.to_bytes(8, "big") + EXPIRY + number


def is_any_over(txn: Transaction, now_us: int) -> bool:
    """Whether the last moment to start of any job that waits has passed."""
    return next(over(txn, now_us), None) is not None


def over(txn: Transaction, now_us: int) -> Iterator[int]:
    """Yield the numbers of the jobs that wait and whose last moment to start has passed, the first to pass first."""
    rows = scan(txn, TABLE, stop=key_of(now_us))  # at that very moment one may start
    return (int.from_bytes(key[9:], "big") for key, _ in rows if key[8:9] == EXPIRY)
