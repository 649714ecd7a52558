"""Whether a write failed since there was no room, or by a fault of the disk; writes nothing that stays."""

import errno
import os
from pathlib import Path
from typing import Final

from .interrupts import own
from .queue_files import DATA_FILE, LMDB_LOCK_FILE

LEAST_FREE_BYTES: Final = 1 << 20
"""Less free space than this counts as full."""

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def no_room_by(code: int) -> str:
    """Return one wording for every error number that means "no room", with the quota or the ulimit if it was that."""
    by = {errno.EDQUOT: " (the quota is used up)", errno.EFBIG: " (or above the limit on a file's size: ulimit -f)"}
    return f"no space left on the disk{by.get(code, '')}"


def refusal(error: OSError) -> str:
    """Return why the disk did not take what was written to it, in words."""
    code = error.errno or 0
    return no_room_by(code) if code in _NO_ROOM else str(error.strerror or error)


def is_out_of_room(directory: Path, code: int) -> bool:
    """Whether a write to a file in a directory that failed with this error number had no room.

    LMDB reports a write that was cut short, as the last one on a full disk is, as EIO, like a fault of the
    disk: then it is tried whether there is room.
    """
    if code in _NO_ROOM:
        return True
    directory = directory if directory.exists() else directory.parent  # that of a store for a while is gone at once
    return code == errno.EIO and not (
        _has_free(directory) and _may_grow(directory / DATA_FILE) and _can_take(directory)
    )


def is_lock_without_room(directory: Path) -> bool:
    """Whether LMDB's lock file has holes, and the file system is full: a write to such a hole ends the process."""
    try:
        found = (directory / LMDB_LOCK_FILE).stat()
    except own(OSError):
        return False
    return found.st_blocks * 512 < found.st_size and not _has_free(directory)


def _has_free(directory: Path) -> bool:
    try:
        found = os.statvfs(directory)
    except own(OSError):
        return True
    return found.f_bavail * found.f_frsize >= LEAST_FREE_BYTES


def _may_grow(file: Path) -> bool:
    """Whether the limit on the size of this process's files lets a file grow."""
    from resource import RLIM_INFINITY, RLIMIT_FSIZE, getrlimit

    limit = getrlimit(RLIMIT_FSIZE)[0]
    try:
        return limit == RLIM_INFINITY or file.stat().st_size + LEAST_FREE_BYTES <= limit
    except own(OSError):
        return True


def _can_take(directory: Path) -> bool:
    """Whether a file without a name gets room here: a quota is in no figure of the file system's."""
    try:
        file = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except own(OSError) as error:
        return error.errno not in _NO_ROOM  # not every file system has such files
    try:
        os.posix_fallocate(file, 0, LEAST_FREE_BYTES)
    except own(OSError) as error:
        return error.errno not in _NO_ROOM
    finally:
        os.close(file)
    return True
