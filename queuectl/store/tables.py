"""A queue's tables in an LMDB file: their names, their format, how they are made and opened.

Knows nothing of what the tables mean, nor who shares them.
"""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import lmdb

from .. import hints
from ..errors import NewerFormat, NotAQueue, StoreError
from ..system.files import flush_directory
from .lmdb_file import LmdbFile

FORMAT: Final = 2
"""The highest format of a store that is known here: an older queuectl could not read what has it."""

NEW_FORMAT: Final = 1
"""The format of a new store; it becomes 2 when retention lets the first events go."""

META: Final = "meta"
LOG: Final = "log"
STREAMS: Final = "streams"
CUT: Final = b"cut"
"""The row of `meta` with the position up to which events may be missing."""

ORIGIN: Final = b"origin"
"""The row of `meta` that tells a log with gaps from others."""

VERSION_OF_VIEWS: Final = b"views"
"""The row of `meta` that says how the views are laid out."""

LOG_TABLES: Final = (META, LOG, STREAMS, "outputs", "presence", "subscriptions", "adopted", "rates")
"""Tables that are the truth, or no view: there is one of each."""

VIEW_TABLES: Final = (  # what else a new view needs is said at VIEWS_VERSION (`projections/layout.py`)
    "jobs",
    "ids",
    "removed",
    "ready",
    "scheduled",
    "leases",
    "dead",
    "ended",
    "workers",
    "config",
    "marks",
    "children",
    "archives",
    "environments",
    "named",
    "tags",
    "timers",
    "unique",
    "lanes",
    "active",
    "used",
    "edges",
)
"""Tables computed from the log: there are two of each, `name.a` and `name.b`."""

_SETS: Final = ("a", "b")

_OF_META: Final = {
    b"format": 1,
    b"live": 1,
    VERSION_OF_VIEWS: 1,
    b"anchor": 16,
    CUT: 8,
    ORIGIN: 32,
    b"sum": 4,
    b"tables": 1,
}
"""Each key that `meta` may have, and how many bytes its value has at least."""

_NUMBERS: Final = {b"format": 1, VERSION_OF_VIEWS: 0, b"tables": 1}
"""Those of them that are numbers as text, and what each is at least."""

_DIGITS: Final = 10

_OF_GAPS: Final = (CUT, ORIGIN)
"""What a store of format 2 has, and none of format 1; `sum` is theirs, which older releases did not write."""

Sets = Mapping[str, Mapping[str, Any]]
"""For each set of views, table name -> LMDB's handle, of the views in it and of what is no view."""


Checked = tuple[dict[bytes, bytes], tuple[bytes, bytes] | None]
"""The rows of `meta`, and the last row of `log`."""


class TablesMissing(Exception):
    """There is something to write before this store can be read."""


def table_names() -> Iterator[str]:
    """Return the name of each table in the file."""
    yield from LOG_TABLES
    yield from (f"{name}.{each}" for name in VIEW_TABLES for each in _SETS)


def create_tables(opened: LmdbFile, path: Path) -> Sets:
    """Make all tables in a new file; raises StoreError."""
    try:
        with opened.writing(), opened.env.begin(write=True) as txn:
            sets = _tables(opened.env, txn, create=True)
            txn.put(b"format", str(NEW_FORMAT).encode(), db=sets["a"]["meta"], overwrite=False)
            txn.put(b"tables", str(_count()).encode(), db=sets["a"]["meta"], overwrite=False)
    except lmdb.Error as error:
        raise StoreError(f"cannot make a queue at {path}: {error}; check the disk and its free space") from error
    for directory in (path, path.parent):
        flush_directory(directory)
    return sets


def open_tables(opened: LmdbFile, path: Path, *, read_only: bool) -> Sets:
    """Open all tables, and make those that a release added; raises TablesMissing where that may not be done."""
    if read_only:
        with opened.reading() as env:
            check_format(env, path, None)
            checked_meta(env, path, None)
            try:
                return _tables(env, None, create=False)
            except lmdb.NotFoundError as error:
                raise TablesMissing from error
    # py-lmdb forgets the handles that a read transaction opened, so this takes the write lock.
    with opened.writing(), opened.env.begin(write=True) as txn:
        check_format(opened.env, path, txn)
        checked_meta(opened.env, path, txn)
        return _made_up(opened.env, path, txn)


def _made_up(env: lmdb.Environment, path: Path, txn: lmdb.Transaction) -> Sets:
    """Open all tables, those that this release added among them; raises StoreError where another one is not there."""
    main: Any = env.open_db(None, txn=txn)
    before = txn.stat(main)["entries"]
    sets = _tables(env, txn, create=True)
    meta = sets["a"]["meta"]
    known = bytes(txn.get(b"tables", db=meta) or b"")
    refuse_lost_tables(known, txn.stat(main)["entries"] - before, path)
    if int(known or b"0") < _count():
        txn.put(b"tables", str(_count()).encode(), db=meta)
    return sets


def refuse_lost_tables(known: bytes, lacking: int, path: Path) -> None:
    """Raise StoreError where more tables are lacking than this release has added to those `known` to `meta`."""
    if known and lacking > max(_count() - int(known), 0):  # an older release kept no number
        raise StoreError(
            f"the queue at {path} is damaged: a table that it had is not there", hint=hints.VERIFY_THEN_RESTORE
        )


