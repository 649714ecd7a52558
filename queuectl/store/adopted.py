"""Which messages of a shared stream this store has adopted, and where in its log their events stand."""

from collections.abc import Iterable
from typing import Final

from .store import Transaction, key_of

TABLE: Final = "adopted"
_NODE: Final = b"n"
_LAST: Final = b"l"
_OF_SEQUENCE: Final = b"s"
_OF_POSITION: Final = b"p"


def last(txn: Transaction) -> int:
    """Return the sequence of the last message adopted, 0 for none."""
    return int.from_bytes(txn.get(TABLE, _LAST) or b"", "big")


def node(txn: Transaction) -> str | None:
    """Return the name of this store among those that share a log, None where it has a log of its own."""
    name = txn.get(TABLE, _NODE)
    return None if name is None else name.decode()


def name_node(txn: Transaction, name: str) -> None:
    """Name this store among those that share a log."""
    txn.put(TABLE, _NODE, name.encode())


def note(txn: Transaction, sequence: int, position: int, *, has_events: bool) -> None:
    """Note a message as adopted; one that `has_events` has the last of them at a position."""
    txn.put(TABLE, _LAST, key_of(sequence))
    if has_events:
        txn.put(TABLE, _OF_SEQUENCE + key_of(sequence), key_of(position))
        txn.put(TABLE, _OF_POSITION + key_of(position), key_of(sequence))


def forget(txn: Transaction, positions: Iterable[bytes]) -> None:
    """Forget where messages are whose events leave the log, by the keys of those."""
    for key in positions:
        sequence = txn.get(TABLE, _OF_POSITION + key)
        if sequence is not None:
            txn.delete(TABLE, _OF_POSITION + key)
            txn.delete(TABLE, _OF_SEQUENCE + sequence)


def position_of(txn: Transaction, sequence: int) -> int:
    """Return the position of the last event of a message, 0 where it is not there, or has none."""
    return int.from_bytes(txn.get(TABLE, _OF_SEQUENCE + key_of(sequence)) or b"", "big")


def sequence_at(txn: Transaction, position: int) -> int:
    """Return the sequence of the message whose events end at a position, 0 for none."""
    return int.from_bytes(txn.get(TABLE, _OF_POSITION + key_of(position)) or b"", "big")
