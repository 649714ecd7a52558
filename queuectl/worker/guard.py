"""A worker's guardian, as the worker sees it: a child that ends only after it, and is replaced when it is killed."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..guardian import START
from ..leftovers import unmarked
from .libc import spawn
from .signals import STOPPING


class Guard:
    """Holds one end of a socket whose other end the guardian waits on: by its closing each learns of the other's end.

    To be made once no descriptor below 3 is free.
    """

    def __init__(self, db_path: Path, worker: str) -> None:
        words = (sys.executable, "-I", "-S", "-c", START, Path(__file__).parents[2], db_path, worker)
        self._words = [os.fsencode(word) for word in words]
        # This worker itself may be part of a run.
        self._environ = [name + b"=" + value for name, value in unmarked(os.environb).items()]
        self._end: socket.socket | None = None
        self._pid = 0

    @property
    def is_there(self) -> bool:
        """Tell whether there is a guardian, as far as is known."""
        return self._end is not None

    def fileno(self) -> int:
        """Give the descriptor that is readable once the guardian is gone; only while it is there."""
        assert self._end is not None, "the guardian was started"
        return self._end.fileno()

    def start(self) -> None:
        """Start a guardian; raises OSError where there cannot be one."""
        ours, theirs = socket.socketpair()
        try:
            ours.setblocking(False)
            with theirs, Path(os.devnull).open("r+b", buffering=0) as null:
                fds = (theirs.fileno(), null.fileno(), null.fileno())
                with _deaf():
                    self._pid = spawn(self._words[0], self._words, self._environ, cwd=None, fds=fds)
        except BaseException:
            ours.close()
            raise
        self._end = ours

    def is_gone(self) -> bool:
        """Tell whether the guardian that was there has ended."""
        if self._end is not None:
            with suppress(BlockingIOError):
                self._end.recv(1)  # it sends nothing: this is the end
                return True
        return False

    def close(self) -> None:
        """Let go of the guardian and wait until it has ended; one that finds nothing left does so at once."""
        if self._end is not None:
            self._end.close()
            self._end = None
            os.waitpid(self._pid, 0)


@contextmanager
def _deaf() -> Iterator[None]:
    """Block what is sent to the worker, its terminal and its unit; a child born meanwhile never hears it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
