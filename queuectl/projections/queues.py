"""Which queues are paused? `named`: a queue's name after `queue:` -> since when, until when, by whom, and why.

A queue that nothing was told has no row. Limits, groups and schedules are to stand in the same table: few rows, whose
streams are named.
"""

from typing import Final

from ..events.types import QUEUE_STREAM, Frozen, Paused, Recorded
from ..store.store import Transaction
from .row_codec import pack, read_row, scan, unpacker, write_row

TABLE: Final = "named"

_PREFIX: Final = QUEUE_STREAM.encode()


class QueueRow(Frozen, array_like=True):
    """A paused queue. Times are the log's; `until_us` None: until it is resumed."""

    name: str
    paused_at_us: int
    until_us: int | None
    by: str
    reason: str | None

    def is_paused(self, now_us: int) -> bool:
        """Whether its jobs are not to start yet, by the log's time."""
        return self.until_us is None or self.until_us > now_us


_unpack = unpacker(QueueRow)


def apply(txn: Transaction, recorded: Recorded) -> None:
    """Note that a queue was paused or resumed."""
    stream, event = str(recorded.stream), recorded.event
    if isinstance(event, Paused):
        name = stream.removeprefix(QUEUE_STREAM)
        row = QueueRow(name, recorded.at_us, event.until_us, recorded.actor, recorded.reason)
        write_row(txn, TABLE, stream.encode(), pack(row))
    else:
        txn.delete(TABLE, stream.encode())


def get(txn: Transaction, name: str) -> QueueRow | None:
    """Return what a queue was told, None where nothing was."""
    row = read_row(txn, TABLE, _PREFIX + name.encode(errors="surrogatepass"))
    return None if row is None else _unpack(row)


def paused(txn: Transaction, now_us: int) -> list[QueueRow]:
    """Return the queues whose jobs are not to start at a time of the log, by name."""
    found = (_unpack(value) for _, value in scan(txn, TABLE, _PREFIX, _PREFIX + b"\xff"))
    return [row for row in found if row.is_paused(now_us)]
