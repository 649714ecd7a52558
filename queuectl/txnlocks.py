"""Locks around LMDB's transactions, for what its own leave open: processes of two pid namespaces with one pid.

LMDB knows a reader by its pid and a writer by its thread id, and both are counted anew in each container:
- A process keeps the byte `pid` of lock.mdb locked from its first read on, to show that the reader slots with
  its pid are alive; a second process with that pid is refused every read. So the byte is freed when the store
  was opened, and locked, shared, while this process reads.
- Where a process is killed that waits for LMDB's writer mutex, the kernel takes the mutex from whoever holds
  it under the same thread id, and two write at once. So nobody waits there: writers queue at a lock on data.mdb.

Both locks end with their process. A trap closed here: closing any descriptor of lock.mdb frees all of the
process's locks on that file, so it may be opened and closed nowhere else while the store is open.
"""

import fcntl
import os
import time
from pathlib import Path
from threading import get_ident
from typing import Final
from weakref import ref

from . import lock_wait
from .errors import StoreError

_PAUSE_S: Final = 0.002


class ReaderLock:
    """The byte of lock.mdb by which others tell that readers with this pid are alive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path / "lock.mdb", os.O_RDWR | os.O_CLOEXEC)
        found = os.fstat(self._fd)
        self.file = found.st_dev, found.st_ino

    def share(self) -> None:
        """Show that this process reads; waits while another with this pid opens or closes the store."""
        try:
            lock_wait.take_byte(self._fd, os.getpid(), self._path)
        except OSError as error:
            if error.errno is None:  # a signal's handler raised it
                raise
            raise StoreError(f"cannot read the queue at {self._path}: {error.strerror}; try again") from error

    def free(self) -> None:
        """Let others with this pid open and close the store."""
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, os.getpid())

    def seize(self, *, timeout_s: float) -> bool:
        """Return whether no other process with this pid reads, which none can from now on."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, os.getpid())
            except OSError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_PAUSE_S)
            else:
                return True

    def close(self) -> None:
        """Close the descriptor, and with it every lock that this process has on lock.mdb."""
        os.close(self._fd)


class Held:
    """What a write refers to as long as it has the lock on data.mdb, which is let go at the latest when nothing does.

    A signal's handler may raise just where the lock is let go in words; then it goes with the frame of the write.
    """

    def __init__(self) -> None:
        self.thread = get_ident()


class WriterLock:
    """The lock on data.mdb that writers of all processes wait for; threads of one take their turn before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path / "data.mdb", os.O_RDONLY | os.O_CLOEXEC)
        self._pid = os.getpid()
        self._last: ref[Held] | None = None

    def take(self) -> Held:
        """Wait for every other writer, and hold the lock; raises StoreError where this thread is the writer."""
        last = self._last() if self._last is not None else None
        if last is not None and last.thread == get_ident():
            raise StoreError(
                f"cannot write to the queue at {self._path}: this thread is writing to it already; end that first"
            )
        held = Held()
        self._last = ref(held, self._note_forgotten)
        lock_wait.take(self._fd, fcntl.LOCK_EX, lock_wait.WRITE, self._path)
        return held

    def let_go(self) -> None:
        """Let other writers have the lock."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._last = None

    def _note_forgotten(self, last: "ref[Held]") -> None:
        if last is self._last and os.getpid() == self._pid:  # not in a forked child, which has the parent's lock
            self.let_go()

    def file_bytes(self) -> int:
        """Return how large data.mdb is."""
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        """Close the descriptor."""
        self._last = None
        os.close(self._fd)
