"""Read and write transactions over a queue's tables: begun, ended whatever comes, and what an error in one means.

With the rooms beneath it in this package the only one that knows LMDB. It must not know what the tables mean. Traps it
closes: after a flush that failed nothing more may be written, while a commit that only found no room has changed
nothing and can be tried again; a signal's handler may raise at any call, so what a transaction holds is let go of by
plain assignments and calls in C, each in a `finally`.
"""

import gc
import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from fcntl import LOCK_UN, flock
from pathlib import Path
from types import TracebackType
from typing import Final

import lmdb

from .. import hints
from ..errors import ForkedStore, QueuectlError, StoreError, WriteFailed
from ..system.disk_space import is_out_of_room, no_room_by
from ..system.interrupts import own
from ..system.lazy import is_loading_here
from ..system.queue_files import DATA_FILE
from ..system.scope import scope
from .damage import of_rows
from .directory import REPLAY_LOCK, advice_on, lock
from .environment import Environment, in_use_error, suspect_environment
from .gate import GateEntry
from .opened_files import forget_frames
from .registry import acquire, make_passing
from .tables import VIEW_TABLES
from .transaction import Row, Transaction, key_of

__all__ = ["REPLAY_LOCK", "VIEW_TABLES", "Row", "Store", "Transaction", "key_of", "no_collection"]


_OF_DAMAGE: Final = ("MDB_CORRUPTED", "MDB_PAGE_NOTFOUND", "MDB_CURSOR_FULL", "MDB_PAGE_FULL")
"""What LMDB says where a page cannot be what was written: it leads in a circle, or has no room where it says it has."""


