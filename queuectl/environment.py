"""The LMDB environment of a queue: how it is made, checked, opened and shared within a process.

Traps closed here: LMDB allows an environment once a process, and none across a fork; reading a page of a
file cut short would end the process; the format must not depend on an environment variable.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

import lmdb

from .directory import JOURNAL, STAGED, check_new, hold, make_directory
from .errors import NewerFormat, NoQueue, NotAQueue, StoreError
from .files import flush_directory
from .surroundings import inheritable

FORMAT: Final = 2
"""The highest format of a store that is known here: an older queuectl could not read what has it."""

NEW_FORMAT: Final = 1
"""The format of a new store; it becomes 2 when retention lets the first events go."""

MAP_SIZE: Final = 64 << 30
"""Address space, not disk: LMDB maps the file read-only and grows it as it is written."""

MAX_READERS: Final = 1024

LOG_TABLES: Final = ("meta", "log", "streams", "outputs", "presence", "subscriptions")
VIEW_TABLES: Final = (
    "jobs",
    "ids",
    "removed",
    "ready",
    "scheduled",
    "leases",
    "dead",
    "ended",
    "counts",
    "workers",
    "config",
    "marks",
    "children",
    "archives",
    "environments",
)
_SETS: Final = ("a", "b")
Sets = Mapping[str, Mapping[str, Any]]
"""For each set of views, table name -> LMDB's handle, of the views in it and of what is no view."""


class Environment:
    """An environment as this process holds it, once however many Stores use it: LMDB allows no second.

    One that is `passing` is this process's alone and nobody keeps it: nothing of it is flushed.
    """

    def __init__(self, path: Path, *, read_only: bool, passing: bool = False, is_suspect: bool = False) -> None:
        self.is_read_only = read_only
        self._hold = None if passing else hold(path)
        try:
            self.env = _open_environment(path, read_only=read_only, passing=passing)
        except BaseException:
            self._let_go()
            raise
        try:
            if not is_suspect:
                _check_length(path, self.env)
            is_new = self.env.stat()["entries"] == 0
            if is_new and read_only:
                raise _TablesMissing
            if is_suspect:
                self.sets = _tables_there(self.env, path)
            else:
                self.sets = (
                    _create_tables(self.env, path) if is_new else _open_tables(self.env, path, read_only=read_only)
                )
            self.freed_readers = self.env.reader_check()
        except BaseException:
            self.close()
            raise
        self.opener = os.getpid()
        self.file = _file(path)
        self.users = 0
        self.failure: str | None = None

    def is_there(self, path: Path) -> bool:
        """Tell whether the path still leads to what is open."""
        return _file(path) == self.file

    def close(self) -> None:
        """Close it, and let others put another file in its place."""
        self.env.close()
        self._let_go()

    def _let_go(self) -> None:
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None


def _file(path: Path) -> tuple[int, int] | None:
    """Give which file the data lies in."""
    try:
        found = (path / "data.mdb").stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


_OPEN: dict[str, Environment] = {}
_OPENING = Lock()


def acquire(path: Path, *, create: bool, read_only: bool, as_is: bool = False) -> Environment:
    """Give the environment at `path`, making it first where `create` is set and nothing is there.

    One that is `read_only` never waits for whoever writes; `as_is`: it is refused where something would
    have to be written first. Raises NoQueue, NotAQueue, NewerFormat or StoreError.
    """
    try:
        is_new = not (path / "data.mdb").exists()
        is_half_replaced = (path / STAGED / JOURNAL).exists()
    except OSError as error:
        raise StoreError(
            f"cannot look for a queue at {path}: {error.strerror}; check the path and its permissions"
        ) from error
    if is_half_replaced:
        raise StoreError(
            f"cannot open the queue at {path}: another one was taking its place when that was interrupted; "
            "`queuectl restore --finish` ends it"
        )
    if is_new:
        check_new(path)
        if not create:
            raise NoQueue(str(path))
        make_directory(path)
    key = str(path.resolve())
    with _OPENING:
        shared = _OPEN.get(key)
        if shared is not None and (shared.opener != os.getpid() or is_new):
            shared.close()  # a forked parent's, or of a directory that is gone
            shared = None
        if shared is None:
            shared = _OPEN[key] = _make_environment(path, read_only=read_only, as_is=as_is)
        if shared.is_read_only and not read_only:
            raise StoreError(
                f"cannot open the queue at {path} for writing: this process has it open read-only; close that first"
            )
        shared.users += 1
    return shared


