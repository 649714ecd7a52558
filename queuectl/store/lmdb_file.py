"""LMDB's own environment over the files of a queue: opened, mapped, closed, and the locks that go with it.

Traps closed here: a process that has another's pid (`txn_locks`); an address space that is limited; a forked
child, which may not even close what its parent opened, since the reader slots in it are the parent's.
"""

import errno
import os
import time
from collections.abc import Iterator
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path
from typing import Final

import lmdb
from lmdb import _envid

from ..errors import FileDeleted, StoreError
from ..system import lock_wait
from ..system.files import new_file
from ..system.host import inheritable
from ..system.interrupts import own, suppress_own
from ..system.queue_files import DATA_FILE, LMDB_LOCK_FILE
from ..system.scope import scope
from .directory import advice_on, file_at, refuse_irregular
from .half_made import refuse_unreadable
from .memory_map import is_small, open_mapped
from .txn_locks import ReaderLock, WriterLock
from .writable import READ_ONLY, is_read_only

PATIENCE_S: Final = 10.0
"""How long to wait for another process that has this pid, in another pid namespace, to end a read."""

_CLOSING_S: Final = 0.3
"""The same where there is another way: what cannot be closed now is left to the end of the process."""

_PAUSE_S: Final = 0.005
_ENV_KEYS: Final = _envid.env_keys
_NO_LOCK_FILE: Final = {errno.EROFS, errno.ENOENT}