def _count() -> int:
    return sum(1 for _ in table_names())


def tables_there(env: lmdb.Environment, path: Path) -> Sets:
    """Open the tables that there are: an older release had fewer."""
    check_format(env, path, None)

    def there(names: Mapping[str, str]) -> dict[str, Any]:
        found = {}
        for name, full in names.items():
            with suppress(lmdb.NotFoundError):
                found[name] = env.open_db(full.encode(), create=False)
        return found

    shared = there({name: name for name in LOG_TABLES})
    return {each: shared | there({name: f"{name}.{each}" for name in VIEW_TABLES}) for each in _SETS}


def check_format(env: lmdb.Environment, path: Path, txn: lmdb.Transaction | None) -> None:
    """Refuse a file of another program, or of a newer release; raises NotAQueue, NewerFormat or StoreError."""
    try:
        meta = env.open_db(b"meta", txn=txn, create=False)
        env.open_db(b"log", txn=txn, create=False)
        with nullcontext(txn) if txn is not None else env.begin() as reading:
            version = bytes(reading.get(b"format", db=meta) or b"")
        found = "" if _is_number(b"format", version) else "`format` in its table `meta` is not what was written"
    except (lmdb.NotFoundError, lmdb.IncompatibleError) as error:
        found = str(error)
    if found and _has_other_tables(env, txn):
        raise StoreError(f"the queue at {path} is damaged: {found}", hint=hints.VERIFY_THEN_RESTORE)
    if found:
        raise NotAQueue(str(path), "data.mdb belongs to another program")
    if int(version) > FORMAT:
        raise NewerFormat(f"the format of the store at {path}", int(version), FORMAT)


def _has_other_tables(env: lmdb.Environment, txn: lmdb.Transaction | None) -> bool:
    """Return whether a file has tables that no other program would name so: it is a queue, whatever else it lacks."""
    with nullcontext(txn) if txn is not None else env.begin() as reading:
        return not {b"streams", b"jobs.a", b"jobs.b", b"ids.a", b"ids.b"}.isdisjoint(
            reading.cursor().iternext(values=False)
        )


def _is_number(key: bytes, value: bytes) -> bool:
    return value.isdigit() and len(value) < _DIGITS and int(value) >= _NUMBERS[key]


def fault_of_meta(rows: Mapping[bytes, bytes], head: bytes, *, counted: int) -> str:
    """Return what of the rows of `meta` cannot be what was written, "" where all can: each read goes by these rows.

    `head` is the key of the last row of `log`, empty where it has none; `counted` is how many rows LMDB says there are.
    """
    if len(rows) != counted:
        return f"its table `meta` has {len(rows)} of {counted} rows"
    has_gaps = rows.get(b"format") == b"2"
    for key, value in rows.items():
        if key not in _OF_META or (key in (*_OF_GAPS, b"sum") and not has_gaps):
            return f"its table `meta` has a row `{ascii(key)[2:-1]}` that nobody wrote"
        if len(value) < _OF_META[key] or (key in _NUMBERS and not _is_number(key, value)):
            return f"its table `meta` has a row `{key.decode()}` that is not whole"
    if lacking := [key.decode() for key in _OF_GAPS if has_gaps and key not in rows]:
        return f"its table `meta` lacks the row `{lacking[0]}`"
    if b"sum" in rows and rows[b"sum"] != sum_of_gaps(rows[CUT], rows[ORIGIN]):
        return "`cut` or `origin` in its table `meta` is not what was written"
    if has_gaps and rows[CUT] >= head:  # a retention event stands after the cut that it tells of
        cut, end = (int.from_bytes(each, "big") for each in (rows[CUT], head))
        return f"`cut` in the table `meta` says that events up to {cut} may be missing, and the log ends at {end}"
    if rows.get(b"live", b"a") not in (b"a", b"b"):
        return "its table `meta` does not say in `live` which views count"
    return ""


def sum_of_gaps(cut: bytes, origin: bytes) -> bytes:
    """Return the checksum of what `meta` has of a log with gaps."""
    return crc32(cut + origin).to_bytes(4, "big")


def checked_meta(env: lmdb.Environment, path: Path, txn: lmdb.Transaction | None) -> Checked:
    """Return the rows of `meta` and the last row of `log`; raises StoreError where `meta` is not what was written."""
    meta, log = (env.open_db(name, txn=txn, create=False) for name in (b"meta", b"log"))
    with nullcontext(txn) if txn is not None else env.begin() as reading:
        rows: Any = dict(reading.cursor(meta))
        counted = int(reading.stat(meta)["entries"])
        cursor = reading.cursor(log)
        last: Any = cursor.item() if cursor.last() else None
    if fault := fault_of_meta(rows, last[0] if last else b"", counted=counted):
        raise StoreError(f"the queue at {path} is damaged: {fault}", hint=hints.VERIFY_THEN_RESTORE)
    return rows, last


def _tables(env: lmdb.Environment, txn: lmdb.Transaction | None, *, create: bool) -> Sets:
    shared = {name: env.open_db(name.encode(), txn=txn, create=create) for name in LOG_TABLES}
    return {
        each: shared | {name: env.open_db(f"{name}.{each}".encode(), txn=txn, create=create) for name in VIEW_TABLES}
        for each in _SETS
    }