def make_passing(directory: Path) -> Environment:
    """Give an environment for a while: in an empty directory, or over a data.mdb in it.

    The directory may be removed as soon as this returns. Raises NotAQueue or StoreError.
    """
    shared = Environment(directory, read_only=False, passing=True)
    shared.users = 1
    return shared


def _make_environment(path: Path, *, read_only: bool, as_is: bool) -> Environment:
    if read_only and (path / "data.mdb").stat().st_size:
        try:
            return Environment(path, read_only=True)
        except _TablesMissing:
            pass  # a release added some, and nobody has written since
    if as_is:
        raise StoreError(f"cannot read the queue at {path} as it is; `queuectl status` brings it up to date")
    return Environment(path, read_only=False)


class _TablesMissing(Exception):
    """There is something to write before this store can be read."""


def release(path: Path, shared: Environment) -> None:
    """Let go of an environment; it closes with its last user."""
    with _OPENING:
        shared.users -= 1
        if shared.users == 0:
            shared.close()
            if _OPEN.get(key := str(path.resolve())) is shared:
                del _OPEN[key]


def suspect(path: Path) -> Environment:
    """Open an environment whose file may be damaged, to be read only, in a process that may end of it.

    Raises StoreError.
    """
    try:
        shared = Environment(path, read_only=True, is_suspect=True)
    except _TablesMissing:
        raise StoreError(f"cannot read the queue at {path}: tables are missing in data.mdb") from None
    except lmdb.Error as error:
        raise StoreError(f"cannot read the queue at {path}: {str(error).rstrip('.')}") from error
    shared.users = 1
    return shared


def faults(path: Path) -> list[str]:
    """Give what is wrong with the structure of data.mdb, found in Python, without the engine.

    It reads all of the file; where a process writes to it meanwhile, what it gives may be wrong.
    """
    from lmdb.verify import VerifyError, verify

    try:
        return [str(each) for each in verify(str(path))]  # type: ignore[no-untyped-call]
    except (VerifyError, OSError, ValueError) as error:
        return [str(error)]


def compacted_copy(path: Path, target: Path) -> None:
    """Copy an environment that nobody has open into a directory, without its free pages, and check the copy.

    Raises NotAQueue or StoreError.
    """
    with _open_environment(path, read_only=True, passing=False) as env:
        _check_format(env, path, None)
        try:
            env.copy(os.fsencode(target), compact=True)  # type: ignore[arg-type]  # it takes bytes as well
        except lmdb.Error as error:
            raise StoreError(f"cannot copy the queue at {path}: {error}; check the disk and its free space") from error
        rows = _count_rows(env)
    if found := faults(target):
        raise StoreError(f"cannot copy the queue at {path}: the copy is not sound ({found[0]}); check the disk")
    with _open_environment(target, read_only=True, passing=False) as env:
        if _count_rows(env) != rows:
            raise StoreError(f"cannot copy the queue at {path}: the copy lacks rows; run `queuectl verify`")


def _count_rows(env: lmdb.Environment) -> dict[bytes, int]:
    with env.begin() as txn:
        names = [bytes(name) for name in txn.cursor().iternext(values=False)]
    tables = {name: env.open_db(name, create=False) for name in names}
    with env.begin() as txn:
        return {name: int(txn.stat(table)["entries"]) for name, table in tables.items()}


def _check_length(path: Path, env: lmdb.Environment) -> None:
    """Refuse a file that was cut short: reading a page that is not there would end the process.

    A sound file may lack pages at its end that no tree reaches, so a short one is walked, in Python.
    """
    pages = int(env.info()["last_pgno"]) + 1
    if (path / "data.mdb").stat().st_size >= pages * int(env.stat()["psize"]):
        return
    if found := faults(path):
        raise StoreError(
            f"cannot open the queue at {path}: data.mdb was cut short ({found[0]}); restore a backup of the directory"
        )


class Peeked(NamedTuple):
    """What an environment holds: rows of `meta`, the last row of `log`, and the tables it lacks."""

    meta: dict[bytes, bytes]
    last: tuple[bytes, bytes] | None
    missing: list[str]


