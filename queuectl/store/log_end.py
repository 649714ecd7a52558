"""The end of a queue's log as a process saw it last, by which another file in the place of the open one is noticed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import lmdb

from ..errors import NoQueue, StoreError
from .tables import CUT, LOG, META

Seen = tuple[bytes, bytes]
"""The key of the last row of `log` that this process knew of, and the checksum which that row begins with."""

Tables = Mapping[str, Any]

_CHECKSUM_BYTES: Final = 4
OVERWRITTEN: Final = "another file was copied over its data.mdb"


def last_seen(txn: lmdb.Transaction, tables: Tables) -> Seen | None:
    """Return what to look for in the transactions after this one; None in an empty log."""
    cursor = txn.cursor(db=tables[LOG])
    return (bytes(cursor.key()), bytes(cursor.value()[:_CHECKSUM_BYTES])) if cursor.last() else None


def has(txn: lmdb.Transaction, tables: Tables, seen: Seen) -> bool:
    """Whether the log has what was seen of it, or retention let go of that."""
    key, checksum = seen
    row = txn.get(key, db=tables[LOG])
    if row is not None:
        return bytes(row[:_CHECKSUM_BYTES]) == checksum
    last = txn.cursor(db=tables[LOG])  # which retention never lets go
    return last.last() and key <= bytes(txn.get(CUT, db=tables[META]) or b"") < bytes(last.key())


def lost(path: Path, txn: lmdb.Transaction, tables: Tables) -> StoreError:
    """Return the error where the log lacks what was seen of it: it is another file's, or in no order any more."""
    last = last_seen(txn, tables)
    if last is None or has(txn, tables, last):
        return NoQueue(str(path), gone=OVERWRITTEN)
    position = int.from_bytes(last[0], "big")
    return StoreError(
        f"the queue at {path} is damaged: its log ends with position {position}, which is not where it "
        "belongs; type `queuectl verify`, then restore a backup"
    )
