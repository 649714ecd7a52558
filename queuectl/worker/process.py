"""One command as a process of the operating system: its group, its pipes, its exit.

Knows nothing of jobs, leases or time limits. How a process is spawned stays hidden in here, so that
another way of spawning can take its place.
"""
# Paths are bytes here, as the system has them, which pathlib does not know:
# ruff: noqa: PTH113, PTH116, PTH118

import errno
import os
import signal
import stat
from collections.abc import Mapping
from functools import cache
from typing import Final, Literal, TypeAlias

from ..errors import QueuectlError
from ..events.types import Command
from .libc import Environment, close, spawn

Stream: TypeAlias = Literal[b"o", b"e"]
STDOUT: Final = b"o"
STDERR: Final = b"e"

READ_BYTES: Final = 65536
_STDERR_FD: Final = 2


class SpawnError(QueuectlError):
    """The command could not be started; the message says why."""


class Shortage(QueuectlError):
    """The worker has no descriptors, processes or memory left for a command: no fault of the command's."""


@cache
def can_watch_exits() -> bool:
    """Tell whether this system makes a process's end something to wait on; tried out, since a sandbox may forbid it."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


class Process:
    """A running command, leader of its own session and process group, with two pipes to read.

    `exit_fd` becomes readable when it exits; None before watch_exit(), and where the platform has no such thing:
    there the caller polls when SIGCHLD arrives.
    """

    def __init__(self, pid: int, pipes: dict[Stream, int]) -> None:
        self.pid = pid
        self.pipes = pipes
        self.exit_fd: int | None = None
        self._status: int | None = None

    def watch_exit(self) -> None:
        """Have `exit_fd`, where there is such a thing; only before poll() gave a code.

        Raises OSError where no descriptor is left. It costs as much as the pipes: a brief command does without.
        """
        if self.exit_fd is None and can_watch_exits():
            self.exit_fd = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        """Give the exit code, minus the signal's number where one killed it, or None while it runs."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def read(self, stream: Stream) -> bytes | None:
        """Give what lies in a pipe, b"" at its end, None when there is nothing just now."""
        try:
            return os.read(self.pipes[stream], READ_BYTES)
        except BlockingIOError:
            return None

    def signal_group(self, number: int) -> bool:
        """Send a signal to all of the group, 0 to send none; tell whether anyone is left in it."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:  # someone is there, under another user
            return True
        return True

    def close(self) -> None:
        """Close what is still open; the process must have been reaped by poll()."""
        close(self.pipes.values())
        self.pipes.clear()
        if self.exit_fd is not None:
            close((self.exit_fd,))
            self.exit_fd = None


class Launcher:
    """Spawns commands, in any thread; keeps what is the same for all of them."""

    def __init__(self, base_env: Mapping[bytes, bytes]) -> None:
        self._base = Environment({os.fsdecode(name): name + b"=" + value for name, value in base_env.items()})
        self._path = base_env.get(b"PATH", os.defpath.encode())
        # A descriptor of a command's that is also one of the three it gets would be overwritten while they are
        # put in place: where the worker has no stdin, stdout or stderr, the null device takes their numbers.
        self._nulls: list[int] = []
        try:
            while not self._nulls or self._nulls[-1] <= _STDERR_FD:
                self._nulls.append(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of what all commands share."""
        close(self._nulls)

    def spawn(self, command: Command, *, cwd: str | None, env: Mapping[str, str]) -> Process:
        """Start a command, `env` laid over the worker's own; raises SpawnError, or Shortage.

        Where it raises, no process is left.
        """
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        ends: list[int] = []
        try:
            for _ in (STDOUT, STDERR):
                ends += os.pipe()
                os.set_blocking(ends[-2], False)
            pid = self._start(argv, cwd, env, stdout=ends[1], stderr=ends[3])
        except (OSError, ValueError) as error:
            close(ends)
            raise _refusal(error, argv, cwd) from error
        close(ends[1::2])
        return Process(pid, {STDOUT: ends[0], STDERR: ends[2]})

    def _start(self, argv: list[str], cwd: str | None, env: Mapping[str, str], *, stdout: int, stderr: int) -> int:
        texts = [*argv, *(f"{name}={value}" for name, value in env.items()), cwd or ""]
        encoded = os.fsencode("\0".join(texts)).split(b"\0")
        if len(encoded) != len(texts):
            raise ValueError("embedded null byte")
        if any("=" in name for name in env):
            raise ValueError("illegal environment variable name")
        words, where = encoded[: len(argv)], encoded[-1] or None
        own = dict(zip(env, encoded[len(argv) : -1], strict=True))
        program = words[0] if b"/" in words[0] else _find(words[0], self._path_of(own), where)
        return spawn(program, words, self._base.under(own), cwd=where, fds=(self._nulls[-1], stdout, stderr))

    def _path_of(self, own: Mapping[str, bytes]) -> bytes:
        return own["PATH"].partition(b"=")[2] if "PATH" in own else self._path


def _find(name: bytes, path: bytes, cwd: bytes | None) -> bytes:
    """Find a program as the command itself would, by its own PATH, seen from its own directory."""
    error = errno.ENOENT
    for directory in path.split(b":"):
        found = os.path.join(cwd or b"", directory, name)
        if os.path.isfile(found):
            if os.access(found, os.X_OK):
                return found
            error = errno.EACCES
    raise OSError(error, os.strerror(error))


def signal_name(number: int) -> str:
    """Name a signal as people know it: SIGKILL, SIGRTMIN+3."""
    try:
        return signal.Signals(number).name
    except ValueError:
        first = getattr(signal, "SIGRTMIN", None)
        return f"SIGRTMIN+{number - first}" if first is not None and number > first else f"signal {number}"


def _refusal(error: OSError | ValueError, argv: list[str], cwd: str | None) -> QueuectlError:
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        return Shortage(f"the worker cannot start more commands now ({error.strerror})")
    return SpawnError(f"cannot start: {_cause(error, argv, cwd)}")


def _cause(error: OSError | ValueError, argv: list[str], cwd: str | None) -> str:
    if not isinstance(error, OSError):
        return f"the command or its environment cannot be passed on ({error})"
    if cwd is not None and (refusal := _why_not_enter(cwd)) is not None:
        return _CWD_CAUSES.get(refusal.errno or 0, "cannot enter {0!r}: {1}").format(cwd, refusal.strerror)
    return _PROGRAM_CAUSES.get(error.errno or 0, "cannot run {0!r}: {1}").format(argv[0], error.strerror)


def _why_not_enter(directory: str) -> OSError | None:
    """Tell why a directory cannot be entered: a failed spawn does not say which of its steps failed."""
    try:
        is_directory = stat.S_ISDIR(os.stat(directory).st_mode)
    except OSError as error:
        return error
    if is_directory and os.access(directory, os.X_OK):
        return None
    number = errno.EACCES if is_directory else errno.ENOTDIR
    return OSError(number, os.strerror(number))


_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})
_CWD_CAUSES: Final[Mapping[int, str]] = {
    errno.ENOENT: "no such directory {0!r}",
    errno.ENOTDIR: "{0!r} is not a directory",
    errno.EACCES: "no permission to enter the directory {0!r}",
}
_PROGRAM_CAUSES: Final[Mapping[int, str]] = {
    errno.ENOENT: "no such program {0!r}",
    errno.EACCES: "{0!r} may not be executed",
    errno.ENOEXEC: "{0!r} is not a program (it may lack its #! line)",
    errno.E2BIG: "the command and its environment are longer than this system allows",
}
