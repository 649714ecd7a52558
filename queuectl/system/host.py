"""What this process stands in: its user and host, its directory, what it has open."""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from .. import hints
from ..errors import StoreError
from .interrupts import own
from .run_mark import MARK, token_in

_USUAL_FDS: Final = 256
"""How many descriptors most programs do with."""


def default_path() -> Path:
    """Return where the queue lies unless told otherwise: QUEUECTL_DB, else the user's data directory.

    Raises StoreError if this user has none.
    """
    named = os.environ.get("QUEUECTL_DB")
    if named:
        return Path(named)
    from platformdirs import user_data_path  # only where it is needed: it costs a command its start

    with suppress(RuntimeError):
        found = user_data_path("queuectl")
        if found.is_absolute():
            return found
    raise StoreError(
        f"cannot tell where the queue lies: HOME names no directory, and user {os.getuid()} has none in the password "
        "database",
        hint=hints.NAME_QUEUE,
    )


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return where a path leads from the current directory; raises StoreError if that is gone and counts."""
    try:
        return Path(path).absolute()
    except FileNotFoundError:
        raise StoreError(
            f"cannot tell where {os.fspath(path)!r} lies: the current directory was deleted; go to one that is there, "
            "or name an absolute path"
        ) from None


def user_at_host() -> str:
    """Return who acts, as the log names them."""
    user = os.environ.get("USER") or os.environ.get("LOGNAME")
    if not user:
        import pwd  # the last resort; Python's getpass, which goes there too, takes longer to import

        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except own(KeyError, OSError):
            user = str(os.getuid())
    # A name may be any bytes; what is not UTF-8 is named by its escapes.
    return os.fsencode(f"{user}@{host()}").decode(errors="backslashreplace")


def run_of(db_path: Path) -> int:
    """Return the token of the run that this process is part of in the queue at a path, 0 where it is part of none."""
    if os.environ.get("QUEUECTL_DB") != str(db_path):
        return 0
    return token_in(os.environ.get(MARK, ""))


def host() -> str:
    """Return this machine's name."""
    return os.uname().nodename


def directory() -> str:
    """Return the current directory, "" where it is gone."""
    try:
        return os.getcwd()  # noqa: PTH109 - Path would be made only to be turned into text
    except FileNotFoundError:
        return ""


def inheritable() -> Iterator[int]:
    """Return the descriptors that a program started from here would get, unless they are closed for it."""
    try:
        fds: Iterable[int] = map(int, os.listdir("/dev/fd"))  # noqa: PTH208 - no path is wanted
    except own(OSError):
        fds = range(_USUAL_FDS)  # neither /proc nor the like: the usual ones
    for fd in fds:
        try:
            is_so = os.get_inheritable(fd)
        except own(OSError) as error:
            if error.errno != errno.EBADF:  # closed meanwhile, as is the one that the list was read from
                raise
            continue
        if is_so:
            yield fd


def environment() -> Mapping[str, str]:
    """Return the variables of this process."""
    return os.environ


def is_process(pid: int) -> bool:
    """Return whether there is a process of that id here, whoever's it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