class LmdbFile:
    """An opened environment; `passing`: without locks and flushes, of a directory that no other process knows.

    `map_bytes`: how large its map should be at least.
    """

    env: lmdb.Environment

    def __init__(self, path: Path, *, read_only: bool, passing: bool = False, map_bytes: int = 0) -> None:
        self.path = path
        self.freed_readers = 0
        self.readers: ReaderLock | None = None
        self.writers: WriterLock | None = None
        self.file: tuple[int, int] | None = None
        self._is_read_only, self._is_passing, self._wanted_bytes = read_only, passing, map_bytes
        self._lock_file: tuple[int, int] | None = None
        self._least_bytes = 0
        self._is_closed = True

    def open(self) -> None:
        """Open it; whoever calls this closes it, also where this raises: NotAQueue, FileDeleted or StoreError."""
        refuse_irregular(self.path)
        self._open()
        self.file = file_at(self.path)
        self._keep_from_programs()
        if not self._is_passing:
            self._lock()
        self.map_bytes = int(self.env.info()["map_size"])
        self.is_small = is_small(self.map_bytes)
        OPEN_FILES.add(self)
        self._refuse_another_s_lock_file()

    def _open(self) -> None:
        passing = self._is_passing
        while True:
            self.env = _open_patiently(self.path, self._wanted_bytes, read_only=self._is_read_only, passing=passing)
            self._is_closed = False
            stale = 0 if passing else _slots_of(os.getpid(), self.env)
            if not stale:
                return
            # A killed process had this pid, and LMDB never takes one with its own pid for dead. While LMDB has
            # our byte locked nobody else with this pid reads, so all of those are stale: closing frees them.
            self.freed_readers += stale
            self.env.close()

    def _keep_from_programs(self) -> None:
        """Have no program that this process starts inherit data.mdb, open to be written: LMDB itself would let it."""
        for fd in inheritable():
            try:
                found = os.fstat(fd)
                if (found.st_dev, found.st_ino) == self.file:
                    os.set_inheritable(fd, False)
            except own(OSError) as error:
                if error.errno != errno.EBADF:
                    raise

    def _lock(self) -> None:
        name = LMDB_LOCK_FILE
        try:
            self.readers = ReaderLock(self.path)
            name = DATA_FILE
            self.writers = WriterLock(self.path)
        except own(OSError) as error:
            if self.readers is None and self._is_read_only and error.errno in _NO_LOCK_FILE:
                return  # LMDB does without as well
            raise self._unopened(name, error) from error
        self._lock_file = self.readers.file
        self.readers.free()

    def note_size(self) -> None:
        """Remember how large data.mdb is now, for what changed() looks at."""
        if self.writers is not None:
            self._least_bytes = self.writers.file_bytes()

    @property
    def files(self) -> set[tuple[int, int] | None]:
        """The files that it has open: data.mdb and, where there is one, lock.mdb."""
        return {self.file, self._lock_file} - {None}

    def changed(self, directory: str) -> str:
        """Return what became of the files that are open, "" where the directory still has them."""
        least = self._least_bytes  # before the look, since another thread may look later and be done earlier
        try:
            data = os.stat(f"{directory}/{DATA_FILE}")  # noqa: PTH116 - on each transaction's way, as is the next
            if (data.st_dev, data.st_ino) != self.file:
                return "its directory was deleted or replaced"
            if data.st_size < least:  # LMDB never makes it smaller, and would make what is cut off anew
                return "its data.mdb was cut short, so restore a backup of it"
            self._least_bytes = data.st_size
            if self._lock_file is not None and self.readers is not None:
                lock = os.stat(f"{directory}/{LMDB_LOCK_FILE}")  # noqa: PTH116
                if (lock.st_dev, lock.st_ino) != self._lock_file:
                    return "its lock.mdb was deleted or replaced"
                if lock.st_size < self.readers.least_bytes:
                    return "its lock.mdb was cut short"
        except own(OSError) as error:
            gone = LMDB_LOCK_FILE if str(error.filename).endswith(LMDB_LOCK_FILE) else "directory"
            return f"its {gone} was deleted or replaced"
        return ""

    def last_id(self) -> int:
        """Return the number of the last transaction by data.mdb itself, for begin() of the next one."""
        return int(self.env.info()["last_txnid"])

    def is_overwritten(self, txn: lmdb.Transaction, last_id: int, *, write: bool) -> bool:
        """Whether data.mdb has other transactions than lock.mdb counts: something was copied over it.

        `last_id` is what last_id() was before this one began. LMDB looks only at what lock.mdb says; a process
        that was killed in a commit leaves data.mdb one ahead.
        """
        if self._is_passing:
            return False
        number = txn.id()
        if write:  # nobody else commits meanwhile
            return not number - 1 <= self.last_id() <= number
        return last_id > number + 1 or (last_id < number and self.last_id() < number)

    def _refuse_another_s_lock_file(self) -> None:
        """Refuse a data.mdb beside the lock.mdb of another, which processes that had that one open keep alive."""
        try:
            with self.reading() as env:
                last_id = self.last_id()
                with env.begin() as txn:
                    if self.is_overwritten(txn, last_id, write=False):
                        raise FileDeleted(str(self.path), DATA_FILE, "was replaced")
        except lmdb.Error:  # a damaged file, which whoever reads it tells of
            return

    def _unopened(self, name: str, error: OSError) -> StoreError:
        advice = advice_on(error, "check its owner and permissions")
        return StoreError(f"cannot open the queue at {self.path}: {error.strerror}: {name}; {advice}")

    @scope
    def reading(self) -> Iterator[lmdb.Environment]:
        """Have reader slots of this process be its own meanwhile, for what begins its own read transactions."""
        try:
            if self.readers is not None:
                self.readers.share()
            yield self.env
        finally:
            self.end_reading()

    def end_reading(self) -> bool:
        """Let others with this pid open and close the store, and return whether they may.

        Not while a slot of this process is taken: py-lmdb gives one back when the transaction is forgotten, and not
        when it ends. Others would take the slot of a dead process back, another reader get it, and what gives it
        back here then take it from that one: pages of its snapshot would be written anew.
        """
        if self.readers is None or self.slots_of_this_pid():
            return False
        self.readers.free()
        return True

    @scope
    def writing(self) -> Iterator[None]:
        """Be the one writer meanwhile; waits for any other."""
        if self.writers is None:
            yield
            return
        fd = self.writers.fd
        try:
            lock_wait.take(fd, LOCK_EX, lock_wait.WRITE, self.path)
            yield
        finally:
            flock(fd, LOCK_UN)

    def slots_of_this_pid(self) -> int:
        """Count the reader slots with this process's pid, its own and those of others."""
        return 0 if self.readers is None else _slots_of(os.getpid(), self.env)

    def used_bytes(self) -> int:
        """Return how much of the map is in use."""
        return (int(self.env.info()["last_pgno"]) + 1) * int(self.env.stat()["psize"])

    def copy_into(self, directory: Path) -> None:
        """Write a copy without free pages into a directory, as data.mdb, while reading(); raises OSError or lmdb.Error.

        Into a file made here, since one that LMDB makes would be root's in another user's directory.
        """
        with new_file(directory / DATA_FILE) as file:
            self.env.copyfd(file.fileno(), compact=True)

    def close(self) -> None:
        """Close it, while nobody of this process uses it; twice is harmless, and goes on where it was broken off."""
        OPEN_FILES.discard(self)
        if not self._is_closed:
            # LMDB frees each slot with this pid as it closes, also that of another process that is reading.
            is_free = self.readers is None or (not self.readers.is_cut() and self.readers.seize(timeout_s=_CLOSING_S))
            self.env.close() if is_free else _keep(self)
            self._is_closed = True
        self._unlock()

    def abandon(self) -> None:
        """Never touch it again, not even at this process's end: it is a parent's."""
        self._is_closed = True
        OPEN_FILES.discard(self)
        _keep(self)
        self._unlock()

    def outlive(self) -> None:
        """Have the end of the interpreter leave it open, and the end of the process close it."""
        # Closing frees slots of this pid, and it is not for a moment when daemon threads may be in transactions.
        if self.readers is not None:
            _keep(self)

    def _unlock(self) -> None:
        for each in (self.readers, self.writers):
            if each is not None:
                each.close()


