"""How a process that made work runnable wakes idle workers in others, at once and without polling.

Each worker listens on a named pipe of its own in `<db>/doorbells`. A ring is a hint and no more: it
may be lost or come for nothing, so workers look by themselves from time to time. Imports only os,
stat and errno, since every enqueue pays for it.
"""
# pathlib and contextlib are what the docstring promises not to load:
# ruff: noqa: PTH104, PTH108, PTH118, PTH208

import errno
import os
import stat

from .interrupts import own
from .queue_files import DOORBELLS, NEW

_SUFFIX = ".fifo"
_DRAIN_BYTES = 65536


def ring(db_path: str | os.PathLike[str]) -> None:
    """Wake every worker that listens at this data directory; never fails and never waits."""
    directory = os.path.join(db_path, DOORBELLS)
    try:
        names = os.listdir(directory)
    except own(OSError):
        return
    for name in names:
        if name.endswith(_SUFFIX):
            _press(os.path.join(directory, name))


def _press(path: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except own(OSError) as error:
        if error.errno == errno.ENXIO:  # nobody holds the other end: its worker died
            _remove(path)
        return
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):  # a file that somebody put there is not written to
            os.write(fd, b"!")
    except own(OSError):
        pass  # it is full: the worker has not yet heard the rings before this one
    finally:
        os.close(fd)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except own(OSError):
        pass


class Doorbell:
    """A worker's own bell: readable once somebody rang."""

    def __init__(self, db_path: str | os.PathLike[str], worker_id: str) -> None:
        directory = os.path.join(db_path, DOORBELLS)
        from .files import make_private, open_new_pipe, sweep  # a worker alone makes one

        make_private(directory)
        sweep(directory, NEW)
        self._path = os.path.join(directory, worker_id + _SUFFIX)
        # Made under another name and opened before it gets its own: one that is there but not yet
        # open looks dead to ring(), which would remove it. Opened for writing too, so that it never
        # reports end of file between two rings.
        unheard = os.path.join(directory, worker_id + NEW)
        self._fd = open_new_pipe(unheard)
        try:
            os.rename(unheard, self._path)
        except BaseException:
            os.close(self._fd)
            _remove(unheard)
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._fd

    def clear(self) -> bool:
        """Forget the rings so far; tell whether there were any."""
        try:
            return bool(os.read(self._fd, _DRAIN_BYTES))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Take the bell down."""
        _remove(self._path)
        os.close(self._fd)
