"""How far are the views? `marks`: the position applied, and the time up to which due jobs were promoted.

The counts of the queues stand there too (`counts`).
"""

from contextlib import suppress
from typing import Final

from ..errors import StoreError
from ..store.store import Transaction, key_of
from .row_codec import read_row, write_row

TABLE = "marks"

APPLIED = b"applied"
PROMOTED = b"promoted"

_OLD_BYTES: Final = 8
"""Before there were checksums."""


def get(txn: Transaction, mark: bytes) -> int:
    """Return a mark, 0 where it was never set."""
    found = read_row(txn, TABLE, mark)
    return int.from_bytes(found, "big") if found else 0


def get_anyhow(txn: Transaction, mark: bytes) -> int:
    """Return a mark, also as an older layout has it, or 0 where it is damaged: for what makes the views anew."""
    stored = txn.get(TABLE, mark) or b""
    if len(stored) == _OLD_BYTES:
        return int.from_bytes(stored, "big")
    with suppress(StoreError):
        return get(txn, mark)
    return 0


def put(txn: Transaction, mark: bytes, value: int) -> None:
    """Set a mark."""
    write_row(txn, TABLE, mark, key_of(value))
