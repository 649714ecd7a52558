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
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ..core.shells import DEFAULT as DEFAULT_SHELL
from ..core.shells import words_before
from ..errors import QueuectlError
from ..events.types import Command
from ..outputs.frames import STDERR, STDOUT, Stream
from ..system.boot import booted_s
from ..system.processes import exit_status
from .arrivals import Arrivals, Watch
from .posix_spawn import Attributes, Environment, Strings, close, pipe, spawn, strings

if TYPE_CHECKING:
    from .parent import ParentHandle

READ_BYTES: Final = 65536
DEFAULT_PATH: Final = os.defpath.encode()
"""Where programs are looked for without a PATH."""

_STDERR_FD: Final = 2


NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
"""What shells exit with for a program that there is, or is not."""


UNKNOWN: Final = 256
"""The exit status of a command whose parent was killed, or that somebody else reaped: more than any is."""


class SpawnError(QueuectlError):
    """The command could not be started; the message says why, and `code` what a shell would exit with."""

    def __init__(self, why: str, code: int = NOT_EXECUTABLE) -> None:
        self.code = code
        super().__init__(f"cannot start: {why}")


class Shortage(QueuectlError):
    """The worker has no descriptors, processes or memory left for a command: no fault of the command's."""


@contextmanager
def starting(what: str) -> Iterator[None]:
    """Say in one line, as a Shortage, that there are not the means to start something."""
    try:
        yield
    except OSError as error:
        if error.errno not in _SHORTAGES:
            raise
        raise Shortage(f"cannot start {what} ({error.strerror}); {_LIMITS}") from error
    except RuntimeError as error:  # of a thread
        raise Shortage(f"cannot start {what} ({error}); {_LIMITS}") from error


@contextmanager
def with_descriptors() -> Iterator[None]:
    """Say in one line, as a Shortage, that none was left for something else than a command."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_DESCRIPTORS:
            raise
        raise Shortage(f"the worker cannot go on ({error.strerror}); {_LIMITS}") from error


def none_at_all(error: Shortage) -> Shortage:
    """Say that means came back for no command, though none runs."""
    return Shortage(f"{error}, and none runs; {_LIMITS}")


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
        pipes: dict[Stream, int],
        watch: Watch[Stream],
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

    def poll(self) -> int | None:
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

    def read(self, stream: Stream) -> bytes | None:
        """Return what lies in a pipe, b"" at its end, None when there is nothing just now."""
        try:
            return os.read(self.pipes[stream], READ_BYTES)
        except BlockingIOError:
            return None

    def arrivals(self) -> list[Stream]:
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

    def close(self, *, but: Collection[Stream] = ()) -> list[int]:
        """Close the pipes, give up those of some streams, and let go of a process that has exited."""
        self.reap()
        self._watch.end()
        left = [self.pipes.pop(stream) for stream in but]
        close(self.pipes.values())
        self.pipes.clear()
        return left


class Invocation(NamedTuple):
    """A command as the system takes it; `problem` says what about it cannot be passed on.

    `path` is where a program is looked for whose name has no slash.
    """

    command: Command
    cwd: str | None
    program: bytes = b""
    argv: "Strings | None" = None
    env: "Strings | None" = None
    where: bytes | None = None
    path: bytes = b""
    problem: str | None = None
    merge: bool = False

    @property
    def name(self) -> str:
        """Return the name of the program."""
        return os.fsdecode(self.program)


class Launcher:
    """Spawns commands, in any thread; keeps what is the same for all of them.

    `is_sole`: nothing else in this program waits for children, and could take how a command ended; where
    something may, commands are another process's children.
    """

    def __init__(self, base_env: Mapping[bytes, bytes], *, is_sole: bool = True) -> None:
        self._attributes = Attributes()
        self._base = Environment({os.fsdecode(name): name + b"=" + value for name, value in base_env.items()})
        self._path = base_env.get(b"PATH", DEFAULT_PATH)
        # A descriptor of a command's that is also one of the three it gets would be overwritten while they are
        # put in place: where the worker has no stdin, stdout or stderr, the null device takes their numbers.
        self._nulls: list[int] = []
        try:
            while not self._nulls or self._nulls[-1] <= _STDERR_FD:
                self._nulls.append(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
            self._parent = None if is_sole else _command_parent()
        except OSError:
            close(self._nulls)
            raise
        self._arrivals = Arrivals()

    def close(self) -> None:
        """Let go of what all commands share."""
        if self._parent is not None:
            self._parent.close()
        close(self._nulls)
        self._arrivals.close()

    def prepare(
        self,
        command: Command,
        *,
        cwd: str | None,
        env: Mapping[str, str | None],
        shell: str | None = None,
        merge: bool = False,
    ) -> Invocation:
        """Make a command ready to be started, with `env` laid over the worker's own; None there: it is not set."""
        words = [*words_before(shell or DEFAULT_SHELL), command] if isinstance(command, str) else list(command)
        given = {name: value for name, value in env.items() if value is not None}
        texts = [*words, *(f"{name}={value}" for name, value in given.items()), cwd or ""]
        try:
            encoded = os.fsencode("\0".join(texts)).split(b"\0")
        except ValueError as error:
            return Invocation(command, cwd, problem=str(error))
        if len(encoded) != len(texts):
            return Invocation(command, cwd, problem="embedded null byte")
        if any("=" in name for name in env):
            return Invocation(command, cwd, problem="illegal environment variable name")
        argv = encoded[: len(words)]
        own = dict(zip(given, encoded[len(words) : -1], strict=True))
        path = own["PATH"].partition(b"=")[2] if "PATH" in own else DEFAULT_PATH if "PATH" in env else self._path
        laid = self._base.under(own, env.keys() - given.keys())
        return Invocation(command, cwd, argv[0], strings(argv), laid, encoded[-1] or None, path, merge=merge)

    def spawn(self, what: Invocation) -> Process:
        """Start a command; raises SpawnError, or Shortage: then no process is left."""
        if what.problem is not None or what.argv is None or what.env is None:
            raise SpawnError(f"the command or its environment cannot be passed on ({what.problem})")
        ends: list[int] = []
        watch: Watch[Stream] | None = None
        try:
            for _ in (STDOUT, STDERR):
                ends += pipe()
            pipes: dict[Stream, int] = {STDOUT: ends[0], STDERR: ends[2]}
            watch = self._arrivals.watch(pipes)
            program = what.program if b"/" in what.program else _find(what.program, what.path, what.where)
            fds = (self._nulls[-1], ends[1], ends[1] if what.merge else ends[3])
            born_from_s = booted_s()
            child = self._start(program, what.argv, what.env, what.where, fds)
            born_by_s = booted_s()
        except OSError as error:
            if watch is not None:
                watch.end()
            close(ends)
            raise _refusal(error, what) from error
        close(ends[1::2])
        return Process(child, pipes, watch, born_s=(born_from_s, born_by_s))

    def _start(
        self, program: bytes, argv: Strings, env: Strings, cwd: bytes | None, fds: tuple[int, int, int]
    ) -> Child:
        if self._parent is None:
            return OwnChild(spawn(program, argv, env, self._attributes, cwd=cwd, fds=fds))
        entries = (entry.partition(b"=") for entry in env if entry is not None)
        words = [word for word in argv if word is not None]
        return self._parent.spawn((program, words, {name: value for name, _, value in entries}, cwd), fds)


