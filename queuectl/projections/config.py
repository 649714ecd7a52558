"""What is configured? `config`: key -> the value it was given."""

from collections.abc import Callable

from ..core.settings import FORMER
from ..events.types import ConfigChanged, Value
from ..store.store import Transaction
from .row_codec import pack, scan, unpacker, write_row

TABLE = "config"

_unpack: Callable[[bytes], Value] = unpacker(Value)


def apply(txn: Transaction, event: ConfigChanged) -> None:
    """Set a key, or drop it; one that an older release named by the name it has now."""
    key = FORMER.get(event.key, event.key).encode()
    if event.new is None:
        txn.delete(TABLE, key)
    else:
        write_row(txn, TABLE, key, pack(event.new))


def values(txn: Transaction) -> dict[str, Value]:
    """Return every key that has a value of its own."""
    return {key.decode(): _unpack(row) for key, row in scan(txn, TABLE)}
