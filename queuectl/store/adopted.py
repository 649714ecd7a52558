"""Which messages of a shared stream this store has adopted, and where in its log their events stand."""

from typing import Final

from .store import Transaction, key_of

TABLE: Final = "adopted"
_NODE: Final = b"n"
_OF_SEQUENCE: Final = b"s"
_OF_POSITION: Final = b"p"


def last(txn: Transaction) -> int:
    """Return the sequence of the last message adopted, 0 for none."""
    row = txn.last(TABLE)  # those by sequence sort after all others
    return int.from_bytes(row[0][1:], "big") if row and row[0][:1] == _OF_SEQUENCE else 0


def note(txn: Transaction, sequence: int, position: int) -> None:
    """Note that the log ends at a position with a message; one without events leaves it where it was."""
    txn.put(TABLE, _OF_SEQUENCE + key_of(sequence), key_of(position))
    if txn.get(TABLE, _OF_POSITION + key_of(position)) is None:
        txn.put(TABLE, _OF_POSITION + key_of(position), key_of(sequence))


def node(txn: Transaction) -> str | None:
    """Return the name of this store among those that share a log, None where it has a log of its own."""
    name = txn.get(TABLE, _NODE)
    return None if name is None else name.decode()


def name_node(txn: Transaction, name: str) -> None:
    """Name this store among those that share a log."""
    txn.put(TABLE, _NODE, name.encode())


def position_of(txn: Transaction, sequence: int) -> int:
    """Return the position of the last event of a message, 0 where it is not adopted."""
    return int.from_bytes(txn.get(TABLE, _OF_SEQUENCE + key_of(sequence)) or b"", "big")


def sequence_at(txn: Transaction, position: int) -> int:
    """Return the sequence of the message whose events end at a position, 0 for none."""
    return int.from_bytes(txn.get(TABLE, _OF_POSITION + key_of(position)) or b"", "big")
