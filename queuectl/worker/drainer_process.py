"""Where a worker leaves the pipes of runs that are over while something in the background may still print.

One process for all of them, started when there is the first; see `liveness.drainer`.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .helper_process import Helper
from .posix_spawn import close

if TYPE_CHECKING:
    from socket import socket

_START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from queuectl.liveness.drainer import main; main()"

MOST_HELD: Final = 64
"""How many pipes are kept open unread while there is no process to read them, or it has not come to take them."""

_LATER: Final = frozenset({errno.EAGAIN, errno.ETOOMANYREFS})
"""What is met where the drainer lives and has not taken what was sent before."""

_START_S: Final = 5.0
"""How long the process that starts it may take to end."""


class DrainerHandle:
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
        self._pass_on()
        close(self._held[:-MOST_HELD])
        del self._held[:-MOST_HELD]

    def tidy(self) -> None:
        """Reap what started the drainer, which is there for a moment only, and send what could not be sent before."""
        self._helper.has_ended()
        self._pass_on()

    def close(self) -> None:
        """Let go of the drainer, which goes on by itself while it has something to read."""
        close(self._held)
        self._held = []
        self._let_go()

    def _pass_on(self) -> None:
        for _ in range(2):  # the drainer that was there may be gone
            if self._held:
                with suppress(OSError):
                    self._send()

    def _send(self) -> None:
        """Send all that is held, in one message, if there is room for it just now."""
        from socket import send_fds  # most workers need none

        worker = self._socket or self._start()
        try:
            send_fds(worker, [b"!"], self._held)
        except OSError as error:
            if error.errno not in _LATER:
                self._let_go()
            raise
        close(self._held)
        self._held = []

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
