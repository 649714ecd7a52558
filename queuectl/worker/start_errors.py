"""Why a command cannot be started: a fault of the command's own, or a lack of means for any; and the words for it."""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .. import hints
from ..errors import QueuectlError
from ..events.types import Command

NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
"""What shells exit with for a program that there is, or is not."""


class SpawnError(QueuectlError):
    """The command could not be started; the message says why, and `code` what a shell would exit with."""

    def __init__(self, why: str, code: int = NOT_EXECUTABLE) -> None:
        self.code = code
        super().__init__(f"cannot start: {why}")


class Shortage(QueuectlError):
    """The worker has no descriptors, processes or memory left for a command: no fault of the command's."""


@contextmanager
def shortage_when_starting(what: str) -> Iterator[None]:
    """Raise Shortage where there are not the means to start something."""
    try:
        yield
    except OSError as error:
        if error.errno not in _SHORTAGES:
            raise
        raise Shortage(f"cannot start {what} ({error.strerror}); {_LIMITS}") from error
    except RuntimeError as error:  # of a thread
        raise Shortage(f"cannot start {what} ({error}); {_LIMITS}") from error


@contextmanager
def shortage_of_descriptors() -> Iterator[None]:
    """Raise Shortage where no descriptor is left for something else than a command."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_DESCRIPTORS:
            raise
        raise Shortage(f"the worker cannot go on ({error.strerror}); {_LIMITS}") from error


def shortage_of_all(error: Shortage) -> Shortage:
    """Return the Shortage for means that came back for no command, though none runs."""
    return Shortage(f"{error}, and none runs; {_LIMITS}")


def spawn_error(error: OSError, *, command: Command, program: str, cwd: str | None) -> SpawnError | Shortage:
    """Return why a command was not started, by what the system said of it."""
    if error.errno in _SHORTAGES:
        return Shortage(f"the worker cannot start more commands now ({error.strerror})")
    if cwd is not None and (lacking := _why_not_enter(cwd)) is not None:
        why = _CWD_CAUSES.get(lacking.errno or 0, "cannot enter {0!r}: {1}")
        return SpawnError(why.format(cwd, lacking.strerror))
    causes = {**_OTHER_CAUSES, **_PROGRAM_CAUSES}
    why = causes.get(error.errno or 0, "cannot run {0!r}: {1}").format(program, error.strerror)
    if isinstance(command, str) and error.errno in _PROGRAM_CAUSES:
        why += f", the job's shell ({hints.JOB_SHELL})"
    return SpawnError(why, NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE)


def _why_not_enter(directory: str) -> OSError | None:
    """Return why a directory cannot be entered: a failed spawn does not say which of its steps failed."""
    try:
        is_directory = stat.S_ISDIR(Path(directory).stat().st_mode)
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
