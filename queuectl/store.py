"""An open queue on disk: its read and write transactions, begun, committed and ended.

With the rooms beneath it (`transaction`, `environment`, `tables`, `datafile`, `lmdbfile`, `copying`) the only one
that knows LMDB. It must not know what the tables mean. A trap it closes, measured: after a flush that failed nothing
more may be written, while a commit that only found no room has changed nothing and can be tried again.

Each view has two tables, `name.a` and `name.b`; `meta` says which set is live. A rebuild fills the
other set and swaps in one transaction. No table is ever dropped, so the handles that other
processes hold stay good.
"""

import gc
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType

import lmdb

from .directory import REPLAY_LOCK, advice_on, lock
from .environment import Environment, suspect
from .errors import ForkedStore, QueuectlError, StoreError, WriteFailed
from .gate import Visit
from .registry import acquire, make_passing
from .tables import VIEW_TABLES
from .transaction import Row, Transaction, key_of
from .txnlocks import Held

__all__ = ["REPLAY_LOCK", "VIEW_TABLES", "Row", "Store", "Transaction", "key_of", "no_collection"]


class Store:
    """An open queue on disk. A forked child opens its own."""

    def __init__(self, path: Path, shared: Environment, *, read_only: bool = False, is_passing: bool = False) -> None:
        self.path = path
        self.is_passing = is_passing
        """Whether no other process can open it."""
        self._shared = shared
        self._is_read_only = read_only
        self._is_open = True
        self._closing = Lock()

    @classmethod
    def open(cls, path: Path, *, create: bool, read_only: bool = False, as_is: bool = False) -> "Store":
        """Open the store at `path`, making it first where `create` is set and nothing is there.

        One that is `read_only` never waits for whoever writes; `as_is`: it is refused where something would
        have to be written first. Raises NoQueue, NotAQueue, NewerFormat or StoreError.
        """
        shared = acquire(path, create=create, read_only=read_only, as_is=as_is)
        return cls(path, shared, read_only=read_only)

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
        except (lmdb.Error, OSError) as error:
            advice = advice_on(error, "free some disk space")
            raise StoreError(f"cannot copy a store to {directory}: {error}; {advice}") from error

    @classmethod
    def open_suspect(cls, path: Path) -> "Store":
        """Open a store whose file may be damaged, to be read, in a process that may end of it; raises StoreError."""
        return cls(path, suspect(path), read_only=True)

    def close(self) -> None:
        """Let go of the environment, which closes with its last user; doing so twice is harmless."""
        if os.getpid() != self._shared.opener:
            return
        with self._closing:
            was_open, self._is_open = self._is_open, False
        if was_open:
            self._shared.remove_user()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a snapshot for reading; keep it short, since it holds old pages on disk.

        Raises StoreError where the file is damaged and the engine notices, or a row cannot be what was written.
        """
        shared = self._shared
        visit, _, txn = self._begin(write=False)
        opened = None
        try:
            opened = self._transaction(txn)
            yield opened
        except lmdb.Error as error:
            advice = advice_on(error, "run `queuectl verify`")
            raise StoreError(f"cannot read the queue at {self.path}: {error}; {advice}") from error
        except Exception as error:
            self._tell_damage(error)
            raise
        finally:
            self._abort(txn)
            if opened is not None:
                opened.forget()
            del txn  # a reader slot is given back once nothing refers to the transaction
            shared.leave(visit)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open the one write transaction; it is committed, flushed to disk, at the end, or leaves no trace.

        Raises WriteFailed when the disk or the map is full, and then it can be tried again, or when the disk
        failed, and then nothing more is written; StoreError where the store was opened to be read only.
        """
        if self._is_read_only:
            raise StoreError(f"cannot write to the queue at {self.path}: it was opened read-only; open it for writing")
        shared = self._shared
        if shared.failure:
            raise self._disk_failed(shared.failure)
        self.check_process()  # the turn may be that of a thread which no forked child has
        with shared.turn:
            visit, held, txn = self._begin(write=True)
            try:
                try:
                    with no_collection():
                        yield self._transaction(txn)
                    self.check_process()
                    shared.check_to_commit(txn)
                    seen = shared.last_seen(txn)
                except lmdb.BadValsizeError as error:
                    self._abort(txn)
                    raise StoreError(
                        f"cannot write to the queue at {self.path}: a name is empty or too long to be a key"
                    ) from error
                except lmdb.MapFullError as error:
                    self._abort(txn)
                    shared.note_full()
                    raise self._no_room(f"no space left in the map of data.mdb ({error})") from error
                except lmdb.Error as error:
                    self._abort(txn)
                    raise self._broken(error) from error
                except BaseException as error:
                    self._abort(txn)
                    self._tell_damage(error)
                    raise
                try:
                    txn.commit()
                except lmdb.Error as error:
                    raise self._broken(error) from error
                shared.opened.note_size()
                shared.note(seen)
            finally:
                shared.leave_writing(visit, held)

    def copy(self) -> Generator[bytes, None, None]:
        """Give the data file as it is now, compacted, piece by piece; a read transaction lives as long.

        That is another process's, so that no thread of this one is held up. Raises StoreError where LMDB cannot
        read its own pages.
        """
        from .copying import pieces  # only where there is a copy to make: it costs a start

        with self._using() as shared:  # refuses what may not be used
            file = shared.opened.file
        yield from pieces(self.path, file)

    @contextmanager
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
        """Give the bytes in use, of the map and on disk."""
        with self._using() as shared:
            shared.check_there()
            used, size = shared.opened.used_bytes(), shared.opened.map_bytes
        return {"used": used, "map": size, "file": (self.path / "data.mdb").stat().st_size}

    @contextmanager
    def _using(self, *, reads: bool = False) -> Iterator[Environment]:
        self.check_process()
        shared = self._shared
        visit = shared.enter(reads=reads)
        try:
            yield shared
        finally:
            shared.leave(visit)

    def check_process(self) -> None:
        """Raise ForkedStore in a child that was forked since this was opened."""
        if os.getpid() != self._shared.opener:
            raise ForkedStore(str(self.path), self._shared.maker, os.getpid())

    def _begin(self, *, write: bool) -> tuple[Visit, Held | None, lmdb.Transaction]:
        """Return what is wanted to leave a transaction, and that."""
        self.check_process()
        if not self._is_open:
            raise StoreError(f"cannot use the queue at {self.path}: it was closed; open it again")
        shared = self._shared
        while True:
            visit, held = shared.enter_writing() if write else (shared.enter(reads=True), None)
            try:
                return visit, held, shared.begin(write=write)
            except BaseException as error:
                shared.leave_writing(visit, held) if write else shared.leave(visit)
                # Another process made the map larger, or a commit that found no room got as far as its last page.
                if isinstance(error, lmdb.MapResizedError | lmdb.PanicError):
                    shared.grow()
                elif isinstance(error, lmdb.Error):
                    advice = advice_on(error, "try again")
                    raise StoreError(f"cannot use the queue at {self.path}: {error}; {advice}") from error
                else:
                    raise

    def _abort(self, txn: lmdb.Transaction) -> None:
        if os.getpid() == self._shared.opener:  # in a forked child it is the parent's, and may go on there
            txn.abort()

    def _tell_damage(self, error: BaseException) -> None:
        """Raise StoreError in the place of an error that comes of damaged rows."""
        if isinstance(error, QueuectlError):
            return
        from .damage import of_rows  # only where something went wrong: it costs a start

        if found := of_rows(error, self.path):
            raise found from error

    def _transaction(self, txn: lmdb.Transaction) -> Transaction:
        sets = self._shared.sets
        live = txn.get(b"live", db=sets["a"]["meta"]) or b"a"
        return Transaction(txn, sets, bytes(live).decode(), self._shared.counted)

    def _broken(self, error: lmdb.Error) -> WriteFailed:
        from .diskspace import is_out_of_room, no_room_by  # only where a write has failed: it costs a start

        if is_out_of_room(self.path, code := getattr(error, "code", 0)):
            return self._no_room(no_room_by(code))
        # After a failed flush the kernel may have dropped the pages, and a second try would lie.
        self._shared.failure = str(error)
        return self._disk_failed(self._shared.failure)

    def _no_room(self, found: str) -> WriteFailed:
        return WriteFailed(str(self.path), found, "free some disk space, then try again", is_full=True)

    def _disk_failed(self, found: str) -> WriteFailed:
        if "CORRUPTED" in found or "PAGE_NOTFOUND" in found:
            return WriteFailed(str(self.path), found, "type `queuectl verify`, which says what is damaged")
        return WriteFailed(str(self.path), found, "check the disk and its free space, then try again")


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector from running meanwhile."""
    # A transaction makes tuples by the ten thousand and no cycles; each collection would walk them
    # all in vain, which cost a tenth of an enqueue and up to a third of a replay.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
