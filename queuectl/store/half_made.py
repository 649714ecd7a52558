"""Queues half made: their creation was cut short, by a power cut or a kill, before they held anything.

Knows of an LMDB file what it takes to tell one from a queue that was lost: its first two pages, as they are before
the first commit.
"""

import os
from pathlib import Path
from struct import pack, unpack_from
from typing import Final, NoReturn

from .. import hints
from ..errors import LogLost, NoQueue, NotAQueue
from ..system.files import exists, is_entry, open_private, remove_file
from ..system.interrupts import own, suppress_own
from ..system.queue_files import DATA_FILE, DIRECTORIES, LMDB_LOCK_FILE, REPLACED
from .directory import NOBODYS, OPEN_LOCK, await_replaced, lock, refuse_unmade

_META_BYTES: Final = 168
_LAST_PAGE_AT: Final = 16 + 120
_IS_META: Final = 8
_MAGIC: Final = 0xBEEFC0DE
_LIVED: Final = (*DIRECTORIES, REPLACED)
"""Directories that only a queue has in which something happened."""


def most_bytes() -> int:
    """Return the size of a data file that has its two first pages and nothing else."""
    return 2 * os.sysconf("SC_PAGE_SIZE")


def refuse_no_queue(path: Path) -> None:
    """Refuse a directory without a data file, whether it has none yet or lost it; raises NoQueue or StoreError."""
    await_replaced(path)
    if not exists(path / DATA_FILE):
        refuse_lost(path)
        refuse_unmade(path)
        raise NoQueue(str(path))


def refuse_lost(path: Path) -> None:
    """Refuse a data file that is gone, or holds nothing, if a queue was at work here before; raises StoreError."""
    signs = _signs(path)
    # The file is looked at after them, or once more: whoever made a queue meanwhile may have begun to work.
    if signs and is_entry(path / DATA_FILE):
        if holds_nothing(path):
            raise LogLost(str(path), "is empty", signs[0], hints.RESTORE_FORCE)
        return
    if not is_entry(path / LMDB_LOCK_FILE):  # directories may have been made for a queue to come, as mounts are
        signs = [name for name in signs if _holds_anything(path / name)]
    if signs and not is_entry(path / DATA_FILE):
        raise LogLost(str(path), "is gone", signs[0], hints.RESTORE)


def refuse_unreadable(path: Path, found: str) -> NoReturn:
    """Refuse a data file that is none of LMDB's: another program's, unless a queue was at work here before.

    Raises LogLost or NotAQueue.
    """
    found = f"is not a sound LMDB file ({found})"
    if signs := _signs(path):
        raise LogLost(str(path), found, signs[0], hints.RESTORE_FORCE)
    raise NotAQueue(str(path), f"data.mdb {found}")


def _signs(path: Path) -> list[str]:
    return [name for name in _LIVED if is_entry(path / name)]


def _holds_anything(directory: Path) -> bool:
    try:
        return any(entry.name not in NOBODYS for entry in directory.iterdir())
    except own(OSError):
        return False


def is_half_made(path: Path) -> bool:
    """Whether the data file in a directory is the beginning of a new one, and no sign of an earlier one is there."""
    return holds_nothing(path) and not _signs(path)


def holds_nothing(path: Path) -> bool:
    """Whether a data file is as it is before the first commit, or as much of that as came to the disk."""
    page = os.sysconf("SC_PAGE_SIZE")
    with (path / DATA_FILE).open("rb") as file:
        content = file.read(2 * page + 1)
    if len(content) > 2 * page:
        return False
    return all(_is_first(number, content[number * page : (number + 1) * page]) for number in (0, 1))


def clear(path: Path) -> None:
    """Empty what was half made, so that it is made anew, unless a process is making it now."""
    with suppress_own(OSError), lock(path / OPEN_LOCK, wait=False) as is_ours:
        if is_ours and is_half_made(path):
            remove_file(path / LMDB_LOCK_FILE)
            os.close(open_private(path / DATA_FILE, os.O_WRONLY | os.O_TRUNC))


def _is_first(number: int, page: bytes) -> bool:
    """Whether a page is what a new file has there, or as much of that as came to the disk."""
    if not any(page):
        return True
    start = pack("<QHHII", number, 0, _IS_META, 0, _MAGIC)
    last_page, transaction = unpack_from("<QQ", page.ljust(_META_BYTES, b"\0"), _LAST_PAGE_AT)
    return page[: len(start)] == start[: len(page)] and last_page <= 1 and transaction == 0
