"""The LMDB environment of a queue as one process has it: its tables made or opened, checked, and used by many threads.

Traps closed here: reading a page of a file cut short would end the process; closing or enlarging an environment
while a thread is in a transaction would do so too.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import lmdb

from .directory import check_new, file_at, hold, refuse_half_replaced
from .errors import NewerFormat, NoQueue, NotAQueue, StoreError
from .files import flush_directory, open_private
from .gate import Gate
from .lmdbfile import NEARLY_FULL, PATIENCE_S, LmdbFile

FORMAT: Final = 2
"""The highest format of a store that is known here: an older queuectl could not read what has it."""

NEW_FORMAT: Final = 1
"""The format of a new store; it becomes 2 when retention lets the first events go."""

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

    It closes with its last user, and not while a transaction is open. One that is `passing` is this process's
    alone and nobody keeps it: nothing of it is flushed.
    """

    def __init__(
        self, path: Path, *, read_only: bool, create: bool = False, passing: bool = False, is_suspect: bool = False
    ) -> None:
        self.path = path
        self._directory = str(path)  # joining Paths would take longer than a read
        self.gate = Gate()
        self.users = 1
        self.failure: str | None = None
        self.freed_readers = 0
        self.is_closed = False
        self._passing, self._is_suspect = passing, is_suspect
        self._reading = 0
        self._is_sharing = False
        self._is_closing = self._is_retired = self._is_full = False
        self._hold = None if passing else hold(path)
        try:
            if not passing:
                # Looked at again once nobody can change it: whoever was waited for may have.
                refuse_half_replaced(path)
                if not create and file_at(path) is None:
                    raise NoQueue(str(path))
                _make_files(path, create=create)
            self._start(read_only=read_only)
        except BaseException:
            self._let_go()
            raise
        self.opener = os.getpid()
        OPEN.add(self)

    def _start(self, *, read_only: bool, map_bytes: int = 0) -> None:
        opened = LmdbFile(self.path, read_only=read_only, passing=self._passing, map_bytes=map_bytes)
        try:
            self.sets = self._tables_of(opened, read_only=read_only)
            self.freed_readers += opened.freed_readers + opened.env.reader_check()
        except BaseException as error:
            opened.close()
            if isinstance(error, lmdb.Error) and not self._is_suspect:
                raise _damaged(self.path, error) from error
            raise
        self.opened, self.is_read_only = opened, read_only

    def _tables_of(self, opened: LmdbFile, *, read_only: bool) -> Sets:
        if self._is_suspect:
            with opened.reading() as env:
                if env.stat()["entries"] == 0:
                    raise TablesMissing
                return _tables_there(env, self.path)
        _check_length(self.path, opened.env)
        if opened.env.stat()["entries"]:
            return _open_tables(opened, self.path, read_only=read_only)
        if read_only:
            raise TablesMissing
        return _create_tables(opened, self.path)

    def is_there(self) -> bool:
        """Return whether the path still leads to what is open."""
        return self._passing or file_at(self._directory) == self.opened.file

    # Transactions

    def enter(self, *, reads: bool) -> int:
        """Begin to use the engine and return what leave() wants.

        Raises NoQueue where there is something else to be read, StoreError where the last user is gone.
        """
        gate = self.gate
        with gate.lock:
            who = gate.enter()
            try:
                self._check_usable(is_there=not reads or self.is_there())
                if reads:
                    self._begin_reading()
            except BaseException:
                gate.leave(who)
                raise
        return who

    def leave(self, who: int, *, reads: bool) -> None:
        """End the use of the engine; does nothing in a forked child, where it is the parent's."""
        if os.getpid() != self.opener:
            return
        gate = self.gate
        with gate.lock:
            if reads:
                self._end_reading()
            gate.leave(who)
            closes = self._is_unused()
        if closes:
            self._close()

    def _begin_reading(self) -> None:
        readers = self.opened.readers
        self._reading += 1
        if readers is None or (self._reading > 1 and self._is_sharing):
            return
        try:
            readers.share()
            self._is_sharing = True
        except BaseException:
            self._end_reading()
            raise

    def _end_reading(self) -> None:
        self._reading -= 1
        if not self._reading and self.opened.readers is not None:
            self._is_sharing = False
            self.opened.readers.free()

    def enter_writing(self) -> int:
        """Begin to use the engine as the one writer, which is waited for; raises as enter() does."""
        self.make_room()
        who = self.enter(reads=False)
        if self.opened.writers is not None:
            try:
                self.opened.writers.__enter__()
            except BaseException:
                self.leave(who, reads=False)
                raise
        return who

    def leave_writing(self, who: int) -> None:
        """End the use of the engine as the writer; does nothing in a forked child, where it is the parent's."""
        if os.getpid() != self.opener:
            return
        if self.opened.writers is not None:
            self.opened.writers.__exit__()
        self.leave(who, reads=False)

    def check_there(self) -> None:
        """Raise NoQueue where the path no longer leads to what is open."""
        if not self.is_there():
            raise NoQueue(str(self.path), was_open=True)

    def _check_usable(self, *, is_there: bool) -> None:
        if self._is_retired or not is_there:
            raise NoQueue(str(self.path), was_open=True)
        if not self.users or self._is_closing:
            raise StoreError(f"cannot use the queue at {self.path}: it was closed; open it again")

    def make_writable(self) -> None:
        """Open it for writing where it is open to be read only; raises StoreError."""
        if self.is_read_only:
            self._remake("open the queue for writing", read_only=False)

    def grow(self) -> None:
        """Map what another process made larger than the map here, or what has little room left in it."""
        before = self.opened.map_bytes
        self._remake("map the queue, which has grown", read_only=self.is_read_only, map_bytes=2 * before)
        self._is_full = False
        if self.opened.map_bytes <= before:
            self.opened.is_small = False  # there is no room for more, and no use in trying at each write

    def make_room(self) -> None:
        """Enlarge the map before a write where little of it is left; raises StoreError."""
        if self._is_full or (self.opened.is_small and self._is_nearly_full()):
            self.grow()

    def _is_nearly_full(self) -> bool:
        who = self.enter(reads=False)
        try:
            return self.opened.used_bytes() > NEARLY_FULL * self.opened.map_bytes
        finally:
            self.leave(who, reads=False)

    def is_full(self) -> None:
        """Have the map enlarged before the next write."""
        self._is_full = True

    def free_readers(self) -> int:
        """Free the slots of readers that were killed, which hold old pages on disk, and return how many."""
        who = self.enter(reads=False)
        try:
            freed, self.freed_readers = self.freed_readers, 0  # those found at opening count once
            freed += self.opened.env.reader_check()
            is_mine = self.opened.slots_of_this_pid() > self._reading
        finally:
            self.leave(who, reads=False)
        if is_mine:  # those with this process's pid LMDB passes over: another container's, alive or killed
            freed += self._free_mine()
        return freed

    def _free_mine(self) -> int:
        with self._alone(timeout_s=0.0) as is_alone:
            if not is_alone or self.opened.readers is None or not self.opened.readers.seize(timeout_s=0.0):
                return 0  # another time
            freed = self.opened.slots_of_this_pid()
            self._restart(read_only=self.is_read_only)  # closing frees them
            return freed

    def _remake(self, what: str, *, read_only: bool, map_bytes: int = 0) -> None:
        with self._alone(timeout_s=PATIENCE_S) as is_alone:
            if not is_alone:
                raise StoreError(
                    f"cannot {what} at {self.path}: this process reads it just now; end that first, then try again"
                )
            self._restart(read_only=read_only, map_bytes=map_bytes)

    @contextmanager
    def _alone(self, *, timeout_s: float) -> Iterator[bool]:
        try:
            with self.gate.alone(timeout_s=timeout_s) as is_alone:
                yield is_alone
        finally:
            self._close_if_unused()  # the last user may have gone meanwhile

    def _restart(self, *, read_only: bool, map_bytes: int = 0) -> None:
        """Close and open it anew, while nobody else is inside; where that fails, as it was if that can be."""
        with self.gate.lock:
            self._check_usable(is_there=self.is_there())
        was_read_only = self.is_read_only
        self.opened.close()
        try:
            self._start(read_only=read_only, map_bytes=map_bytes)
        except BaseException:
            try:
                self._start(read_only=was_read_only)
            except BaseException:
                self._is_closing = True
                self._close()
            raise

    # Users

    def add_user(self) -> bool:
        """Count one more user, and return whether it still can be used."""
        with self.gate.lock:
            if self._is_closing or self._is_retired:
                return False
            self.users += 1
            return True

    def remove_user(self) -> None:
        """Count one user less; the last one closes it, or whoever ends the last transaction."""
        with self.gate.lock:
            self.users -= 1
        self._close_if_unused()

    def retire(self) -> None:
        """Let nobody use it any more: its path leads elsewhere."""
        self._is_retired = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        with self.gate.lock:
            closes = self._is_unused()
        if closes:
            self._close()

    def wait_until_closed(self) -> None:
        """Wait for the end of a close that has begun, in another thread."""
        self.gate.wait_for(lambda: self.is_closed or not self._is_closing, PATIENCE_S)

    def _is_unused(self) -> bool:
        if self._is_closing or not self.gate.is_empty or (self.users and not self._is_retired):
            return False
        self._is_closing = True
        return True

    def _close(self) -> None:
        try:
            self.opened.close()
        finally:
            OPEN.discard(self)
            self._let_go()
            self.is_closed = True
            self.gate.tell()

    def disown(self) -> None:
        """Have nothing more to do with it, in a forked child: it is the parent's."""
        self.opener = 0
        self.opened.abandon()
        self._let_go()

    def _let_go(self) -> None:
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None


