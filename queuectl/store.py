"""One LMDB environment: its tables, its read and write transactions, its format version.

The only module that knows LMDB. It must not know what the tables mean. Traps it closes, all
measured: an out-of-order append answers False and no more; an environment must not cross a fork;
after a failed commit nothing more may be written; network file systems break the locks.

Each view has two tables, `name.a` and `name.b`; `meta` says which set is live. A rebuild fills the
other set and swaps in one transaction. No table is ever dropped, so the handles that other
processes hold stay good.
"""

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final

import lmdb

from .errors import CorruptLog, ForkedStore, NewerFormat, NoQueue, NotAQueue, StoreError, WriteFailed

FORMAT: Final = 1
"""The layout of the store; raised whenever an older queuectl could not read what is written."""

MAP_SIZE: Final = 64 << 30
"""Address space, not disk: LMDB maps the file read-only and grows it as it is written."""

MAX_READERS: Final = 1024

LITTLE_BYTES: Final = 1 << 20
"""A disk with less free space is full, whatever the error says that a write met."""

LOG_TABLES: Final = ("meta", "log", "streams", "outputs", "presence")
VIEW_TABLES: Final = (
    "jobs",
    "ids",
    "removed",
    "ready",
    "scheduled",
    "leases",
    "dead",
    "counts",
    "workers",
    "config",
    "marks",
)
_SETS: Final = ("a", "b")
_OUR_FILES: Final = frozenset({"data.mdb", "lock.mdb", "outputs", "doorbells", "logs"})
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "afs", "lustre"}
)

Row = tuple[bytes, bytes]


def key_of(number: int) -> bytes:
    """Give a number's key: 8 bytes, big-endian, so that keys sort as numbers do."""
    return number.to_bytes(8, "big")


