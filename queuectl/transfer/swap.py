"""Puts a queue in the place of another: made and checked beside it first, then moved in under a journal.

Every process is kept out meanwhile. What was there is moved to `replaced/TIME/` and never deleted.
Moved in by a few renames; once the journal is written an interruption leaves nothing that opens,
and `finish` ends it.
"""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from re import fullmatch
from typing import Any, Final

from .. import hints
from ..errors import StoreError
from ..store.directory import JOURNAL, OPEN_LOCK, STAGED, alone, check_new, make_directory, refuse_unmade
from ..system.files import exists, flush_all, flush_directory, make_private, rename, whole_file
from ..system.interrupts import own, suppress_own
from ..system.queue_files import ARCHIVE, DATA_FILE, LMDB_LOCK_FILE, NEW, OUTPUTS, REPLACED, SNAPSHOTS
from ..system.untrusted import Malformed, json_object_of

_PARTS: Final = (DATA_FILE, LMDB_LOCK_FILE, OUTPUTS, ARCHIVE, SNAPSHOTS)
"""What makes up a queue. Workers' lock files stay: they tell what a dead worker's commands are."""

_JOURNAL_BYTES: Final = 64 << 10


@contextmanager
def staging(path: Path, what: str) -> Iterator[Path]:
    """Yield a fresh directory inside the queue's in which to put another together; it goes at the end.

    Keeps every process from opening the queue meanwhile. Raises StoreError where one has it open, or
    where an earlier one was interrupted while moving in.
    """
    was_there = exists(path)
    if not exists(path / DATA_FILE):
        check_new(path)
    make_directory(path)
    with alone(path, what):
        try:
            staged = path / STAGED
            if exists(staged / JOURNAL):
                raise StoreError(
                    f"cannot {what} the queue at {path}: an earlier one was interrupted while it moved in",
                    hint=hints.FINISH,
                )
            shutil.rmtree(staged, ignore_errors=True)
            try:
                make_private(staged)
                yield staged
            finally:
                if not exists(staged / JOURNAL):
                    shutil.rmtree(staged, ignore_errors=True)
        finally:
            if not was_there and not exists(path / DATA_FILE):
                _remove_empty_directory(path)


def install(path: Path) -> Path | None:
    """Move what lies in the staging directory into place; returns where what was there lies now, or None."""
    staged = path / STAGED
    flush_all(staged)
    old = [name for name in _PARTS if exists(path / name)]
    new = [name for name in _PARTS if exists(staged / name) and name != LMDB_LOCK_FILE]
    aside = _free_name(path / REPLACED)
    with whole_file(staged / JOURNAL, staged / (JOURNAL + NEW)) as file:
        file.write(json.dumps({"aside": aside, "old": old, "new": new}).encode())
    return _move_in(path)


def finish(path: Path) -> bool:
    """End what was interrupted while it moved in; returns whether there was anything.

    Raises StoreError where there is no queue, and one was killed before it moved in.
    """
    if not exists(path / STAGED / JOURNAL):
        refuse_unmade(path)
        return False
    with alone(path, "restore"):
        if not exists(path / STAGED / JOURNAL):
            return False  # somebody else ended it meanwhile
        _move_in(path)
    return True


def is_there(path: Path) -> bool:
    """Return whether there is a queue at a path."""
    return exists(path / DATA_FILE) or exists(path / STAGED / JOURNAL)


def _move_in(path: Path) -> Path | None:
    """Do the renames that the journal says and that are not done yet."""
    staged = path / STAGED
    journal = _read_journal(path)
    aside = path / REPLACED / journal["aside"]
    if journal["old"]:
        make_private(aside)
    for name in journal["old"]:
        if not exists(aside / name):
            rename(path / name, aside / name)
    for name in journal["new"]:
        if exists(staged / name):
            rename(staged / name, path / name)
    if journal["old"]:
        flush_directory(aside.parent)
        flush_directory(path)
    (staged / JOURNAL).unlink()
    flush_directory(staged)
    shutil.rmtree(staged, ignore_errors=True)
    return aside if journal["old"] else None


def _read_journal(path: Path) -> dict[str, Any]:
    """Return the journal, which names parts of a queue and a directory in REPLACED; raises StoreError otherwise."""
    file = path / STAGED / JOURNAL
    try:
        journal = json_object_of(file, limit_bytes=_JOURNAL_BYTES)
        is_ours = all(set(journal[key]) <= set(_PARTS) for key in ("old", "new"))
        if not is_ours or not fullmatch(r"[0-9TZ-]{1,40}", journal["aside"]):
            raise Malformed("it names what is no part of a queue")
    except own(OSError, KeyError, TypeError, Malformed) as error:
        found = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"cannot end what was interrupted at {path}: {file} cannot be read ({found}); "
            f"move it away, and see in {path / STAGED} and {path / REPLACED} which parts lie where"
        ) from None
    return journal


def _free_name(parent: Path) -> str:
    name = free = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    number = 1
    while exists(parent / free):
        number += 1
        free = f"{name}-{number}"
    return free


def _remove_empty_directory(path: Path) -> None:
    """Take away the directory that was made for a queue that did not come to be; call it with the lock held."""
    with suppress_own(OSError):  # somebody else may have put something into it
        (path / OPEN_LOCK).unlink(missing_ok=True)
        path.rmdir()