class Store:
    """An open queue on disk. A forked child opens its own."""

    def __init__(self, path: Path, shared: Environment, *, read_only: bool = False, is_passing: bool = False) -> None:
        self.path = path
        self.is_passing = is_passing
        """Whether no other process can open it."""
        self._shared = shared
        self._is_read_only = read_only
        self._is_open = True

    @classmethod
    def open(cls, path: Path, *, create: bool, read_only: bool = False, as_is: bool = False) -> "Store":
        """Open the store at `path`, making it first where `create` is set and nothing is there.

        One that is `read_only` never waits for whoever writes; `as_is`: it is refused where something would
        have to be written first. Raises NoQueue, NotAQueue, NewerFormat or StoreError.
        """
        shared = acquire(path, create=create, read_only=read_only, as_is=as_is)
        try:
            return cls(path, shared, read_only=read_only)
        except BaseException:  # a signal's handler raised it
            shared.remove_user()
            raise

    @classmethod
    def passing(cls, directory: Path) -> "Store":
        """Open a store that this process alone uses for a while: new, or over a copy in `directory`.

        Nothing is flushed, and the directory may be removed at once. Raises NotAQueue or StoreError.
        """
        return cls(directory, make_passing(directory), is_passing=True)

    def copy_to(self, directory: Path) -> None:
        """Write a compact copy into a directory, as data.mdb; raises StoreError."""
        try:
            with self._using(reads=True) as shared:
                shared.opened.copy_into(directory)
        except own(lmdb.Error, OSError) as error:
            advice = advice_on(error, "free some disk space")
            raise StoreError(f"cannot copy a store to {directory}: {error}", hint=advice) from error

    @classmethod
    def open_suspect(cls, path: Path) -> "Store":
        """Open a store whose file may be damaged, to be read, in a process that may end of it; raises StoreError."""
        return cls(path, suspect_environment(path), read_only=True)

    def close(self) -> None:
        """Let go of the environment, which closes with its last user; doing so twice is harmless."""
        shared = self._shared
        if not shared.opener:
            return
        with shared.gate.lock:
            if self._is_open:
                self._is_open, shared.users = False, shared.users - 1
        shared.tidy()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @scope
    def read(self) -> Iterator[Transaction]:
        """Open a snapshot for reading; keep it short, since it holds old pages on disk.

        Raises StoreError where the file is damaged and the engine notices, or a row cannot be what was written.
        """
        shared = self._shared
        entry, txn = self._begin_reading()
        opened = None
        try:
            try:
                opened = self._transaction(txn)
            except BaseException as error:
                forget_frames(error)
                raise
            yield opened
        except lmdb.Error as error:
            advice = advice_on(error, hints.RUN_VERIFY)
            raise StoreError(f"cannot read the queue at {self.path}: {error}", hint=advice) from error
        except Exception as error:
            self._tell_damage(error)
            raise
        finally:
            try:
                if shared.opener:  # in a forked child it is the parent's, and may go on there
                    txn.abort()
            finally:
                if opened is not None:
                    if opened._shadow is not None:
                        del opened._shadow._txn
                    del opened._txn
                del txn  # a reader slot is given back once nothing refers to the transaction
                entry.is_inside = False
                try:
                    shared.tidy()
                except BaseException:  # a signal's handler broke it off
                    shared.tidy()
                    raise

    @scope
    def write(self) -> Iterator[Transaction]:
        """Open the one write transaction; it is committed, flushed to disk, at the end, or leaves no trace.

        Raises WriteFailed when the disk or the map is full, and then it can be tried again, or when the disk
        failed, and then nothing more is written; StoreError where the store was opened to be read only.
        """
        if self._is_read_only:
            raise StoreError(f"cannot write to the queue at {self.path}: it was opened read-only; open it for writing")
        shared = self._shared
        with self.turn():
            self._check_turn()
            shared.is_written = True
            try:
                entry, fd, txn = self._begin_writing()
                opened = None
                try:
                    opened = self._transaction(txn)
                    with no_collection():
                        yield opened
                    self._commit(txn, opened)
                except BaseException as error:
                    if (opened is None or not opened.is_committed) and (told := self._told(error)) is not None:
                        raise told from error
                    raise
                finally:
                    try:
                        if shared.opener:  # in a forked child it is the parent's, and may go on there
                            txn.abort()  # nothing, where it was committed
                    finally:
                        try:
                            if shared.opener and fd >= 0:
                                flock(fd, LOCK_UN)
                        finally:
                            entry.is_inside = False
            finally:
                shared.is_written = False
                if not shared.users:
                    shared.tidy()

    def copy(self) -> Generator[bytes, None, None]:
        """Yield the data file as it is now, compacted, piece by piece; a read transaction lives as long.

        That is another process's, so that no thread of this one is held up. Raises StoreError where LMDB cannot
        read its own pages.
        """
        from .copy import pieces  # only where there is a copy to make: it costs a start

        with self._using() as shared:  # refuses what may not be used
            file = shared.opened.file
        yield from pieces(self.path, file)

    @scope
    def sole(self, name: str, refusal: str | None = None) -> Iterator[None]:
        """Hold a lock file of the queue meanwhile, which ends with the process; waits for it.

        Raises StoreError with the `refusal`, where one is given and another holds it.
        """
        with lock(self.path / name, wait=refusal is None) as is_ours:
            if not is_ours:
                raise StoreError(f"{refusal}")
            yield

    def free_readers(self) -> int:
        """Free the slots of readers whose process was killed, which hold old pages on disk; gives how many."""
        self.check_process()
        return self._shared.free_readers()

    def check_there(self) -> None:
        """Raise NoQueue where the path no longer leads to what is open: reading goes on for ever in a deleted file."""
        self._shared.check_there()

    def sizes(self) -> dict[str, int]:
        """Return the bytes in use, of the map and on disk."""
        with self._using() as shared:
            shared.check_there()
            used, size = shared.opened.used_bytes(), shared.opened.map_bytes
        return {"used": used, "map": size, "file": (self.path / DATA_FILE).stat().st_size}

    @scope
    def _using(self, *, reads: bool = False) -> Iterator[Environment]:
        self.check_process()
        shared = self._shared
        entry = shared.enter(reads=reads)
        try:
            yield shared
        finally:
            entry.is_inside = False
            try:
                shared.tidy()
            except BaseException:  # a signal's handler broke it off
                shared.tidy()
                raise

    def check_process(self) -> None:
        """Raise ForkedStore in a child that was forked since this was opened."""
        if os.getpid() != self._shared.opener:
            raise ForkedStore(str(self.path), self._shared.maker, os.getpid())

    def turn(self) -> AbstractContextManager[object]:
        """Return what a thread has in a `with` while it writes, or puts together what to write.

        Raises StoreError where waiting for it might never end.
        """
        self.check_process()  # it may be that of a thread which no forked child has
        if self._shared.gate.is_held_here or is_loading_here():  # and whoever has the turn may wait for that
            raise in_use_error("write to", self.path)
        return self._shared.turn

    def _check_turn(self) -> None:
        """Raise where the thread that has the turn may not write."""
        if not self._is_open:
            raise self._closed()
        if self._shared.disk_error:  # perhaps while the turn was waited for
            raise self._disk_failed(self._shared.disk_error)
        if self._shared.is_written:
            raise StoreError(
                f"cannot write to the queue at {self.path}: this thread is writing to it already; end that first"
            )

    def _begin_writing(self) -> tuple[GateEntry, int, lmdb.Transaction]:
        while True:
            try:
                return self._shared.begin_writing()
            except lmdb.Error as error:
                self._grow_or_raise(error)

    def _begin_reading(self) -> tuple[GateEntry, lmdb.Transaction]:
        self.check_process()
        if not self._is_open:
            raise self._closed()
        shared = self._shared
        while True:
            entry = shared.enter(reads=True)
            try:
                return entry, shared.begin(write=False)
            except BaseException as error:
                entry.is_inside = False
                shared.tidy()
                if not isinstance(error, lmdb.Error):
                    raise
                self._grow_or_raise(error)

    def _grow_or_raise(self, error: lmdb.Error) -> None:
        # Another process made the map larger, or a commit that found no room got as far as its last page.
        if isinstance(error, lmdb.MapResizedError | lmdb.PanicError):
            self._shared.grow()
            return
        raise StoreError(f"cannot use the queue at {self.path}: {error}; {advice_on(error, 'try again')}") from error

    def _closed(self) -> StoreError:
        return StoreError(f"cannot use the queue at {self.path}: it was closed; open it again")

    def _commit(self, txn: lmdb.Transaction, opened: Transaction) -> None:
        self.check_process()
        shared = self._shared
        shared.check_to_commit(txn)
        seen = shared.last_seen(txn)
        try:
            txn.commit()
        except lmdb.Error:
            raise
        except BaseException:  # a handler's, of a signal that came meanwhile
            opened.is_committed = True
            raise
        opened.is_committed = True
        shared.opened.note_size()
        shared.note(seen)

    def _told(self, error: BaseException) -> Exception | None:
        """Return the error to raise in the place of one that kept something from being written, None to leave it."""
        if isinstance(error, lmdb.BadValsizeError):
            return StoreError(f"cannot write to the queue at {self.path}: a name is empty or too long to be a key")
        if isinstance(error, lmdb.MapFullError):
            self._shared.is_full = True
            return self._no_room(f"no space left in the map of data.mdb ({error})")
        if isinstance(error, lmdb.Error):
            return self._broken(error)
        return None if isinstance(error, QueuectlError) else of_rows(error, self.path)

    def _tell_damage(self, error: BaseException) -> None:
        """Raise StoreError in the place of an error that comes of damaged rows."""
        if not isinstance(error, QueuectlError) and (found := of_rows(error, self.path)):
            raise found from error

    def _transaction(self, txn: lmdb.Transaction) -> Transaction:
        sets = self._shared.sets
        live = txn.get(b"live", db=sets["a"]["meta"]) or b"a"
        return Transaction(txn, sets, bytes(live).decode(), self._shared.counted)

    def _broken(self, error: lmdb.Error) -> WriteFailed:
        # After a failed flush the kernel may have dropped the pages, and a second try would lie.
        self._shared.disk_error = str(error)  # first, since the look at the disk may fail as well
        if is_out_of_room(self.path, code := getattr(error, "code", 0)):
            self._shared.disk_error = None
            return self._no_room(no_room_by(code))
        return self._disk_failed(str(error))

    def _no_room(self, found: str) -> WriteFailed:
        return WriteFailed(str(self.path), found, "free some disk space, then try again", is_full=True)

    def _disk_failed(self, found: str) -> WriteFailed:
        if any(each in found for each in _OF_DAMAGE):
            return WriteFailed(str(self.path), found, hints.TYPE_VERIFY_FOR_DAMAGE)
        return WriteFailed(str(self.path), found, "check the disk and its free space, then try again")


@scope
def no_collection() -> Iterator[None]:
    """Keep the garbage collector from running meanwhile."""
    # A transaction makes tuples by the ten thousand and no cycles; each collection would walk them
    # all in vain, which cost a tenth of an enqueue and up to a third of a replay.
    global _is_paused
    was_enabled = gc.isenabled()
    try:
        if was_enabled:
            _is_paused = True
            gc.disable()
        yield
    finally:
        if was_enabled:
            gc.enable()
            _is_paused = False


_is_paused = False
"""Whether a thread here keeps the collector from running."""


def _in_child() -> None:
    global _is_paused
    if _is_paused:  # by a thread that a forked child has not
        gc.enable()
        _is_paused = False


os.register_at_fork(after_in_child=_in_child)
