"""What is configured? `config`: key -> the value it was given."""

from collections.abc import Callable

from ..events.types import ConfigChanged, Value
from ..store.store import Transaction
from .row_codec import pack, scan, unpacker, write

TABLE = "config"

_unpack: Callable[[bytes], Value] = unpacker(Value)


def apply(txn: Transaction, event: ConfigChanged) -> None:
    """Set a key, or drop it."""
    if event.new is None:
        txn.delete(TABLE, event.key.encode())
    else:
        write(txn, TABLE, event.key.encode(), pack(event.new))


def values(txn: Transaction) -> dict[str, Value]:
    """Return every key that has a value of its own."""
    return {key.decode(): _unpack(row) for key, row in scan(txn, TABLE)}