def _command_parent() -> "ParentHandle":
    from .parent import ParentHandle  # with the sockets that most workers need not load

    return ParentHandle()


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


def _refusal(error: OSError, what: Invocation) -> QueuectlError:
    if error.errno in _SHORTAGES:
        return Shortage(f"the worker cannot start more commands now ({error.strerror})")
    if what.cwd is not None and (refusal := _why_not_enter(what.cwd)) is not None:
        why = _CWD_CAUSES.get(refusal.errno or 0, "cannot enter {0!r}: {1}")
        return SpawnError(why.format(what.cwd, refusal.strerror))
    causes = {**_OTHER_CAUSES, **_PROGRAM_CAUSES}
    why = causes.get(error.errno or 0, "cannot run {0!r}: {1}").format(what.name, error.strerror)
    if isinstance(what.command, str) and error.errno in _PROGRAM_CAUSES:
        why += ", the job's shell (--shell, or the setting shell, when it was enqueued)"
    return SpawnError(why, NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE)


def _why_not_enter(directory: str) -> OSError | None:
    """Return why a directory cannot be entered: a failed spawn does not say which of its steps failed."""
    try:
        is_directory = stat.S_ISDIR(os.stat(directory).st_mode)
    except OSError as error:
        return error
    if is_directory and os.access(directory, os.X_OK):
        return None
    number = errno.EACCES if is_directory else errno.ENOTDIR
    return OSError(number, os.strerror(number))


_LIMITS: Final = "see what this user has left: ulimit -n for open files, ulimit -u for processes and threads"
NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ETOOMANYREFS})
_CWD_CAUSES: Final[Mapping[int, str]] = {
    errno.ENOENT: "no such directory {0!r}",
    errno.ENOTDIR: "{0!r} is not a directory",
    errno.EACCES: "no permission to enter the directory {0!r}",
}
_PROGRAM_CAUSES: Final[Mapping[int, str]] = {
    errno.ENOENT: "no such program {0!r}",
    errno.EACCES: "{0!r} may not be executed",
    errno.ENOEXEC: "{0!r} is not a program (it may lack its #! line)",
}
_OTHER_CAUSES: Final[Mapping[int, str]] = {
    errno.EPIPE: "the process that was to start {0!r} was killed",
    errno.E2BIG: "the command and its environment are longer than this system allows",
}
