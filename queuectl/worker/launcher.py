"""Commands made ready and started: which program is run, with which words and environment, and whose child it is.

Knows nothing of jobs, leases or time limits. How a process is spawned stays hidden in here, so that
another way of spawning can take its place.
"""
# Paths are bytes here, as the system has them, which pathlib does not know:
# ruff: noqa: PTH113, PTH118

import errno
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from ..core.shells import DEFAULT as DEFAULT_SHELL
from ..core.shells import words_before
from ..events.types import Command
from ..outputs.frames import STDERR, STDOUT, OutputStream
from ..system.boot import booted_s
from .arrivals import Arrivals, Watch
from .posix_spawn import Attributes, SpawnEnvironment, Strings, close, pipe, spawn, strings
from .process import Child, OwnChild, Process
from .start_errors import SpawnError, spawn_error

if TYPE_CHECKING:
    from .parent_process import ParentHandle

DEFAULT_PATH: Final = os.defpath.encode()
"""Where programs are looked for without a PATH."""

_STDERR_FD: Final = 2


class Invocation(NamedTuple):
    """A command as the system takes it; `problem` says what about it cannot be passed on.

    `cwd_bytes` is `cwd` as the system takes it, None where it is the worker's own. `path` is where a program
    is looked for whose name has no slash.
    """

    command: Command
    cwd: str | None
    program: bytes = b""
    argv: "Strings | None" = None
    env: "Strings | None" = None
    cwd_bytes: bytes | None = None
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
        self._base = SpawnEnvironment({os.fsdecode(name): name + b"=" + value for name, value in base_env.items()})
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
        watch: Watch[OutputStream] | None = None
        try:
            for _ in (STDOUT, STDERR):
                ends += pipe()
            pipes: dict[OutputStream, int] = {STDOUT: ends[0], STDERR: ends[2]}
            watch = self._arrivals.watch({} if what.merge else pipes)  # merged, one pipe has all of it
            program = what.program if b"/" in what.program else _find(what.program, what.path, what.cwd_bytes)
            fds = (self._nulls[-1], ends[1], ends[1] if what.merge else ends[3])
            born_from_s = booted_s()
            child = self._start(program, what.argv, what.env, what.cwd_bytes, fds)
            born_by_s = booted_s()
        except OSError as error:
            if watch is not None:
                watch.end()
            close(ends)
            raise spawn_error(error, command=what.command, program=what.name, cwd=what.cwd) from error
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
    from .parent_process import ParentHandle  # with the sockets that most workers need not load

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