class Transaction:
    """One read or write transaction over the tables; values come out as bytes."""

    __slots__ = ("_dbs", "_sets", "_txn", "live")

    def __init__(self, txn: lmdb.Transaction, sets: Mapping[str, Mapping[str, Any]], live: str) -> None:
        self._txn = txn
        self._sets = sets
        self._dbs = sets[live]
        self.live = live

    def shadow(self) -> "Transaction":
        """Give the same transaction over the set of views that is not live."""
        return Transaction(self._txn, self._sets, "b" if self.live == "a" else "a")

    def make_live(self) -> None:
        """Make this set of views the live one, once the transaction commits."""
        self.put("meta", b"live", self.live.encode())

    def get(self, table: str, key: bytes) -> bytes | None:
        """Give a key's value, None where there is none."""
        try:
            return self._txn.get(key, db=self._dbs[table])  # type: ignore[return-value]  # bytes: no buffers
        except lmdb.BadValsizeError:  # an empty key cannot be asked for
            return None

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Set a key's value."""
        self._txn.put(key, value, db=self._dbs[table])

    def put_many(self, table: str, rows: Sequence[Row]) -> None:
        """Set many rows; fastest when sorted by key."""
        if rows:
            self._txn.cursor(self._dbs[table]).putmulti(rows)

    def append(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows behind the table's last key; raises where a key is not behind it.

        LMDB skips such a row and says so only in its count of added rows.
        """
        _, added = self._txn.cursor(self._dbs[table]).putmulti(rows, append=True, overwrite=False)
        if added != len(rows):
            position = int.from_bytes(rows[added][0], "big")
            raise CorruptLog(position, f"{table!r} already holds a row at or behind it")

    def delete(self, table: str, key: bytes) -> bool:
        """Delete a key, and tell whether it was there."""
        return self._txn.delete(key, db=self._dbs[table])

    def delete_many(self, table: str, keys: Sequence[bytes]) -> None:
        """Delete keys, sorted: a deletion leaves the cursor on the next one, often the next to go."""
        cursor = self._txn.cursor(self._dbs[table])
        for key in keys:
            if cursor.key() == key or cursor.set_key(key):
                cursor.delete()

    def scan(self, table: str, start: bytes = b"", stop: bytes | None = None) -> Iterator[Row]:
        """Give the rows from key `start` on, up to but without `stop`, in order."""
        cursor = self._txn.cursor(self._dbs[table])
        if not cursor.set_range(start):
            return iter(())
        rows: Iterator[Row] = iter(cursor)  # type: ignore[arg-type]
        return rows if stop is None else takewhile(lambda row: row[0] < stop, rows)

    def scan_back(self, table: str, below: bytes | None = None) -> Iterator[Row]:
        """Give the rows below a key, or all, last first."""
        cursor = self._txn.cursor(self._dbs[table])
        inside = cursor.last() if below is None or not cursor.set_range(below) else cursor.prev()
        return cursor.iterprev() if inside else iter(())  # type: ignore[return-value]

    def last(self, table: str) -> Row | None:
        """Give the row with the highest key."""
        cursor = self._txn.cursor(self._dbs[table])
        return cursor.item() if cursor.last() else None  # type: ignore[return-value]

    def count(self, table: str) -> int:
        """Count a table's rows, at constant cost."""
        return int(self._txn.stat(self._dbs[table])["entries"])

    def clear(self, table: str) -> None:
        """Delete every row of a table, keeping the table."""
        self._txn.drop(self._dbs[table], delete=False)


class _Environment:
    """An environment as this process holds it, once however many Stores use it: LMDB allows no second."""

    def __init__(self, path: Path) -> None:
        self.env = _open_environment(path)
        try:
            _check_length(path, self.env)
            is_new = self.env.stat()["entries"] == 0
            self.sets = _create_tables(self.env, path) if is_new else _open_tables(self.env, path)
            self.env.reader_check()
        except BaseException:
            self.env.close()
            raise
        self.opener = os.getpid()
        self.users = 0
        self.failure: str | None = None


_OPEN: dict[str, _Environment] = {}
_OPENING = Lock()


class Store:
    """An open queue on disk. A forked child opens its own."""

    def __init__(self, path: Path, shared: _Environment) -> None:
        self.path = path
        self._shared = shared
        self._env = shared.env
        self._sets = shared.sets
        self._is_open = True

    @classmethod
    def open(cls, path: Path, *, create: bool) -> "Store":
        """Open the store at `path`, making it first where `create` is set and nothing is there.

        Raises NoQueue, NotAQueue, NewerFormat or StoreError.
        """
        try:
            is_new = not (path / "data.mdb").exists()
        except OSError as error:
            raise StoreError(
                f"cannot look for a queue at {path}: {error.strerror}; check the path and its permissions"
            ) from error
        if is_new:
            _check_new(path, create)
        key = str(path.resolve())
        with _OPENING:
            shared = _OPEN.get(key)
            if shared is not None and (shared.opener != os.getpid() or is_new):
                shared.env.close()  # a forked parent's, or of a directory that is gone
                shared = None
            if shared is None:
                shared = _OPEN[key] = _Environment(path)
            shared.users += 1
        return cls(path, shared)

    def close(self) -> None:
        """Let go of the environment, which closes with its last user; doing so twice is harmless."""
        if not self._is_open or os.getpid() != self._shared.opener:
            return
        self._is_open = False
        with _OPENING:
            self._shared.users -= 1
            if self._shared.users == 0:
                self._env.close()
                _OPEN.pop(str(self.path.resolve()), None)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a snapshot for reading; keep it short, since it holds old pages on disk."""
        with self._begin(write=False) as txn:
            yield self._transaction(txn)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open the one write transaction; it is committed, flushed to disk, at the end, or leaves no trace.

        Raises WriteFailed when the disk or the map is full or the disk failed.
        """
        if self._shared.failure:
            raise self._write_failed(self._shared.failure)
        txn = self._begin(write=True)
        try:
            with _no_collection():
                yield self._transaction(txn)
        except lmdb.BadValsizeError as error:
            txn.abort()
            raise StoreError(
                f"cannot write to the queue at {self.path}: a name is empty or too long to be a key"
            ) from error
        except lmdb.MapFullError as error:
            txn.abort()
            raise self._write_failed(str(error)) from error
        except lmdb.Error as error:
            txn.abort()
            raise self._broken(error) from error
        except BaseException:
            txn.abort()
            raise
        try:
            txn.commit()
        except lmdb.Error as error:
            raise self._broken(error) from error

    def sizes(self) -> dict[str, int]:
        """Give the bytes in use, of the map and on disk."""
        info, page = self._env.info(), int(self._env.stat()["psize"])
        used = (int(info["last_pgno"]) + 1) * page
        return {"used": used, "map": int(info["map_size"]), "file": (self.path / "data.mdb").stat().st_size}

    def _begin(self, *, write: bool) -> lmdb.Transaction:
        if os.getpid() != self._shared.opener:
            raise ForkedStore(str(self.path), self._shared.opener, os.getpid())
        if not self._is_open:
            raise StoreError(f"cannot use the queue at {self.path}: it was closed; open it again")
        try:
            return self._env.begin(write=write)
        except lmdb.MapResizedError:  # another process made the map larger: take its size
            self._env.set_mapsize(0)
            return self._env.begin(write=write)
        except lmdb.Error as error:
            raise StoreError(f"cannot use the queue at {self.path}: {error}; open it again") from error

    def _transaction(self, txn: lmdb.Transaction) -> Transaction:
        live = txn.get(b"live", db=self._sets["a"]["meta"]) or b"a"
        return Transaction(txn, self._sets, bytes(live).decode())

    def _broken(self, error: lmdb.Error) -> WriteFailed:
        # After a failed flush the kernel may have dropped the pages, and a second try would lie.
        self._shared.failure = str(error)
        return self._write_failed(self._shared.failure)

    def _write_failed(self, found: str) -> WriteFailed:
        # LMDB reports a write cut short, as the last one on a filling disk is, as an input/output error.
        if _is_about_space(found) or _free_bytes(self.path) < LITTLE_BYTES:
            found, hint = f"no space left ({found})", "free some disk space"
        else:
            hint = "check the disk and its free space"
        return WriteFailed(str(self.path), found, f"{hint}, then try again")


@contextmanager
def _no_collection() -> Iterator[None]:
    # A transaction makes tuples by the ten thousand and no cycles; each collection would walk them
    # all in vain, which cost a tenth of an enqueue and up to a third of a replay.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _is_about_space(found: str) -> bool:
    return any(word in found for word in ("space", "MAP_FULL", "too large"))


def _free_bytes(path: Path) -> int:
    try:
        found = os.statvfs(path)
    except OSError:
        return LITTLE_BYTES
    return found.f_bavail * found.f_frsize


def _check_length(path: Path, env: lmdb.Environment) -> None:
    """Refuse a file that was cut short: reading a page that is not there would end the process.

    A sound file may lack pages at its end that no tree reaches, so a short one is walked, in Python.
    """
    pages = int(env.info()["last_pgno"]) + 1
    if (path / "data.mdb").stat().st_size >= pages * int(env.stat()["psize"]):
        return
    from lmdb.verify import VerifyError, verify

    try:
        found = verify(str(path))  # type: ignore[no-untyped-call]
    except (VerifyError, OSError, ValueError) as error:
        found = [str(error)]
    if found:
        raise StoreError(
            f"cannot open the queue at {path}: data.mdb was cut short ({found[0]}); restore a backup of the directory"
        )


def _check_new(path: Path, create: bool) -> None:
    if path.exists() and not path.is_dir():
        raise NotAQueue(str(path), "it is a file")
    try:
        strangers = sorted({entry.name for entry in path.iterdir()} - _OUR_FILES) if path.exists() else []
    except OSError as error:
        raise StoreError(f"cannot read the directory {path}: {error.strerror}; check its permissions") from error
    if strangers:
        shown = ", ".join(strangers[:3]) + (" ..." if len(strangers) > 3 else "")
        raise NotAQueue(str(path), f"the directory holds other files ({shown})")
    if not create:
        raise NoQueue(str(path))
    _make_directory(path)


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make a queue at {path}: {error.strerror}; name a directory you may write to with --db"
        ) from error
    kind = filesystem_of(path)
    if kind in _NETWORK:
        raise StoreError(
            f"cannot make a queue at {path}: its file system is {kind}, whose locks cannot be relied on; "
            "name a directory on a local disk with --db"
        )


