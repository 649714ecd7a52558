"""Puts a queue in the place of another: made and checked beside it first, then moved in under a journal.

Every process is kept out meanwhile. What was there is moved to `replaced/TIME/` and never deleted.
Moved in by a few renames; once the journal is written an interruption leaves nothing that opens,
and `finish` ends it.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from .directory import JOURNAL, OPEN_LOCK, REPLACED, STAGED, alone, check_new, flush_directory, make_directory
from .errors import StoreError

_PARTS: Final = ("data.mdb", "lock.mdb", "outputs", "archive", "snapshots")
"""What makes up a queue. Workers' lock files stay: they tell what a dead worker's commands are."""


@contextmanager
def staging(path: Path, what: str) -> Iterator[Path]:
    """Give a fresh directory inside the queue's in which to put another together; it goes at the end.

    Keeps every process from opening the queue meanwhile. Raises StoreError where one has it open, or
    where an earlier one was interrupted while moving in.
    """
    was_there = path.exists()
    if not (path / "data.mdb").exists():
        check_new(path)
    make_directory(path)
    try:
        with alone(path, what):
            staged = path / STAGED
            if (staged / JOURNAL).exists():
                raise StoreError(
                    f"cannot {what} the queue at {path}: an earlier one was interrupted while it moved in; "
                    "`queuectl restore --finish` ends it"
                )
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir(mode=0o700)
            try:
                yield staged
            finally:
                if not (staged / JOURNAL).exists():
                    shutil.rmtree(staged, ignore_errors=True)
    finally:
        if not was_there and not (path / "data.mdb").exists():
            _unmake(path)


def install(path: Path) -> Path | None:
    """Move what lies in the staging directory into place; gives where what was there lies now, None if nothing did."""
    staged = path / STAGED
    _flush_all(staged)
    old = [name for name in _PARTS if (path / name).exists()]
    new = [name for name in _PARTS if (staged / name).exists() and name != "lock.mdb"]
    aside = _free_name(path / REPLACED)
    draft = staged / (JOURNAL + ".new")
    with draft.open("x") as file:
        json.dump({"aside": aside, "old": old, "new": new}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(staged / JOURNAL)
    flush_directory(staged)
    return _move_in(path)


def finish(path: Path) -> bool:
    """End what was interrupted while it moved in; tells whether there was anything."""
    if not (path / STAGED / JOURNAL).exists():
        return False
    with alone(path, "restore"):
        _move_in(path)
    return True


def is_there(path: Path) -> bool:
    """Tell whether there is a queue at a path."""
    return (path / "data.mdb").exists() or (path / STAGED / JOURNAL).exists()


def _move_in(path: Path) -> Path | None:
    """Do the renames that the journal says and that are not done yet."""
    staged = path / STAGED
    journal = json.loads((staged / JOURNAL).read_text())
    aside = path / REPLACED / journal["aside"]
    if journal["old"]:
        aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in journal["old"]:
        if not (aside / name).exists():
            (path / name).rename(aside / name)
    for name in journal["new"]:
        if (staged / name).exists():
            (staged / name).rename(path / name)
    for directory in (path, *([aside, aside.parent] if journal["old"] else [])):
        flush_directory(directory)
    (staged / JOURNAL).unlink()
    flush_directory(staged)
    shutil.rmtree(staged, ignore_errors=True)
    return aside if journal["old"] else None


def _free_name(parent: Path) -> str:
    name = free = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    number = 1
    while (parent / free).exists():
        number += 1
        free = f"{name}-{number}"
    return free


def _flush_all(directory: Path) -> None:
    for place, _, files in os.walk(directory):
        for name in files:
            with (Path(place) / name).open("rb") as file:
                os.fsync(file.fileno())
        flush_directory(Path(place))


def _unmake(path: Path) -> None:
    """Take away the directory that was made for a queue that did not come to be."""
    with suppress(OSError):  # somebody else may have put something into it
        (path / OPEN_LOCK).unlink(missing_ok=True)
        path.rmdir()
