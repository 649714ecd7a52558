"""What limits remember of the last starts: `rates`: a limit's name -> when its next start is due; no history.

A rate depends on the moments of claims, which are this store's; after a loss of this table it begins anew. And since
when the first job of a class has been seen to wait for room: NUL and its number -> the time.
"""

from collections.abc import Collection, Mapping
from typing import Final

from ..store.store import Transaction, key_of

TABLE: Final = "rates"

_BLOCKED: Final = b"\0"


def tat_us(txn: Transaction, name: str) -> int:
    """Return when the next start would be due by a limit's rate, were all evenly spread; 0 where none was yet."""
    return int.from_bytes(txn.get(TABLE, name.encode()) or b"", "big")


def put(txn: Transaction, tats_us: Mapping[str, int]) -> None:
    """Note when the next starts are due."""
    for name, at_us in tats_us.items():
        txn.put(TABLE, name.encode(), key_of(at_us))


def forget(txn: Transaction, name: str) -> None:
    """Forget when the next start is due by a limit, whose rate is another from now on."""
    txn.delete(TABLE, name.encode())


def blocked_since_us(txn: Transaction) -> dict[int, int]:
    """Return since when jobs have been seen to wait for room as the first of their class, by their numbers."""
    rows = txn.scan(TABLE, _BLOCKED, b"\1")
    return {int.from_bytes(key[1:], "big"): int.from_bytes(at, "big") for key, at in rows}


def note_blocked(txn: Transaction, numbers: Mapping[int, int], gone: Collection[int]) -> None:
    """Note since when jobs wait for room, and forget those that are first no more."""
    for number, since_us in numbers.items():
        txn.put(TABLE, _BLOCKED + key_of(number), key_of(since_us))
    txn.delete_many(TABLE, [_BLOCKED + key_of(number) for number in sorted(gone)])
