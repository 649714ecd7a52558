"""Whether this process may write to a queue, for advice that fits; whoever writes finds out by itself."""

import os
from pathlib import Path

from ..system.interrupts import own
from .lmdb_file import READ_ONLY, is_read_only

__all__ = ["READ_ONLY", "why_not"]


def why_not(path: Path) -> str | None:
    """Return why a queue cannot be written to from here, None if it can or is not there."""
    try:
        if all(os.access(each, os.W_OK, effective_ids=True) for each in (path, path / "data.mdb")):
            return None
        if is_read_only(path):
            return READ_ONLY
        return f"the queue is user {path.stat().st_uid}'s, and you are user {os.geteuid()}"
    except own(OSError):
        return None
