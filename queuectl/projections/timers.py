"""What has its time, beside jobs that become due? `timers`: time, kind, number -> nothing.

A job that waits, and of which no attempt may start after a moment, stands here at that moment. Before every time stand
jobs whose end is yet to be told to others (`edges`).
"""

from collections.abc import Iterator
from typing import Final

from ..core.job import WAITING, Job
from ..core.run_end import deadline_of
from ..store.store import Transaction, key_of
from .row_codec import scan

TABLE: Final = "timers"

OWED: Final = b"\0"
"""The kind of a job whose end is yet to be told to those that wait for it."""

EXPIRY: Final = b"\1"
"""The kind of a job's last moment to start; each kind is a byte."""


def key(job: Job, number: bytes) -> bytes | None:
    """Return the key of a job's last moment to start, from its number's; None where it has none, or does not wait."""
    if job.options is None or job.state not in WAITING or (deadline := deadline_of(job)) is None:
        return None
    return deadline.at_us.to_bytes(8, "big") + EXPIRY + number


def is_any_over(txn: Transaction, now_us: int) -> bool:
    """Whether the last moment to start of any job that waits has passed."""
    return next(over(txn, now_us), None) is not None


def over(txn: Transaction, now_us: int) -> Iterator[int]:
    """Yield the numbers of the jobs that wait and whose last moment to start has passed, the first to pass first."""
    rows = scan(txn, TABLE, stop=key_of(now_us))  # at that very moment one may start
    return (int.from_bytes(key[9:], "big") for key, _ in rows if key[8:9] == EXPIRY)


def owed_key(number: bytes) -> bytes:
    """Return the key of a job whose end is yet to be told, from its number's."""
    return key_of(0) + OWED + number


def owed(txn: Transaction) -> Iterator[int]:
    """Yield the numbers of the jobs whose end is yet to be told."""
    prefix = key_of(0) + OWED
    return (int.from_bytes(key[9:], "big") for key, _ in scan(txn, TABLE, prefix, prefix + b"\xff" * 9))
