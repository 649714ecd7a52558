"""A process of our own that a worker starts beside its commands: the same Python, with the worker's environment.

Without the mark of a run, for the worker itself may be part of one.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from ..leftovers import unmarked
from .libc import Attributes, spawn, strings

UNREAPED: Final[set[int]] = set()
"""The helpers of this process that it has not reaped."""

_AGAIN_S: Final = 0.002


class Helper:
    """What is the same at each of its starts: the words behind the interpreter's name, and the environment."""

    def __init__(self, *words: str | Path) -> None:
        self._program = os.fsencode(sys.executable)
        self._argv = strings([self._program, *map(os.fsencode, words)])
        self._environ = strings([name + b"=" + value for name, value in unmarked(os.environb).items()])

    def start(self, fds: tuple[int, int, int]) -> int:
        """Start it, `fds` above 2 as its stdin, stdout and stderr; give its process id, or raise OSError."""
        pid = spawn(self._program, self._argv, self._environ, Attributes(), cwd=None, fds=fds)
        UNREAPED.add(pid)
        return pid


def has_ended(pid: int) -> bool:
    """Whether a helper has ended; it is reaped then, and its id is nobody's any more."""
    try:
        is_over = bool(os.waitpid(pid, os.WNOHANG)[0])
    except ChildProcessError:  # somebody else in this program reaped it
        is_over = True
    if is_over:
        UNREAPED.discard(pid)
    return is_over


def wait_for(pid: int, *, patience_s: float) -> None:
    """Wait until a helper has ended, and kill it when that takes too long."""
    give_up_at = time.monotonic() + patience_s
    while not has_ended(pid):
        if time.monotonic() > give_up_at:
            os.kill(pid, signal.SIGKILL)
        time.sleep(_AGAIN_S)
