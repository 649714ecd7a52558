"""One command as a process of the operating system: its group, its pipes, its exit.

Knows nothing of jobs, leases or time limits, nor of how it was started.
"""

import os
import signal
from collections.abc import Collection
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from ..outputs.frames import OutputStream
from ..system.processes import exit_status
from .arrivals import Watch
from .posix_spawn import close

READ_BYTES: Final = 65536

UNKNOWN: Final = 256
"""The exit status of a command whose parent was killed, or that somebody else reaped: more than any is."""


class Child(Protocol):
    """A command's process, as whoever waits for it has it."""

    @property
    def pid(self) -> int:
        """Return its id."""
        ...

    def status(self, *, patient: bool) -> int | None:
        """Return its exit code, or minus its signal, waiting for its end where `patient`; None while it runs.

        Raises ChildProcessError where nobody can know.
        """
        ...

    def reap(self) -> None:
        """Let the system forget it, if it has ended; until then its id is nobody else's."""
        ...


class OwnChild(NamedTuple):
    """A child of this process's own."""

    pid: int

    def status(self, *, patient: bool) -> int | None:
        """Return its exit code, or minus its signal, and leave it to be reaped."""
        return exit_status(self.pid, 0 if patient else os.WNOHANG)

    def reap(self) -> None:
        """Let the system forget it, if it has ended."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)


class Process:
    """A running command, leader of its own session and process group, with two pipes to read.

    It was started between two moments, `born_s`, in seconds since the machine was.
    """

    def __init__(
        self,
        child: Child,
        pipes: dict[OutputStream, int],
        watch: Watch[OutputStream],
        *,
        born_s: tuple[float, float],
    ) -> None:
        self.pid = child.pid
        self._child = child
        self.pipes = pipes
        self.born_s = born_s
        self._watch = watch
        self._status: int | None = None

    def wait(self) -> bool:
        """Wait until it has exited, in a thread of its own; tell whether it did so with 0.

        It is left to close() to reap it, which may also come first.
        """
        return self._look(patient=True) == 0

    def exit_status(self) -> int | None:
        """Return the exit code, minus the signal's number where one killed it, or None while it runs.

        UNKNOWN where nobody can know. It is left to close() to reap it: until then neither its process id
        nor its group or session can become another's.
        """
        if self._status is None:
            self._look(patient=False)
        return self._status

    def _look(self, *, patient: bool) -> int | None:
        try:
            status = self._child.status(patient=patient)
        except ChildProcessError:
            status = UNKNOWN
        if self._status is None:  # what another thread of ours saw first stands
            self._status = status
        return status

    def reap(self) -> None:
        """Let the system forget it, if it has exited."""
        self._child.reap()

    def read(self, stream: OutputStream) -> bytes | None:
        """Return what lies in a pipe, b"" at its end, None when there is nothing just now."""
        try:
            return os.read(self.pipes[stream], READ_BYTES)
        except BlockingIOError:
            return None

    def arrivals(self) -> list[OutputStream]:
        """Return the streams that were printed to since the last time, in order, as far as that is known."""
        return self._watch.take()

    def signal_group(self, number: int) -> bool:
        """Send a signal to all of the group, 0 to send none; tell whether anyone is left in it."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:  # someone is there, under another user
            return True
        return True

    def close(self, *, but: Collection[OutputStream] = ()) -> list[int]:
        """Close the pipes, give up those of some streams, and let go of a process that has exited."""
        self.reap()
        self._watch.end()
        left = [self.pipes.pop(stream) for stream in but]
        close(self.pipes.values())
        self.pipes.clear()
        return left


def signal_name(number: int) -> str:
    """Name a signal as people know it: SIGKILL, SIGRTMIN+3."""
    try:
        return signal.Signals(number).name
    except ValueError:
        first = getattr(signal, "SIGRTMIN", None)
        return f"SIGRTMIN+{number - first}" if first is not None and number > first else f"signal {number}"
