"""The parent of a worker's commands, where the worker is in a program of somebody else's.

Such a program may wait for every child there is, or have the kernel forget them: how a command ended would be
lost, and its id another's. Of this process they are not. It starts what the worker asks for and tells how each ended,
whose id stays its own until the worker lets go of it. Runs as `python -I -S -c START DIRECTORY`, with a socket to
the worker as its stdin. Knows nothing of jobs; a worker that has its process to itself needs none.
"""

import errno
import marshal
import os
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Final, TypeAlias

from ..system.processes import exit_status

START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from queuectl.liveness.command_parent import main; main()"

REQUEST: Final = struct.Struct("=QI")
"""A number for the command, and how many bytes with its particulars follow: 0 lets go of it."""

REPORT: Final = struct.Struct("=Qiq")
"""The number of the command; its id, 0 where it could not be started, or ENDED; the error, or how it ended."""

PARENT_ENDED: Final = -1

LOOK_EVERY_S: Final = 1.0
"""How often it looks whether its worker is gone: what the program has forked may hold the socket open."""

Particulars: TypeAlias = tuple[bytes, list[bytes], dict[bytes, bytes], bytes | None]
"""The program, its words, its environment and its directory; None: this process's own."""

_STANDARD: Final = 3
_HEARD_BY_COMMANDS: Final = {signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD}
"""What a command hears though this process was given it as ignored: Python ignores the first two by itself."""

_DEAF_TO: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What is sent to all of a unit: whether commands end is the worker's to say."""


def main() -> None:
    """Be the parent until the worker is gone."""
    CommandParent(socket.socket(fileno=sys.stdin.fileno())).run()


class CommandParent:
    """The commands that were started and not let go of, by their numbers."""

    def __init__(self, worker: socket.socket) -> None:
        self._worker = worker
        self._pid_of_worker = os.getppid()
        self._pids: dict[int, int] = {}
        self._told: set[int] = set()
        self._home = os.open(".", getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC)
        ignored = {number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN}
        self._heard = signal.valid_signals() - ignored | _HEARD_BY_COMMANDS
        for number in _DEAF_TO:
            signal.signal(number, signal.SIG_IGN)

    def run(self) -> None:
        """Start, tell and let go, until the worker's end of the socket is closed."""
        rung, ringing = os.pipe()
        for fd in (rung, ringing):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(ringing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # the wakeup descriptor tells
        poll = select.poll()
        poll.register(rung, select.POLLIN)
        poll.register(self._worker, select.POLLIN)
        with suppress(ConnectionError):
            while os.getppid() == self._pid_of_worker:
                ready = [fd for fd, _ in poll.poll(LOOK_EVERY_S * 1000)]
                if rung in ready:
                    os.read(rung, 4096)
                    self._tell_ends()
                if self._worker.fileno() in ready and not self._heed():
                    return

    def _heed(self) -> bool:
        """Do what the worker asks for next; returns False where it is gone."""
        header, fds, _, _ = socket.recv_fds(self._worker, REQUEST.size, _STANDARD)
        if len(header) < REQUEST.size:
            return False
        number, size = REQUEST.unpack(header)
        if size:
            self._begin(number, marshal.loads(self._received(size)), fds)
        else:
            self._let_go(number)
        return True

    def _received(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            if not (part := self._worker.recv(size - len(content))):
                raise ConnectionResetError
            content += part
        return bytes(content)

    def _begin(self, number: int, what: Particulars, fds: list[int]) -> None:
        try:
            if len(fds) < _STANDARD:  # the limit on descriptors kept the others out
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            pid, error = self._spawn(what, fds), 0
            self._pids[number] = pid
        except OSError as refusal:
            pid, error = 0, refusal.errno or errno.EINVAL
        finally:
            for fd in fds:
                os.close(fd)
        self._worker.sendall(REPORT.pack(number, pid, error))

    def _spawn(self, what: Particulars, fds: list[int]) -> int:
        path, argv, env, cwd = what
        for fd in fds:
            os.set_inheritable(fd, False)  # of which a command gets copies
        actions = [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate(fds)]
        try:
            if cwd is not None:
                os.chdir(cwd)
            return os.posix_spawn(path, argv, env, file_actions=actions, setsid=True, setsigdef=self._heard)
        finally:
            if cwd is not None:
                os.fchdir(self._home)

    def _tell_ends(self) -> None:
        for number, pid in self._pids.items():
            if number not in self._told and (status := exit_status(pid, os.WNOHANG)) is not None:
                self._told.add(number)
                self._worker.sendall(REPORT.pack(number, PARENT_ENDED, status))

    def _let_go(self, number: int) -> None:
        if number in self._told:
            with suppress(ChildProcessError):  # it was reaped at the look already, where there is no other (macOS)
                os.waitpid(self._pids[number], os.WNOHANG)
            self._told.discard(number)
            del self._pids[number]
