"""A process of our own that a worker starts beside its commands: the same Python, with the worker's environment.

Without the mark of a run, for the worker itself may be part of one.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from weakref import WeakSet

from ..system.boot import sees_processes
from ..system.processes import SeenProcesses, seen, send
from ..system.run_mark import unmarked
from .posix_spawn import Attributes, spawn, strings

_AGAIN_S: Final = 0.002


class Helper:
    """One such process at a time, from its start until it is reaped, which is done here alone.

    In a program of somebody else's another part may reap it first, and its id be a stranger's from then on.
    """

    def __init__(self, *words: str | Path) -> None:
        self._program = os.fsencode(sys.executable)
        self._argv = strings([self._program, *map(os.fsencode, words)])
        self._environ = strings([name + b"=" + value for name, value in unmarked(os.environb).items()])
        self._process: SeenProcesses | None = None
        self.pid = 0
        """Of the one that was started and not reaped; 0: there is none."""
        self.has_failed = False
        """Whether the last one that was reaped here ended otherwise than with 0."""
        _made.add(self)

    def start(self, fds: tuple[int, int, int]) -> None:
        """Start it once the last one has ended, `fds` above 2 as its stdin, stdout and stderr; raises OSError."""
        self.pid = spawn(self._program, self._argv, self._environ, Attributes(), cwd=None, fds=fds)
        self._process = seen(self.pid)

    def has_ended(self) -> bool:
        """Whether none is there; one that has ended is reaped, and its id is nobody's any more."""
        if self.pid:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else in this program reaped it
                pid, status = self.pid, 0
            if pid:
                self.pid, self.has_failed = 0, bool(status)
        return not self.pid

    def send(self, number: int) -> None:
        """Send it a signal, and none to a stranger that has its id by now."""
        if self._process is not None:
            send(self._process, number)
        elif not sees_processes() and not self.has_ended():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, *, patience_s: float) -> None:
        """Wait until it has ended, and kill it when that takes too long."""
        give_up_at = time.monotonic() + patience_s
        while not self.has_ended():
            if time.monotonic() > give_up_at:
                self.send(signal.SIGKILL)
            time.sleep(_AGAIN_S)


_made: Final[WeakSet[Helper]] = WeakSet()


def unreaped() -> set[int]:
    """Return the ids of the helpers of this process that are not reaped."""
    return {helper.pid for helper in _made if helper.pid}
