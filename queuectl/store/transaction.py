"""One read or write transaction over a queue's tables, by table and key; it must not know what the tables mean."""

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import Final

import lmdb

from ..errors import CorruptLog
from .opened_files import Counted
from .tables import Sets

Row = tuple[bytes, bytes]

_COUNTED_AT_ONCE: Final = 10_000


def key_of(number: int) -> bytes:
    """Return a number's key: 8 bytes, big-endian, so that keys sort as numbers do."""
    return number.to_bytes(8, "big")


class Transaction:
    """One read or write transaction over the tables; values come out as bytes."""

    __slots__ = ("_counted", "_dbs", "_sets", "_shadow", "_txn", "is_committed", "live")

    def __init__(self, txn: lmdb.Transaction, sets: Sets, live: str, counted: Counted) -> None:
        self._txn = txn
        self._sets = sets
        self._counted = counted
        self._dbs = sets[live]
        self._shadow: Transaction | None = None
        self.live = live
        self.is_committed = False
        """Whether what it wrote is on disk for good, also where a signal's handler raised right after that."""

    def shadow(self) -> "Transaction":
        """Return the same transaction over the set of views that is not live."""
        if self._shadow is None:
            made = Transaction.__new__(
                Transaction
            )  # no function in Python is given LMDB's: an error may keep its frame
            made.live = "b" if self.live == "a" else "a"
            made._sets, made._counted, made._dbs = self._sets, self._counted, self._sets[made.live]
            made._shadow, made.is_committed = None, False
            made._txn, self._shadow = self._txn, made
        return self._shadow

    def make_live(self) -> None:
        """Make this set of views the live one, once the transaction commits."""
        self.put("meta", b"live", self.live.encode())

    def get(self, table: str, key: bytes) -> bytes | None:
        """Return a key's value, None if there is none."""
        try:
            return self._txn.get(key, db=self._dbs[table])  # type: ignore[return-value]  # bytes: no buffers
        except lmdb.BadValsizeError:  # an empty key cannot be asked for
            return None

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[Row]:
        """Return those of several rows that are there; fastest when sorted by key."""
        return self._txn.cursor(self._dbs[table]).getmulti(keys) if keys else []  # type: ignore[return-value]

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Set a key's value."""
        self._txn.put(key, value, db=self._dbs[table])

    def put_many(self, table: str, rows: Sequence[Row]) -> None:
        """Set many rows; fastest when sorted by key."""
        if rows:
            self._txn.cursor(self._dbs[table]).putmulti(rows)

    def append(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows after the table's last key; raises CorruptLog where a key is not after it.

        LMDB leaves out such a row without an error: only its count of added rows tells.
        """
        _, added = self._txn.cursor(self._dbs[table]).putmulti(rows, append=True, overwrite=False)
        if added != len(rows):
            position = int.from_bytes(rows[added][0], "big")
            raise CorruptLog(position, f"{table!r} already holds a row at or after it")

    def delete(self, table: str, key: bytes) -> bool:
        """Delete a key, and tell whether it was there."""
        return self._txn.delete(key, db=self._dbs[table])

    def delete_many(self, table: str, keys: Sequence[bytes]) -> None:
        """Delete keys, sorted: a deletion leaves the cursor on the next one, often the next to go."""
        cursor = self._txn.cursor(self._dbs[table])
        key_there, find, delete = cursor.key, cursor.set_key, cursor.delete
        for key in keys:
            if key_there() == key or find(key):
                delete()

    def scan(self, table: str, start: bytes = b"", stop: bytes | None = None) -> Iterator[Row]:
        """Return the rows from key `start` on, up to but without `stop`, in order."""
        cursor = self._txn.cursor(self._dbs[table])
        if not cursor.set_range(start):
            return iter(())
        rows: Iterator[Row] = iter(cursor)  # type: ignore[arg-type]
        return rows if stop is None else takewhile(lambda row: row[0] < stop, rows)

    def scan_back(self, table: str, below: bytes | None = None) -> Iterator[Row]:
        """Return the rows below a key, or all, last first."""
        cursor = self._txn.cursor(self._dbs[table])
        inside = cursor.last() if below is None or not cursor.set_range(below) else cursor.prev()
        return cursor.iterprev() if inside else iter(())  # type: ignore[return-value]

    def scan_from(self, table: str, key: bytes) -> tuple[Row | None, Iterator[Row]]:
        """Return the last row before a key, None if there is none, and the rows from the key on, in order."""
        cursor = self._txn.cursor(self._dbs[table])
        if not cursor.set_range(key):
            return (cursor.item() if cursor.last() else None), iter(())  # type: ignore[return-value]
        before = cursor.item() if cursor.prev() else None
        inside = cursor.first() if before is None else cursor.next()
        rows: Iterator[Row] = iter(cursor)  # type: ignore[arg-type]
        return before, rows if inside else iter(())  # type: ignore[return-value]

    def scan_back_from(self, table: str, key: bytes) -> tuple[Row | None, Iterator[Row]]:
        """Return the first row from a key on, None if there is none, and the rows below the key, last first."""
        cursor = self._txn.cursor(self._dbs[table])
        behind = cursor.item() if cursor.set_range(key) else None
        inside = cursor.last() if behind is None else cursor.prev()
        return behind, cursor.iterprev() if inside else iter(())  # type: ignore[return-value]

    def last(self, table: str) -> Row | None:
        """Return the row with the highest key."""
        cursor = self._txn.cursor(self._dbs[table])
        return cursor.item() if cursor.last() else None  # type: ignore[return-value]

    def count(self, table: str) -> int:
        """Count a table's rows, at constant cost."""
        return int(self._txn.stat(self._dbs[table])["entries"])

    def has_all(self, table: str, count: int, below: bytes | None = None) -> bool:
        """Whether a table has exactly `count` rows below a key, or in all, in order of their keys.

        Counting takes 0.2 s for a million rows, so each process does it once.
        """
        if table in self._counted and self._counted[table] == below:
            return True
        keys: Iterator[bytes] = self._txn.cursor(self._dbs[table]).iternext(values=False)  # type: ignore[assignment]
        if below is not None:
            keys = takewhile(lambda key: key < below, keys)
        found, last = 0, b""
        while portion := list(islice(keys, _COUNTED_AT_ONCE)):
            if portion[0] <= last or portion != sorted(set(portion)):
                return False
            found, last = found + len(portion), portion[-1]
        if found != count:
            return False
        self._counted[table] = below
        return True

    def clear(self, table: str) -> None:
        """Delete every row of a table, keeping the table."""
        self._txn.drop(self._dbs[table], delete=False)