OPEN: Final[set[Environment]] = set()
"""Those that are open in this process."""


class TablesMissing(Exception):
    """There is something to write before this store can be read."""


def suspect(path: Path) -> Environment:
    """Open an environment whose file may be damaged, to be read only, in a process that may end of it.

    Raises StoreError.
    """
    try:
        return Environment(path, read_only=True, is_suspect=True)
    except TablesMissing:
        raise StoreError(f"cannot read the queue at {path}: tables are missing in data.mdb") from None
    except lmdb.Error as error:
        raise StoreError(f"cannot read the queue at {path}: {str(error).rstrip('.')}") from error


def faults(path: Path) -> list[str]:
    """Give what is wrong with the structure of data.mdb, found in Python, without the engine.

    It reads all of the file; where a process writes to it meanwhile, what it gives may be wrong.
    """
    from lmdb.verify import VerifyError, verify

    try:
        return [str(each) for each in verify(str(path))]  # type: ignore[no-untyped-call]
    except (VerifyError, OSError, ValueError) as error:
        return [str(error)]


def _damaged(path: Path, error: lmdb.Error) -> StoreError:
    found = str(error).rstrip(".")
    return StoreError(f"cannot open the queue at {path}: {found}; type `queuectl verify`, then restore a backup")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except lmdb.Error as error:
        raise _damaged(path, error) from error


