"""A worker's guardian, as the worker sees it: a child that ends only after it, and is replaced when it is killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ..liveness.guardian import START
from .helper_process import Helper
from .posix_spawn import close
from .signals import STOPPING

PATIENCE_S: Final = 15.0
"""How long a guardian gets to end: longer than it takes at the most to kill what is left."""


class Guard:
    """Holds an end of each of two pipes to the guardian: by their closing each learns of the other's end.

    To be made once no descriptor below 3 is free.
    """

    def __init__(self, db_path: Path, worker: str) -> None:
        self._helper = Helper("-I", "-S", "-c", START, Path(__file__).parents[2], db_path, worker)
        self._ends: list[int] = []

    @property
    def is_there(self) -> bool:
        """Return whether there is a guardian, as far as is known."""
        return bool(self._ends)

    def fileno(self) -> int:
        """Return the descriptor that is readable once the guardian is gone; only while it is there."""
        return self._ends[0]

    def start(self) -> None:
        """Start a guardian; raises OSError where there cannot be one."""
        reading, its_writing = os.pipe()
        ends = [reading, its_writing]
        try:
            its_reading, writing = os.pipe()
            ends += [its_reading, writing]
            with Path(os.devnull).open("r+b", buffering=0) as null, _deaf():
                self._helper.start((its_reading, its_writing, null.fileno()))
        except BaseException:
            close(ends)
            raise
        close((its_reading, its_writing))
        self._ends = [reading, writing]

    def close(self) -> None:
        """Let go of the guardian and wait until it has ended; one that finds nothing left does so at once."""
        if not self._ends:
            return
        with suppress(OSError):
            os.write(self._ends[1], b"\0")  # by which it ends, though what was forked from here may hold the pipe open
        close(self._ends)
        self._ends = []
        self._helper.send(signal.SIGCONT)  # a stopped one would not end
        self._helper.wait(patience_s=PATIENCE_S)


@contextmanager
def _deaf() -> Iterator[None]:
    """Block what is sent to the worker, its terminal and its unit; a child born meanwhile never hears it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
