"""Commands that are children of another process than the worker's: of their parent, as the worker sees that.

So nothing else in the worker's program can wait for them. One such process for all of a worker's
commands, which is replaced when it is killed; see `liveness.command_parent`.
"""

import errno
import marshal
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from socket import MSG_WAITALL, SHUT_RDWR, send_fds, socketpair
from typing import Final

from ..liveness.command_parent import PARENT_ENDED, REPORT, REQUEST, START, Particulars
from .helper_process import Helper

_ENDS_S: Final = 5.0
"""How long that process may take to end."""


class Fostered:
    """One command, as its number stands for it; `pid` once it has begun."""

    def __init__(self, parent: "_Parent", number: int) -> None:
        self._parent = parent
        self._number = number
        self._begun = threading.Event()
        self._ended = threading.Event()
        self._status: int | None = None
        self._error = 0
        self.pid = 0

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more, as far as is known."""
        return self._ended.is_set()

    def begun(self) -> None:
        """Wait until it has begun; raises OSError where it has not."""
        self._begun.wait()
        if not self.pid:
            raise OSError(self._error, os.strerror(self._error))

    def status(self, *, patient: bool) -> int | None:
        """Return its exit code, or minus its signal, waiting for its end where `patient`; None while it runs.

        Raises ChildProcessError where its parent was killed: nobody knows.
        """
        if patient:
            self._ended.wait()
        if self._ended.is_set() and self._status is None:
            raise ChildProcessError
        return self._status

    def reap(self) -> None:
        """Let the system forget it, if it has ended."""
        self._parent.let_go(self._number)

    def hear(self, pid: int, value: int) -> None:
        """Take note of what its parent tells."""
        if pid == PARENT_ENDED:
            self._status = value
            self._ended.set()
        else:
            self.pid, self._error = pid, value
            self._begun.set()

    def lose(self) -> None:
        """Take note that its parent is gone."""
        self._error = self._error or errno.EPIPE
        self._begun.set()
        self._ended.set()


class ParentHandle:
    """The process that commands are started by, which is replaced when it is killed.

    Make it once no descriptor below 3 is free; raises OSError where it cannot be started.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._number = 0
        self._parent: _Parent | None = _Parent()

    def spawn(self, what: Particulars, fds: Sequence[int]) -> Fostered:
        """Start a command with three descriptors; raises OSError, EPIPE where its parent was killed."""
        with self._mutex:
            if self._parent is None or self._parent.is_gone:
                self._let_go()
                self._parent = _Parent()
            self._number += 1
            child = self._parent.ask(self._number, marshal.dumps(what), fds)
        child.begun()
        return child

    def close(self) -> None:
        """Have it end."""
        with self._mutex:
            self._let_go()

    def _let_go(self) -> None:
        if self._parent is not None:
            self._parent.close()
            self._parent = None


class _Parent:
    """One such process, and the thread that hears what it tells."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()  # for what is sent, and who is to hear
        self._children: dict[int, Fostered] = {}
        self.is_gone = False
        self._helper = Helper("-I", "-S", "-c", START, Path(__file__).parents[2])
        self._socket, theirs = socketpair()
        self._thread = threading.Thread(target=self._hear, name="command parent", daemon=True)
        try:
            with theirs, Path(os.devnull).open("r+b", buffering=0) as null:
                self._helper.start((theirs.fileno(), null.fileno(), null.fileno()))
            self._thread.start()
        except BaseException as error:
            self._socket.close()
            self._helper.wait(patience_s=_ENDS_S)
            if isinstance(error, RuntimeError):
                raise OSError(errno.EAGAIN, str(error)) from error
            raise

    def ask(self, number: int, what: bytes, fds: Sequence[int]) -> Fostered:
        """Have a command started under a number."""
        child = Fostered(self, number)
        with self._mutex:
            if self.is_gone:
                child.lose()
                return child
            self._children[number] = child
            try:
                send_fds(self._socket, [REQUEST.pack(number, len(what))], fds)
                self._socket.sendall(what)
            except ConnectionError:  # of which the thread hears too
                pass
            except OSError:
                del self._children[number]
                raise
        return child

    def let_go(self, number: int) -> None:
        """Have a command forgotten that has ended."""
        with self._mutex:
            child = self._children.get(number)
            if child is not None and child.has_ended:
                del self._children[number]
                with suppress(OSError):
                    self._socket.sendall(REQUEST.pack(number, 0))

    def close(self) -> None:
        """End it; what runs is lost to it."""
        with suppress(OSError):
            self._socket.shutdown(SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        self._helper.wait(patience_s=_ENDS_S)

    def _hear(self) -> None:
        with suppress(ConnectionError):
            while len(report := self._socket.recv(REPORT.size, MSG_WAITALL)) == REPORT.size:
                number, pid, value = REPORT.unpack(report)
                if (child := self._children.get(number)) is not None:
                    child.hear(pid, value)
        with self._mutex:
            self.is_gone = True
            for child in self._children.values():
                child.lose()