def compacted_copy(path: Path, target: Path) -> None:
    """Copy an environment that nobody has open into a directory, without its free pages, and check the copy.

    Raises NotAQueue or StoreError.
    """
    with _told(path), closing(LmdbFile(path, read_only=True)) as opened, opened.reading() as env:
        _check_format(env, path, None)
        try:
            env.copy(os.fsencode(target), compact=True)  # type: ignore[arg-type]  # it takes bytes as well
        except lmdb.Error as error:
            raise StoreError(f"cannot copy the queue at {path}: {error}; check the disk and its free space") from error
        rows = _count_rows(env)
    if found := faults(target):
        raise StoreError(f"cannot copy the queue at {path}: the copy is not sound ({found[0]}); check the disk")
    with closing(LmdbFile(target, read_only=True)) as opened, opened.reading() as env:
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
        refuse_half_replaced(path)
        with _told(path), closing(LmdbFile(path, read_only=True)) as opened, opened.reading() as env:
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


def _make_files(path: Path, *, create: bool) -> None:
    """Make the files that LMDB would make, for this user alone under any umask."""
    for name in ("data.mdb", "lock.mdb") if create else ("lock.mdb",):
        if not os.path.exists(f"{path}/{name}"):  # noqa: PTH110 - on each opening's way
            with suppress(OSError):  # where nothing may be written, LMDB says what it makes of that
                os.close(open_private(path / name, os.O_RDWR | os.O_CREAT))


def _create_tables(opened: LmdbFile, path: Path) -> Sets:
    try:
        with opened.writing(), opened.env.begin(write=True) as txn:
            sets = _tables(opened.env, txn, create=True)
            txn.put(b"format", str(NEW_FORMAT).encode(), db=sets["a"]["meta"], overwrite=False)
    except lmdb.Error as error:
        raise StoreError(f"cannot make a queue at {path}: {error}; check the disk and its free space") from error
    for directory in (path, path.parent):
        flush_directory(directory)
    return sets


def _open_tables(opened: LmdbFile, path: Path, *, read_only: bool) -> Sets:
    if read_only:
        with opened.reading() as env:
            _check_format(env, path, None)
            try:
                return _tables(env, None, create=False)
            except lmdb.NotFoundError as error:
                raise TablesMissing from error
    # py-lmdb forgets the handles that a read transaction opened, so this takes the write lock.
    with opened.writing(), opened.env.begin(write=True) as txn:
        _check_format(opened.env, path, txn)
        return _tables(opened.env, txn, create=True)  # a release may have added some


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
