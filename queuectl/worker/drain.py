"""Where a worker leaves the pipes of runs that are over while something in the background may still print.

One process for all of them, started when there is the first; see `drainer`.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .helper import Helper
from .libc import close

if TYPE_CHECKING:
    from socket import socket

_START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from queuectl.drainer import main; main()"

MOST_HELD: Final = 64
"""How many pipes are kept open unread while no process can be had to read them."""

_START_S: Final = 5.0
"""How long the process that starts it may take to end."""


class Drain:
    """At most one drainer, which is replaced when it is gone.

    To be used once no descriptor below 3 is free.
    """

    def __init__(self) -> None:
        self._helper = Helper("-I", "-S", "-c", _START, Path(__file__).parents[2])
        self._socket: socket | None = None
        self._held: list[int] = []

    def take(self, pipes: list[int]) -> None:
        """Have pipes read on until their last writer is gone; they are closed here."""
        self._held += pipes
        for _ in range(2):  # the one that was there may be gone
            with suppress(OSError):
                self._send_all()
            if not self._held:
                return
        close(self._held[:-MOST_HELD])
        del self._held[:-MOST_HELD]

    def tidy(self) -> None:
        """Reap what started the drainer: it is there for a moment only."""
        self._helper.has_ended()

    def close(self) -> None:
        """Let go of the drainer, which goes on by itself while it has something to read."""
        close(self._held)
        self._held = []
        self._let_go()

    def _send_all(self) -> None:
        from socket import send_fds  # most workers need none

        worker = self._socket or self._start()
        try:
            while self._held:
                send_fds(worker, [b"!"], self._held[-1:])
                close([self._held.pop()])
        except OSError:
            self._let_go()
            raise

    def _start(self) -> "socket":
        from socket import socketpair

        ours, theirs = socketpair()
        try:
            ours.setblocking(False)
            with theirs, Path(os.devnull).open("r+b", buffering=0) as null:
                self._helper.start((theirs.fileno(), null.fileno(), null.fileno()))
        except BaseException:
            ours.close()
            raise
        self._socket = ours
        return ours

    def _let_go(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._helper.wait(patience_s=_START_S)
