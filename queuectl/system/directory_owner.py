"""Whether a queue's directory can be trusted: who can write there decides what commands its workers run, and as whom.

Looks at owner and mode of the directory itself, and at nothing in it.
"""

import os
import stat
from pathlib import Path
from typing import Final

from ..errors import Untrusted
from .interrupts import own

VARIABLE: Final = "QUEUECTL_TRUST_DIRECTORY"
"""In the environment: `1` trusts any directory; a path trusts that one."""

_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def check_trusted(path: Path) -> None:
    """Refuse a directory that is another user's, or that others may write to; raises Untrusted."""
    try:
        found = os.stat(path)  # noqa: PTH116 - on each opening's way
    except own(OSError):
        return  # there is none yet, or whoever opens it will say what is wrong
    if not stat.S_ISDIR(found.st_mode):
        return
    user, mode = os.geteuid(), stat.S_IMODE(found.st_mode)
    if found.st_uid not in (user, 0):
        problem = f"it belongs to user {found.st_uid} (mode {mode:04o}), and you are user {user}"
    elif mode & _others_may_write(found):
        problem = f"others than user {found.st_uid} may write to it (mode {mode:04o})"
    else:
        return
    if not is_trusted(path):
        raise Untrusted(str(path), problem)


def is_trusted(path: Path) -> bool:
    """Whether the environment says so."""
    said = os.environ.get(VARIABLE, "")
    return said == "1" or (said != "" and os.path.realpath(said) == os.path.realpath(path))


def trust(path: Path) -> None:
    """Trust a directory in this process and in what it starts."""
    os.environ[VARIABLE] = str(path)


def _others_may_write(found: os.stat_result) -> int:
    # Where each user has a group of their own, it has the user's number, and new directories are often its to write.
    return stat.S_IWOTH if found.st_gid == found.st_uid else _OTHERS_MAY_WRITE
