"""Restores a backup: checks the file, then puts the queue in it in the place of the one that is there, if any.

Nothing of the queue that is there is touched before the backup has been found sound, nor ever lost.
"""

import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from .. import hints
from ..core.progress import PartProgress
from ..errors import StoreError
from ..integrity.data_file_check import sound
from ..store.directory import advice_on
from ..system.files import exists
from ..system.interrupts import own
from ..system.queue_files import DATA_FILE
from . import backup_format
from .backup import manifest_of
from .swap import install, is_there, staging

STDIN: Final = "-"


class Restored(NamedTuple):
    """What was restored: the log up to `head`, as of `time`; `aside` is where the queue before it lies."""

    head: int
    digest: str
    time: str
    files: int
    aside: str | None


def restore(path: Path, file: str, *, force: bool, progress: PartProgress | None = None) -> Restored:
    """Restore a backup, read from stdin where it is `-`, as the queue at a path.

    Raises StoreError where there is a queue and not `force`, where a process has it open, or where
    the file is no sound backup.
    """
    if file != STDIN:
        _check_there(file)
    if is_there(path) and not force:
        raise StoreError(f"cannot restore {file}: there is a queue at {path}", hint=hints.FORCE_OR_ELSEWHERE)
    with staging(path, "restore") as staged:
        manifest = _extract(file, staged, progress)
        _check(file, staged, manifest, progress)
        aside = install(path)
    return Restored(
        manifest["head"],
        manifest["digest"],
        str(manifest.get("time")),
        manifest["files"],
        None if aside is None else str(aside),
    )


def _extract(file: str, staged: Path, progress: PartProgress | None) -> dict[str, Any]:
    done = 0
    total: int | None = None

    def add(size: int) -> None:
        nonlocal done
        done += size
        if progress:
            progress("Restoring", done, total)

    if file == STDIN:
        return backup_format.read(sys.stdin.buffer, "stdin", into=staged, progress=add)
    try:
        with Path(file).open("rb") as source:
            total = Path(file).stat().st_size if not file.endswith("z") else None
            return backup_format.read(source, file, into=staged, progress=add)
    except own(OSError) as error:
        raise _cannot_read(file, error) from None


def _check_there(file: str) -> None:
    """Refuse a backup that is not there before anything that is asked about the queue."""
    try:
        Path(file).stat()
    except own(OSError) as error:
        raise _cannot_read(file, error) from None


def _cannot_read(file: str, error: OSError) -> StoreError:
    return StoreError(f"cannot restore {file}: {error.strerror}", hint=advice_on(error, "see that it is there"))


def _check(file: str, staged: Path, manifest: dict[str, Any], progress: PartProgress | None) -> None:
    if progress:
        progress("Checking", 0, None)
    if not exists(staged / DATA_FILE):
        raise StoreError(f"cannot use {file} as a backup: it holds no {DATA_FILE}")
    try:
        found = sound(staged)
    except StoreError as error:
        raise StoreError(f"cannot use {file} as a backup: {error.message}", hint=error.hint) from None
    try:
        backup_format.check_manifest(manifest, manifest_of(found))
    except StoreError as error:
        raise StoreError(f"cannot use {file} as a backup: {error.message}", hint=error.hint) from None
