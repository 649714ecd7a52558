"""How far are the views? `marks`: the position applied, and the time up to which due jobs were promoted."""

from ..store import Transaction, key_of

TABLE = "marks"

APPLIED = b"applied"
PROMOTED = b"promoted"


def get(txn: Transaction, mark: bytes) -> int:
    """Give a mark, 0 where it was never set."""
    found = txn.get(TABLE, mark)
    return int.from_bytes(found, "big") if found else 0


def put(txn: Transaction, mark: bytes, value: int) -> None:
    """Set a mark."""
    txn.put(TABLE, mark, key_of(value))
