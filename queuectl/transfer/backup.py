"""Makes a backup: one file from which a queue can be restored, made and checked while workers go on.

LMDB's copy is one snapshot of log and views. Output in files is collected before it and again
after it, so that what the copied log names is there though jobs come and go meanwhile.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from math import inf
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from .. import hints
from ..core.progress import PartProgress
from ..core.times import time_json
from ..errors import StoreError
from ..integrity.data_file_check import Sound, sound
from ..outputs import storage
from ..store.store import Store
from ..system.files import (
    exists,
    flush_directory,
    is_below,
    link_or_copy,
    make_private,
    new_file,
    obstacle,
    rename,
    scratch_directory,
)
from ..system.host import absolute
from ..system.interrupts import own
from ..system.queue_files import ARCHIVE, DATA_FILE, SEGMENT
from ..version import __version__
from . import backup_format
from .backup_format import BackupWriter, Compression

TO_STDOUT: Final = "-"


class BackedUp(NamedTuple):
    """What a backup holds: the log up to `head`, the chain's digest there, the data file, outputs and segments.

    `elsewhere` has the directories of the archive that are not in it.
    """

    head: int
    digest: str
    events: int
    data_bytes: int
    files: int
    file_bytes: int
    elsewhere: tuple[str, ...] = ()


def back_up(store: Store, file: str, *, force: bool, progress: PartProgress | None = None) -> BackedUp:
    """Write a backup to a file, or to stdout where it is `-`; it is there whole and checked, or not at all.

    Raises StoreError where the file is there already and not `force`, or where the queue is damaged.
    """
    if file == TO_STDOUT:
        with _workshop(None) as shop:
            return _write(store, sys.stdout.buffer, shop, compression=None, progress=progress)
    target = Path(os.path.normpath(absolute(file)))  # symbolic links stay
    with _told(target):
        _check_target(target, force)
    with _workshop(target.parent, is_named=not is_below(target, store.path)) as shop:
        with _told(target), new_file(shop / "backup") as sink:
            done = _write(store, sink, shop, compression=_compression_of(target.suffix), progress=progress)
            sink.flush()
            os.fsync(sink.fileno())
        _read_back(shop / "backup", done, progress)
        _put(shop / "backup", target, force)
    return done


def _compression_of(suffix: str) -> Compression | None:
    """Return how a file is compressed that ends so."""
    return "gzip" if suffix in (".gz", ".tgz") else "zstd" if suffix in (".zst", ".tzst") else None


def _check_target(target: Path, force: bool) -> None:
    if kind := obstacle(target):
        raise StoreError(f"cannot write {target}: it is {kind}", hint=hints.in_place_of(kind))
    if exists(target) and not force:
        raise StoreError(f"cannot write {target}: it is there already", hint=hints.FORCE)


@contextmanager
def _workshop(beside: Path | None, *, is_named: bool = True) -> Iterator[Path]:
    """Yield a directory to work in, which goes with all in it at the end; None: where temporary files are."""
    with ExitStack() as held:
        try:
            shop = held.enter_context(scratch_directory(beside, is_named=is_named))
        except own(OSError) as error:
            where = "temporary files" if beside is None else f"beside {beside}"
            raise StoreError(f"cannot write {where}: {error.strerror or error}; name another place") from None
        yield Path(shop)


@contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except own(OSError) as error:
        raise StoreError(f"cannot write {target}: {error.strerror}; nothing of it was kept") from None


def _write(
    store: Store, sink: IO[bytes], shop: Path, *, compression: Compression | None, progress: PartProgress | None
) -> BackedUp:
    begun = time.time()
    early = shop / storage.TABLE
    had = _link_outputs(store.path, early)
    size = _copy(store, shop / DATA_FILE, progress)
    found = _sound(store, shop, progress)
    files = _files(store.path, early, had, found.segments)
    bytes_of_files = sum(found_size for _, _, found_size in files)
    tell = _counting("Writing", size + bytes_of_files, progress)
    writer = BackupWriter(sink, compression=compression, at_s=begun, progress=tell)
    told = {"data_bytes": size, "files": len(files), "file_bytes": bytes_of_files}
    try:
        for name, path, found_size in [(DATA_FILE, shop / DATA_FILE, size), *files]:
            _add(writer, name, path, found_size)
        writer.finish({"queuectl": __version__, "time": time_json(int(begun * 1e6)), **manifest_of(found), **told})
    except BaseException:
        writer.abandon()
        raise
    elsewhere = tuple(name for name in found.archives if name != ARCHIVE)
    return BackedUp(found.head, found.digest.hex(), found.events, size, len(files), bytes_of_files, elsewhere)


def manifest_of(found: Sound) -> dict[str, Any]:
    """Return what a backup's manifest says of the log in it."""
    return {
        "head": found.head,
        "head_time": time_json(found.at_us) if found.head else None,
        "digest": found.digest.hex(),
        "events": found.events,
    }


