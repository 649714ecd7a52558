"""Writes rows of the log as they are: what import and branch take over from another log, and what retention removes.

Nothing new is said here, so nothing is decided, counted or chained; what happens is appended (`event_writer`).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from .store import Row, Transaction, key_of
from .tables import CUT, LOG, META, ORIGIN, STREAMS, sum_of_gaps

_SUM: Final = b"sum"
_FORMAT: Final = b"format"
_WITH_GAPS: Final = b"2"


def add(txn: Transaction, rows: Sequence[Row], ends: Mapping[bytes, bytes]) -> None:
    """Append events as another log stored them, which this one is the beginning of.

    Args:
        txn: a write transaction of the store.
        rows: the events, in the order of their positions.
        ends: for the key of each stream among them, the key of its last event.

    """
    if rows:
        txn.append(LOG, rows)
        txn.put_many(STREAMS, sorted(ends.items()))


def remove(txn: Transaction, rows: Sequence[bytes], streams: Sequence[bytes]) -> None:
    """Remove events, and streams of which none is left, by their keys."""
    txn.delete_many(LOG, sorted(rows))
    txn.delete_many(STREAMS, sorted(streams))


def set_cut(txn: Transaction, position: int, origin: bytes) -> None:
    """Record up to where events may be missing, and whose log it is; a release that knows no gaps refuses it then."""
    cut = key_of(position)
    for key, value in ((CUT, cut), (ORIGIN, origin), (_FORMAT, _WITH_GAPS), (_SUM, sum_of_gaps(cut, origin))):
        txn.put(META, key, value)
