"""The LMDB environment of a queue as one process has it, used by many threads.

A trap closed here: closing or enlarging an environment while a thread is in a transaction would end the process.
"""

import os
from collections.abc import Iterator
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path
from threading import RLock
from typing import Final

import lmdb

from ..errors import ForkedStore, NoQueue, StoreError
from ..system import lock_wait
from ..system.scope import scope
from .directory import hold_files
from .gate import Gate, GateEntry, free
from .lmdb_file import PATIENCE_S
from .memory_map import GROW_SHARE
from .opened_files import Counted, OpenedFiles
from .tables import TablesMissing


class Environment(OpenedFiles):
    """An environment as this process holds it, once however many Stores use it: LMDB allows no second.

    It closes with its last user, and not while a transaction is open. One that is `passing` is this process's
    alone and nobody keeps it: nothing of it is flushed.
    """

    def __init__(
        self, path: Path, *, read_only: bool, create: bool = False, passing: bool = False, is_suspect: bool = False
    ) -> None:
        super().__init__(path, passing=passing, is_suspect=is_suspect)
        self.gate = Gate()
        self.turn = RLock()
        """What a thread holds while it writes."""
        self.is_written = False
        """Whether the thread that has the turn is in a write: its signal's handler may come back for another."""
        self.users = 0
        self.disk_error: str | None = None
        self.is_closed = False
        self.counted: Counted = {}
        self.is_full = False
        """Whether the map is to be enlarged before the next write."""
        self._is_untidy = self._is_closing = self._is_retired = False
        self.opener = self.maker = os.getpid()
        """The process that may use it: 0 in a forked child."""
        self._hold = None if passing else hold_files(path, create=create)
        try:
            self._start(read_only=read_only)
        except BaseException:
            self._let_go()
            raise
        try:
            OPEN_ENVIRONMENTS.add(self)
        except BaseException:  # a signal's handler raised it
            self._close()
            raise

    def is_there(self) -> bool:
        """Return whether the path still leads to what is open."""
        try:
            entry = self.enter(reads=True)
        except NoQueue:
            return False
        try:
            self.begin(write=False).abort()
        except NoQueue:
            return False
        except (lmdb.Error, StoreError):  # whoever reads tells of it
            return True
        finally:
            entry.is_inside = False
            self.tidy()
        return True

    def enter(self, *, reads: bool) -> GateEntry:
        """Begin to use the engine; whoever does so sets `is_inside` of what is returned to False, then calls tidy().

        Raises NoQueue where there is something else to be read, StoreError where the last user is gone.
        """
        if (entry := self.gate.enter()) is None:
            raise in_use_error("use", self.path)
        try:
            self._check_usable(gone=self._gone() if reads else "")
            if reads:
                self._begin_reading(entry)
        except BaseException:
            entry.is_inside = False
            self.tidy()
            raise
        return entry

    def _begin_reading(self, entry: GateEntry) -> None:
        is_interrupted = self.gate.is_locked_here  # perhaps as this thread was about to free what is shared
        with self.gate.lock:
            entry.reads = True
            if (self._is_sharing and not is_interrupted) or self.opened.readers is None:
                return
            try:
                self.opened.readers.share()
            finally:
                self._is_sharing = True  # as far as is known: whoever tidies up frees it

    def tidy(self) -> None:
        """Do what is left to be done after one is out: show that nobody reads, close it after its last user.

        Twice is harmless, and so is later: a signal's handler leaves it to its thread, which may be at that just now.
        Does nothing in a forked child, where it is the parent's.
        """
        if not self.opener:
            return
        if self.gate.is_locked_here:
            self._is_untidy = True
            return
        while True:
            with self.gate.lock:
                self._tidy()
            if not self._is_untidy:
                return

    def _tidy(self) -> None:
        is_sharing, self._is_untidy = self._is_sharing or self._is_untidy, False
        if self._is_closing or ((not self.users or self._is_retired) and self.gate.is_empty):
            self._close()
        elif not is_sharing or self.gate.is_reserved:  # one that is alone may have closed what was shared
            return
        elif not any(each.reads for each in self.gate.entries()) and self.opened.end_reading():
            self._is_sharing = False

    def begin_writing(self) -> tuple[GateEntry, int, lmdb.Transaction]:
        """Begin to use the engine as the one writer, which is waited for; call it in this thread's `turn`.

        Returns an entry, the descriptor whose lock keeps other writers out (-1: of none), and the transaction, to be
        ended in the opposite order. Raises as enter() and begin() do.
        """
        self.make_room()
        entry = self.enter(reads=False)
        fd = -1 if self.opened.writers is None else self.opened.writers.fd
        try:
            if fd >= 0:
                lock_wait.take(fd, LOCK_EX, lock_wait.WRITE, self.path)
            self.check_there()  # beside a new lock.mdb others would write what this does not know
            return entry, fd, self.begin(write=True)
        except BaseException:
            try:
                if fd >= 0:
                    flock(fd, LOCK_UN)
            finally:
                entry.is_inside = False
                self.tidy()
            raise

    def _check_usable(self, *, gone: str) -> None:
        if not self.opener:  # the fork came while this waited to go in
            raise ForkedStore(str(self.path), self.maker, os.getpid())
        if gone or self._is_retired:
            raise NoQueue(str(self.path), gone=gone or "its directory was deleted or replaced")
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
        self.is_full = False
        if self.opened.map_bytes <= before:
            self.opened.is_small = False  # there is no room for more, and no use in trying at each write

    def make_room(self) -> None:
        """Enlarge the map before a write where little of it is left; raises StoreError."""
        if self.is_full or (self.opened.is_small and self._is_nearly_full()):
            self.grow()

    def _is_nearly_full(self) -> bool:
        entry = self.enter(reads=False)
        try:
            return self.opened.used_bytes() > GROW_SHARE * self.opened.map_bytes
        finally:
            entry.is_inside = False
            self.tidy()

    def free_readers(self) -> int:
        """Free the slots of readers that were killed, which hold old pages on disk, and return how many."""
        entry = self.enter(reads=False)
        try:
            freed, self.freed_readers = self.freed_readers, 0  # those found at opening count once
            freed += self.opened.env.reader_check()
            with self.gate.lock:
                is_mine = self.opened.slots_of_this_pid() > sum(each.reads for each in self.gate.entries())
        finally:
            entry.is_inside = False
            self.tidy()
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

    @scope
    def _alone(self, *, timeout_s: float) -> Iterator[bool]:
        try:
            with self.gate.alone(timeout_s=timeout_s) as is_alone:
                yield is_alone
        finally:
            self.tidy()  # the last user may have gone meanwhile

    def _restart(self, *, read_only: bool, map_bytes: int = 0) -> None:
        """Close and open it anew, while nobody else is inside; where that fails, as it was if that can be."""
        with self.gate.lock:
            self._check_usable(gone=self._gone())
        was_read_only = self.is_read_only
        try:
            self.opened.close()
            self._start(read_only=read_only, map_bytes=map_bytes)
        except BaseException:
            try:
                self.opened.close()
                self._start(read_only=was_read_only)
            except BaseException:
                self._close()
            raise

    # Users

    def add_user(self) -> bool:
        """Count one more user, and return whether it still can be used."""
        is_added = False
        try:
            with self.gate.lock:
                if self._is_closing:  # whoever closed it was interrupted
                    self._close()
                if not self.is_closed and not self._is_retired:
                    self.users, is_added = self.users + 1, True
        except BaseException:
            if is_added:
                self.remove_user()
            raise
        return is_added

    def remove_user(self) -> None:
        """Count one user less; the last one closes it, or whoever ends the last transaction."""
        with self.gate.lock:
            self.users -= 1
        self.tidy()

    def retire(self) -> None:
        """Let nobody use it any more: its path leads elsewhere."""
        self._is_retired = True
        self.tidy()

    def _close(self) -> None:
        """Close it; where that was interrupted, the next who comes goes on with it."""
        if self.is_closed:
            return
        self._is_closing = True
        self.opened.close()
        OPEN_ENVIRONMENTS.discard(self)
        self._let_go()
        self.is_closed = True

    def disown(self) -> None:
        """Have nothing more to do with it, in a forked child: it is the parent's."""
        self.opener = 0
        self.gate.disown()
        free(self.turn)
        self.opened.abandon()
        if self._hold is not None:
            self._hold.file.close()

    def _let_go(self) -> None:
        if self._hold is not None:
            self._hold.let_go()


def in_use_error(what: str, path: Path) -> StoreError:
    """Return the error for a signal's handler that would have to wait for the thread which it interrupted."""
    return StoreError(
        f"cannot {what} the queue at {path} while this thread is beginning or ending another use of it; "
        "do so afterwards"
    )


OPEN_ENVIRONMENTS: Final[set[Environment]] = set()
"""Those that are open in this process."""


def suspect_environment(path: Path) -> Environment:
    """Open an environment whose file may be damaged, to be read only, in a process that may end of it.

    Raises StoreError.
    """
    try:
        shared = Environment(path, read_only=True, is_suspect=True)
        shared.add_user()
        return shared
    except TablesMissing:
        raise StoreError(f"cannot read the queue at {path}: tables are missing in data.mdb") from None
    except lmdb.Error as error:
        raise StoreError(f"cannot read the queue at {path}: {str(error).rstrip('.')}") from error