def _link_outputs(db: Path, early: Path) -> set[str]:
    """Keep hold of the output files there are, so that none is gone before it is copied; returns their names.

    By hard links where the file system of the backup allows it, else by copies of those of ended runs.
    """
    names = set(_names(db, storage.TABLE))
    for name in names:
        target = early.parent / name
        make_private(target.parent)
        with suppress(FileNotFoundError):
            link_or_copy(db / name, target)
    return names


def _files(db: Path, early: Path, had: set[str], segments: int) -> list[tuple[str, Path, int]]:
    """Return the files to add, by name, with where they are read and how much of them.

    Segments that were sealed since the store was copied stay out: what they hold is in its log.
    """
    found = []
    sealed = {name for name in _names(db, ARCHIVE) if _sequence(name) <= segments}
    for name in sorted(had | set(_names(db, storage.TABLE)) | sealed):
        for path in (db / name, early.parent / name):
            try:
                found.append((name, path, path.stat().st_size))
            except FileNotFoundError:
                continue
            break
    return found


def _sequence(name: str) -> float:
    """Return which segment a file in the archive is, by its name; infinite where it is none that was sealed."""
    word = Path(name).name.partition("-")[0] if name.endswith(SEGMENT) else ""
    return int(word) if word.isascii() and word.isdecimal() else inf


def _names(db: Path, directory: str) -> Iterator[str]:
    """Return the names of what is a queue's own in a directory; other files that somebody put there stay out."""
    for place, _, files in os.walk(db / directory):
        yield from filter(backup_format.is_member_name, (str((Path(place) / file).relative_to(db)) for file in files))


def _copy(store: Store, target: Path, progress: PartProgress | None) -> int:
    size = 0
    used = store.sizes()["used"]
    with new_file(target) as file, closing(store.copy()) as pieces:  # closed before the store is, whatever happens
        for piece in pieces:
            file.write(piece)
            size += len(piece)
            if progress:
                progress("Copying", size, max(used, size))
    return size


def _sound(store: Store, shop: Path, progress: PartProgress | None) -> Sound:
    if progress:
        progress("Checking", 0, None)
    try:
        return sound(shop)
    except StoreError as error:
        raise StoreError(f"cannot back up the queue at {store.path}: {error}") from None


def _add(writer: BackupWriter, name: str, path: Path, size: int) -> None:
    with path.open("rb") as source:
        writer.add(name, source, size)


def _read_back(file: Path, done: BackedUp, progress: PartProgress | None) -> None:
    total = done.data_bytes + done.file_bytes
    with file.open("rb") as source:
        backup_format.read(source, str(file), into=None, progress=_counting("Reading back", total, progress))


def _counting(what: str, total: int, progress: PartProgress | None) -> Callable[[int], None] | None:
    if progress is None:
        return None
    done = 0

    def add(size: int) -> None:
        nonlocal done
        done += size
        progress(what, done, total)

    return add


def _put(made: Path, target: Path, force: bool) -> None:
    """Move the finished file to its name; raises StoreError if one is there, unless `force`."""
    try:
        if force:
            rename(made, target)
        else:
            _link(made, target)
            flush_directory(target.parent)
    except FileExistsError:
        raise StoreError(f"cannot write {target}: it is there by now", hint=hints.FORCE) from None
    except own(OSError) as error:
        raise StoreError(f"cannot write {target}: {error.strerror}; nothing of it was kept") from None


def _link(made: Path, target: Path) -> None:
    try:
        os.link(made, target)
    except FileExistsError:
        raise
    except own(OSError):  # a file system without hard links
        if exists(target):
            raise FileExistsError from None
        rename(made, target)