@scope
def opened_file(path: Path) -> Iterator[LmdbFile]:
    """Have a file open meanwhile, to be read only; raises as LmdbFile.open() does."""
    opened = LmdbFile(path, read_only=True)
    try:
        opened.open()
        yield opened
    finally:
        opened.close()


OPEN_FILES: Final[set[LmdbFile]] = set()
"""Those that are open in this process."""

_kept: set[tuple[int, int] | None] = set()
"""Files of environments that nobody may close any more, and that py-lmdb takes for open in this process."""


_never_closed: Final[list[lmdb.Environment]] = []

_is_forked = False
"""Whether this process is a forked child: py-lmdb then takes for open what a thread of the parent's was opening."""


def _before_fork() -> None:
    if OPEN_FILES:
        import ctypes  # noqa: F401 - the child wants it, and might wait for ever for an import of another thread


def _in_child() -> None:
    global _is_forked
    _is_forked = True
    for each in list(OPEN_FILES):
        each.abandon()


os.register_at_fork(before=_before_fork, after_in_child=_in_child)


def _keep(opened: LmdbFile) -> None:
    """Keep an environment from being closed, by the end of the interpreter too: nothing else can."""
    _kept.update(opened.files)
    _never_closed.append(opened.env)
    with suppress_own(ImportError, OSError):  # where no more files can be opened: then that end closes it
        import ctypes  # only where there is one to keep: it costs a start

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(opened.env))


@scope
def _unlisted(path: Path) -> Iterator[None]:
    """Have py-lmdb not refuse a file that it takes for open in this process: nobody here uses that any more."""
    # Its own way to take a file off its list is to close the environment, which is a parent's and may be in use.
    files = {file_at(path), file_at(path, LMDB_LOCK_FILE)} - {None}
    is_open = any(not files.isdisjoint(each.files) for each in OPEN_FILES)
    if is_open or not (_is_forked or not files.isdisjoint(_kept)):
        yield
        return
    _envid.env_keys = lambda *_: ()
    try:
        yield
    finally:
        _envid.env_keys = _ENV_KEYS


def _open_patiently(path: Path, wanted: int, *, read_only: bool, passing: bool) -> lmdb.Environment:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with _unlisted(path):
                return open_mapped(path, wanted, read_only=read_only, passing=passing)
        except lmdb.LockError as error:
            if time.monotonic() >= deadline:
                raise StoreError(
                    f"cannot open the queue at {path}: process {os.getpid()} of another container, which has this "
                    "process's id, has been reading it for long; try again"
                ) from error
            time.sleep(_PAUSE_S)
        except (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError) as error:
            refuse_unreadable(path, str(error))
        except own(lmdb.Error, OSError) as error:
            raise _unopened(path, error) from error


def _unopened(path: Path, error: Exception) -> StoreError:
    found = str(error).rstrip(".").removeprefix(f"{path}: ")
    if found == os.strerror(errno.EROFS):
        return StoreError(f"cannot open the queue at {path} to write to it: {READ_ONLY}; what only reads it works")
    return StoreError(f"cannot open the queue at {path}: {found}; {_way_out(path, error)}")


def _way_out(path: Path, error: Exception) -> str:
    if "already open" in str(error):
        return "use that one"
    return READ_ONLY if is_read_only(path) else advice_on(error, "check its owner and permissions")


def _slots_of(pid: int, env: lmdb.Environment) -> int:
    return sum(line.split()[:1] == [str(pid)] for line in env.readers().splitlines())
