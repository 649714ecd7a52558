"""The rows of views: what stands in them is msgpack or bytes, and after it a checksum that every reader checks.

The checksum is the CRC-32 of the table's name, the key and the value, so that a changed byte, a row under another key
and a row of another table are found alike. The bytes may change at will, since views are rebuilt from the log.
What only compares whole rows, or deletes them, need not come by here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final
from zlib import crc32

import msgpack
from msgspec import MsgspecError, convert
from msgspec.msgpack import Decoder

from .. import hints
from ..errors import StoreError
from ..store.store import VIEW_TABLES, Row, Transaction
from ..system.interrupts import let_out, own
from ..system.packing import pack
from ..system.packing import unpack as unpack_value

__all__ = [
    "check_all",
    "damaged_row",
    "opened",
    "pack",
    "read_many",
    "read_row",
    "scan",
    "scan_back",
    "seal_all",
    "sealed",
    "unpacker",
    "write_many",
    "write_row",
]

_SUM_BYTES: Final = 4
_SOUND: Final = 0x2144DF1C
"""The CRC-32 of whatever ends in its own CRC-32, low byte first."""

# Where rows come by the thousand, what sealed() and opened() do is written out: a call takes 0.1 us, the whole row 0.6.
_SEEDS: Final = {table: crc32(table.encode()) for table in VIEW_TABLES}


def sealed(table: str, key: bytes, value: bytes) -> bytes:
    """Return a value with its checksum, as it is stored."""
    return value + crc32(value, crc32(key, _SEEDS[table])).to_bytes(_SUM_BYTES, "little")


def opened(table: str, key: bytes, stored: bytes) -> bytes:
    """Return the value in what is stored; raises StoreError where they are not the bytes that were written."""
    if crc32(stored, crc32(key, _SEEDS[table])) != _SOUND:
        raise damaged_row(table, key)
    return stored[:-_SUM_BYTES]


def read_row(txn: Transaction, table: str, key: bytes) -> bytes | None:
    """Return a key's value, None where there is none; raises StoreError where it, or what hides it, is damaged."""
    stored = txn.get(table, key)
    if stored is not None:
        return opened(table, key, stored)
    if key:
        next(scan(txn, table, key), None)  # a changed key leads a search astray, and then lies where that ended
    return None


def read_many(txn: Transaction, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
    """Return the values of keys, None for one that is not there; raises StoreError as read_row() does."""
    found = txn.get_many(table, keys)
    if len(found) < len(keys):
        return [read_row(txn, table, key) for key in keys]
    seed = _SEEDS[table]
    for key, stored in found:
        if crc32(stored, crc32(key, seed)) != _SOUND:
            raise damaged_row(table, key)
    return [stored[:-_SUM_BYTES] for _, stored in found]


def write_row(txn: Transaction, table: str, key: bytes, value: bytes) -> None:
    """Set a key's value."""
    txn.put(table, key, sealed(table, key, value))


def seal_all(table: str, rows: Iterable[Row]) -> list[Row]:
    """Return rows as they are stored."""
    seed = _SEEDS[table]
    return [(key, value + crc32(value, crc32(key, seed)).to_bytes(_SUM_BYTES, "little")) for key, value in rows]


def write_many(txn: Transaction, table: str, rows: Iterable[Row]) -> None:
    """Set many rows; fastest when sorted by key."""
    txn.put_many(table, seal_all(table, rows))


def scan(txn: Transaction, table: str, start: bytes = b"", stop: bytes | None = None) -> Iterator[Row]:
    """Yield the rows from key `start` on, up to but without `stop`, in order.

    Raises StoreError at a row that is damaged or out of its order, at the row before the first one too, at a first one
    that no search finds, since its page stands in another's place, and at the end where others are missing.
    """
    seed, count, last = _SEEDS[table], 0, b""
    before, rows = txn.scan_from(table, start) if start else (None, txn.scan(table))
    if before is not None and (before[0] >= start or crc32(before[1], crc32(before[0], seed)) != _SOUND):
        raise damaged_row(table, before[0])
    for key, stored in rows:
        if key <= last or key < start or crc32(stored, crc32(key, seed)) != _SOUND:
            raise damaged_row(table, key)
        if not count and txn.get(table, key) is None:
            raise incomplete(table)
        if stop is not None and key >= stop:
            return
        yield key, stored[:-_SUM_BYTES]
        last, count = key, count + 1
    if not start and count != txn.count(table):
        raise incomplete(table)


def scan_back(txn: Transaction, table: str, below: bytes | None = None) -> Iterator[Row]:
    """Yield the rows below a key, or all, last first; raises StoreError as scan() does."""
    seed, count, last = _SEEDS[table], 0, below
    behind, rows = (None, txn.scan_back(table)) if below is None else txn.scan_back_from(table, below)
    if behind is not None and (behind[0] < (below or b"") or crc32(behind[1], crc32(behind[0], seed)) != _SOUND):
        raise damaged_row(table, behind[0])
    for key, stored in rows:
        if (last is not None and key >= last) or crc32(stored, crc32(key, seed)) != _SOUND:
            raise damaged_row(table, key)
        if not count and txn.get(table, key) is None:
            raise incomplete(table)
        yield key, stored[:-_SUM_BYTES]
        last, count = key, count + 1
    if below is None and count != txn.count(table):
        raise incomplete(table)


def check_all(txn: Transaction, table: str) -> None:
    """Raise StoreError where a table lacks rows or has them in no order: asked before a row is told not to be there."""
    if not txn.has_all(table, txn.count(table)):
        raise incomplete(table)


def unpacker(kind: Any) -> Callable[[bytes], Any]:
    """Return what turns a value into one of a type; it raises StoreError where it is none that was written."""

    @cache  # at the first value: to make one takes a command longer than to read a row
    def decoder() -> Callable[[bytes], Any]:
        return Decoder(kind).decode

    def unpack(value: bytes) -> Any:
        try:
            return decoder()(value)
        except MsgspecError as error:  # with a text that is not UTF-8, or damaged
            let_out(error)
            return _unpack_slowly(kind, value)

    return unpack


def _unpack_slowly(kind: Any, value: bytes) -> Any:
    try:
        return convert(unpack_value(value), kind)
    except own(ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise StoreError(f"a view is damaged (value {value[:20].hex()}...)", hint=hints.REPLAY_VIEWS) from error


def damaged_row(table: str, key: bytes) -> StoreError:
    """Return the error of a row that is not as it was written."""
    return StoreError(f"a view is damaged: {_named(table, key)}", hint=hints.REPLAY_VIEWS)


def incomplete(table: str) -> StoreError:
    """Return the error of a view in which rows are missing."""
    return StoreError(f"a view is damaged: rows of {table!r} are missing", hint=hints.REPLAY_VIEWS)


def _named(table: str, key: bytes) -> str:
    if table == "jobs" and len(key) == 8:
        return f"the row of the job enqueued at position {int.from_bytes(key, 'big')}"
    name = key.decode() if key.isascii() and key.decode().isprintable() else key.hex()
    return f"row {name[:60]} of {table!r}"