def filesystem_of(path: Path) -> str:
    """Give the type of the file system a path lies on, "" where the system does not tell."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    target = str(path.resolve())
    for line in mounts:
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4]
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split(" ", 1)[0]
    return kind


def _open_environment(path: Path) -> lmdb.Environment:
    try:
        return lmdb.open(
            os.fsencode(path),
            map_size=MAP_SIZE,
            max_dbs=len(LOG_TABLES) + len(_SETS) * len(VIEW_TABLES) + 8,
            max_readers=MAX_READERS,
            mode=0o600,
            create=False,
            lib_version=0,  # the format must not depend on an environment variable
        )
    except (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError) as error:
        raise NotAQueue(str(path), f"data.mdb is not a sound LMDB file ({error})") from error
    except (lmdb.Error, OSError) as error:
        own = "use that one" if "already open" in str(error) else "check its owner and permissions"
        raise StoreError(f"cannot open the queue at {path}: {str(error).rstrip('.')}; {own}") from error


def _create_tables(env: lmdb.Environment, path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        with env.begin(write=True) as txn:
            sets = _tables(env, txn, create=True)
            txn.put(b"format", str(FORMAT).encode(), db=sets["a"]["meta"], overwrite=False)
    except lmdb.Error as error:
        raise StoreError(f"cannot make a queue at {path}: {error}; check the disk and its free space") from error
    for directory in (path, path.parent):
        _flush_directory(directory)
    return sets


def _open_tables(env: lmdb.Environment, path: Path) -> Mapping[str, Mapping[str, Any]]:
    # py-lmdb forgets the handles that a read transaction opened, so this takes the write lock.
    with env.begin(write=True) as txn:
        try:
            meta = env.open_db(b"meta", txn=txn, create=False)
            env.open_db(b"log", txn=txn, create=False)
            version = int(txn.get(b"format", db=meta) or b"")
            if version > FORMAT:
                raise NewerFormat(f"the format of the store at {path}", version, FORMAT)
            return _tables(env, txn, create=True)  # a release may have added some
        except (lmdb.NotFoundError, lmdb.IncompatibleError, ValueError) as error:
            raise NotAQueue(str(path), "data.mdb belongs to another program") from error


def _tables(env: lmdb.Environment, txn: lmdb.Transaction, *, create: bool) -> Mapping[str, Mapping[str, Any]]:
    shared = {name: env.open_db(name.encode(), txn=txn, create=create) for name in LOG_TABLES}
    return {
        each: shared | {name: env.open_db(f"{name}.{each}".encode(), txn=txn, create=create) for name in VIEW_TABLES}
        for each in _SETS
    }


def _flush_directory(path: Path) -> None:
    # LMDB never flushes the directory entry of a file it made.
    try:
        fd = os.open(path, os.O_RDONLY)
    except PermissionError:  # a parent that may not be read: this user did not make an entry in it now
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