def peek(path: Path) -> Peeked:
    """Look into an environment without writing anything; raises NoQueue, NotAQueue, NewerFormat or StoreError."""
    if not (path / "data.mdb").exists():
        check_new(path)
        raise NoQueue(str(path))
    if not (path / "data.mdb").stat().st_size:
        return Peeked({}, None, [])
    held = hold(path)
    try:
        with _open_environment(path, read_only=True, passing=False) as env:
            _check_length(path, env)
            _check_format(env, path, None)
            with env.begin() as txn:
                there = set(txn.cursor().iternext(values=False))
            meta, log = (env.open_db(name, create=False) for name in (b"meta", b"log"))
            with env.begin() as txn:
                cursor = txn.cursor(log)
                last: Any = cursor.item() if cursor.last() else None
                rows: Any = dict(txn.cursor(meta))
        return Peeked(rows, last, [name for name in _table_names() if name.encode() not in there])
    finally:
        if held is not None:
            os.close(held)


def _table_names() -> Iterator[str]:
    yield from LOG_TABLES
    yield from (f"{name}.{each}" for name in VIEW_TABLES for each in _SETS)


def _open_environment(path: Path, *, read_only: bool, passing: bool) -> lmdb.Environment:
    try:
        env = lmdb.open(
            os.fsencode(path),
            map_size=MAP_SIZE,
            max_dbs=len(LOG_TABLES) + len(_SETS) * len(VIEW_TABLES) + 8,
            max_readers=MAX_READERS,
            mode=0o600,
            create=False,
            readonly=read_only,
            sync=not passing,
            lock=not passing,
            lib_version=0,  # the format must not depend on an environment variable
        )
    except (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError) as error:
        raise NotAQueue(str(path), f"data.mdb is not a sound LMDB file ({error})") from error
    except (lmdb.Error, OSError) as error:
        own = "use that one" if "already open" in str(error) else "check its owner and permissions"
        raise StoreError(f"cannot open the queue at {path}: {str(error).rstrip('.')}; {own}") from error
    _keep_from_programs(path)
    return env


def _keep_from_programs(path: Path) -> None:
    """Have no program that this process starts inherit data.mdb, open to be written: LMDB itself would let it."""
    data = _file(path)
    for fd in inheritable():
        with suppress(OSError):
            found = os.fstat(fd)
            if (found.st_dev, found.st_ino) == data:
                os.set_inheritable(fd, False)


def _create_tables(env: lmdb.Environment, path: Path) -> Sets:
    try:
        with env.begin(write=True) as txn:
            sets = _tables(env, txn, create=True)
            txn.put(b"format", str(NEW_FORMAT).encode(), db=sets["a"]["meta"], overwrite=False)
    except lmdb.Error as error:
        raise StoreError(f"cannot make a queue at {path}: {error}; check the disk and its free space") from error
    for directory in (path, path.parent):
        flush_directory(directory)
    return sets


def _open_tables(env: lmdb.Environment, path: Path, *, read_only: bool) -> Sets:
    if read_only:
        _check_format(env, path, None)
        try:
            return _tables(env, None, create=False)
        except lmdb.NotFoundError as error:
            raise _TablesMissing from error
    # py-lmdb forgets the handles that a read transaction opened, so this takes the write lock.
    with env.begin(write=True) as txn:
        _check_format(env, path, txn)
        return _tables(env, txn, create=True)  # a release may have added some


def _tables_there(env: lmdb.Environment, path: Path) -> Sets:
    """Open the tables that there are: an older release had fewer."""
    _check_format(env, path, None)

    def there(names: Mapping[str, str]) -> dict[str, Any]:
        found = {}
        for name, full in names.items():
            with suppress(lmdb.NotFoundError):
                found[name] = env.open_db(full.encode(), create=False)
        return found

    shared = there({name: name for name in LOG_TABLES})
    return {each: shared | there({name: f"{name}.{each}" for name in VIEW_TABLES}) for each in _SETS}


def _check_format(env: lmdb.Environment, path: Path, txn: lmdb.Transaction | None) -> None:
    try:
        meta = env.open_db(b"meta", txn=txn, create=False)
        env.open_db(b"log", txn=txn, create=False)
        with nullcontext(txn) if txn is not None else env.begin() as reading:
            version = int(reading.get(b"format", db=meta) or b"")
    except (lmdb.NotFoundError, lmdb.IncompatibleError, ValueError) as error:
        raise NotAQueue(str(path), "data.mdb belongs to another program") from error
    if version > FORMAT:
        raise NewerFormat(f"the format of the store at {path}", version, FORMAT)


def _tables(env: lmdb.Environment, txn: lmdb.Transaction | None, *, create: bool) -> Sets:
    shared = {name: env.open_db(name.encode(), txn=txn, create=create) for name in LOG_TABLES}
    return {
        each: shared | {name: env.open_db(f"{name}.{each}".encode(), txn=txn, create=create) for name in VIEW_TABLES}
        for each in _SETS
    }
