"""A process of our own that a worker starts beside its commands: the same Python, with the worker's environment.

Without the mark of a run, for the worker itself may be part of one.
"""

import os
import sys
from pathlib import Path

from ..leftovers import unmarked
from .libc import Attributes, spawn, strings


class Helper:
    """What is the same at each of its starts: the words behind the interpreter's name, and the environment."""

    def __init__(self, *words: str | Path) -> None:
        self._program = os.fsencode(sys.executable)
        self._argv = strings([self._program, *map(os.fsencode, words)])
        self._environ = strings([name + b"=" + value for name, value in unmarked(os.environb).items()])

    def start(self, fds: tuple[int, int, int]) -> int:
        """Start it, `fds` above 2 as its stdin, stdout and stderr; give its process id, or raise OSError."""
        return spawn(self._program, self._argv, self._environ, Attributes(), cwd=None, fds=fds)
