"""The log's time: the clock's, but it never goes back, and does not stand still where the clock does.

While the machine's clock is behind the log (it was ahead, and was put right), the log's time goes on
from an anchor in the store at half the pace of a clock that nobody sets: delays and leases take
twice as long, and the machine's clock catches up.
"""

from typing import Final

from ..core.times import PACE
from ..events.types import Frozen
from ..store.store import Transaction, key_of
from ..system.clock import Clock

_TABLE: Final = "meta"
_KEY: Final = b"anchor"


class _Anchor(Frozen):
    """A moment of the steady clock of one boot, and the log's time then."""

    steady_us: int
    log_us: int
    boot: bytes


def now_us(txn: Transaction, clock: Clock, latest_us: int) -> int:
    """Return the log's time, not before `latest_us`, its latest so far."""
    return max(clock.now_us(), latest_us, _reached_us(txn, clock))


def anchored_us(txn: Transaction, clock: Clock, latest_us: int) -> int:
    """Return the log's time as now_us() does, in a write transaction: where it would stand still it is anchored."""
    moving_us = max(clock.now_us(), _reached_us(txn, clock))
    if moving_us < latest_us:
        txn.put(_TABLE, _KEY, key_of(clock.steady_us()) + key_of(latest_us) + clock.boot().encode())
    return max(moving_us, latest_us)


def slow_us(txn: Transaction, clock: Clock, now_us: int) -> int:
    """Return since which of its times the log goes at half the pace; `now_us`, its time now, if it stands still."""
    anchor = _read(txn)
    return now_us if anchor is None or _reached_us(txn, clock) < now_us else anchor.log_us


def _reached_us(txn: Transaction, clock: Clock) -> int:
    anchor = _read(txn)
    if anchor is None or anchor.boot != clock.boot().encode():
        return 0
    return anchor.log_us + max(0, clock.steady_us() - anchor.steady_us) // PACE


def _read(txn: Transaction) -> _Anchor | None:
    row = txn.get(_TABLE, _KEY)
    if row is None:
        return None
    return _Anchor(int.from_bytes(row[:8], "big"), int.from_bytes(row[8:16], "big"), row[16:])
