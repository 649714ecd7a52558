"""Whether this process may write to a queue, for advice that fits; whoever writes finds out by itself."""

import os
from pathlib import Path
from typing import Final

from ..system.interrupts import own
from ..system.queue_files import DATA_FILE

READ_ONLY: Final = "the file system is mounted read-only"
"""Why a queue cannot be written to, in words."""


def why_not(path: Path) -> str | None:
    """Return why a queue cannot be written to from here, None if it can or is not there."""
    try:
        if all(os.access(each, os.W_OK, effective_ids=True) for each in (path, path / DATA_FILE)):
            return None
        if is_read_only(path):
            return READ_ONLY
        return f"the queue is user {path.stat().st_uid}'s, and you are user {os.geteuid()}"
    except own(OSError):
        return None


def is_read_only(path: Path) -> bool:
    """Whether a directory lies on a file system that is mounted read-only, or under a mount of it that is."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
