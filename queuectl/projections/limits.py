"""Which limits are set? `named`, beside the queues: a limit's name after `limit:` -> what it says, and who said so."""

from typing import Final

from ..core.limits import QUEUE, Limit
from ..events.types import LIMIT_STREAM, Frozen, LimitSet, Recorded
from ..store.store import Transaction
from .row_codec import pack, read_row, scan, unpacker, write_row

TABLE: Final = "named"

_PREFIX: Final = LIMIT_STREAM.encode()
_OF_QUEUES: Final = f"{QUEUE}:"


class LimitRow(Frozen, array_like=True):
    """A limit that is set."""

    name: str
    limit: Limit
    set_at_us: int
    by: str
    reason: str | None


_unpack = unpacker(LimitRow)


def apply(txn: Transaction, recorded: Recorded) -> None:
    """Note that a limit was set or removed."""
    stream, event = str(recorded.stream), recorded.event
    if isinstance(event, LimitSet):
        limit = Limit(event.running, event.starts, event.period_us, event.burst)
        row = LimitRow(stream.removeprefix(LIMIT_STREAM), limit, recorded.at_us, recorded.actor, recorded.reason)
        write_row(txn, TABLE, stream.encode(), pack(row))
    else:
        txn.delete(TABLE, stream.encode())


def get(txn: Transaction, name: str) -> LimitRow | None:
    """Return a limit, None where none of that name is set."""
    row = read_row(txn, TABLE, _PREFIX + name.encode(errors="surrogatepass"))
    return None if row is None else _unpack(row)


def every(txn: Transaction) -> dict[str, LimitRow]:
    """Return all limits, by name."""
    found = (_unpack(value) for _, value in scan(txn, TABLE, _PREFIX, _PREFIX + b"\xff"))
    return {row.name: row for row in found}


def shut_queues(txn: Transaction) -> set[str]:
    """Return the queues of which, by a limit of 0, no job is to run."""
    of_queues = ((name, limit) for name, limit in caps(txn).items() if name.startswith(_OF_QUEUES))
    return {name.removeprefix(_OF_QUEUES) for name, limit in of_queues if limit.running == 0}


def caps(txn: Transaction) -> dict[str, Limit]:
    """Return what all limits say, by name."""
    return {name: row.limit for name, row in every(txn).items()}
