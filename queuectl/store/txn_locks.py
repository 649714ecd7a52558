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
from typing import Final

from ..errors import StoreError
from ..system import lock_wait
from ..system.interrupts import own
from ..system.queue_files import DATA_FILE, LMDB_LOCK_FILE

_PAUSE_S: Final = 0.002


class ReaderLock:
    """The byte of lock.mdb by which others tell that readers with this pid are alive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = (path / LMDB_LOCK_FILE).open("r+b", buffering=0)  # which closes it, if a handler raises here
        self._fd = self._file.fileno()
        found = os.fstat(self._fd)
        self.file = found.st_dev, found.st_ino
        self.least_bytes = found.st_size

    def share(self) -> None:
        """Show that this process reads; waits while another with this pid opens or closes the store."""
        try:
            lock_wait.take_byte(self._fd, os.getpid(), self._path)
        except own(OSError) as error:
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
            except own(OSError):
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_PAUSE_S)
            else:
                return True

    def is_cut(self) -> bool:
        """Whether the file was made smaller: who touches the part that is gone, which LMDB has mapped, is killed."""
        return os.fstat(self._fd).st_size < self.least_bytes

    def close(self) -> None:
        """Close the file, and with it every lock that this process has on lock.mdb; twice is harmless."""
        self._file.close()


class WriterLock:
    """data.mdb opened for the lock that writers of all processes wait for; threads of one take their turn before.

    Whoever writes takes it by `flock(fd, LOCK_EX)`, and lets go of it by `flock(fd, LOCK_UN)` as the first thing in a
    `finally`: a signal's handler may raise as a function in Python begins, and a call in C is over by then.
    """

    def __init__(self, path: Path) -> None:
        self._file = (path / DATA_FILE).open("rb", buffering=0)  # which closes it, if a handler raises here
        self.fd = self._file.fileno()

    def file_bytes(self) -> int:
        """Return how large data.mdb is."""
        return os.fstat(self.fd).st_size

    def close(self) -> None:
        """Close the file; twice is harmless."""
        self._file.close()
