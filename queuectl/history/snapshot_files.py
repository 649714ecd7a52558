"""Snapshots: the views as they were at a position, each in a file, so that as-of need not fold the whole log.

A file is one line of JSON, the header, and after it, compressed with zstd, an LMDB file that holds the
views. Snapshots are made from the log alone and may be deleted at any time. One counts only where its
content's digest, its views' version and the log's own chain all agree with its header.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import file_digest, sha256
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from .. import hints
from ..errors import StoreError
from ..store.directory import advice_on, lock
from ..store.store import Store
from ..system.files import make_private, new_file, open_private, whole_file
from ..system.interrupts import own, suppress_own
from ..system.queue_files import DATA_FILE, MAKING, SNAPSHOTS
from ..system.untrusted import json_object, position_of, whole_number

SUFFIX: Final = ".snapshot"
FORMAT: Final = 1

PARTS: Final = 20
"""Into how many parts a long log is cut; there are up to twice as many snapshots before some are thinned out."""

LEVEL: Final = 6
"""Half the size of level 3, where the copy of each id lies far from the job it is of; taken apart as fast."""
_LOCK: Final = "lock"
_HEADER_BYTES: Final = 1_000
_PIECE_BYTES: Final = 1 << 20
_WINDOW_BYTES: Final = 128 << 20
_LEAST_BYTES: Final = 64 << 20
_TIMES_AT_MOST: Final = 100
"""How much larger than its file the content of a snapshot may be, beside a little: ten times is what is seen."""


class Snapshot(NamedTuple):
    """A snapshot on disk as its header has it. `digest`: of the log's chain at `position`; `sha256`: of the content."""

    path: Path
    position: int
    at_us: int
    views: int
    digest: bytes
    sha256: bytes
    file_bytes: int


def positions(queue_path: Path) -> list[int]:
    """Return the positions that there are snapshots of, as the names of the files have them."""
    try:
        names = [path.stem for path in (queue_path / SNAPSHOTS).iterdir() if path.suffix == SUFFIX]
    except own(OSError):
        return []
    return sorted(position for name in names if (position := position_of(name)) is not None)


def read(queue_path: Path, position: int) -> Snapshot | None:
    """Return the snapshot of a position, None where there is none that can be read."""
    path = _file_of(queue_path, position)
    try:
        with _opened(path) as file:
            header = json_object(file.readline(_HEADER_BYTES))
        if header["format"] != FORMAT or header["position"] != position:
            return None
        digests = bytes.fromhex(header["digest"]), bytes.fromhex(header["sha256"])
        at_us, views = (whole_number(header[key], key) for key in ("at_us", "views"))
        return Snapshot(path, position, at_us, views, *digests, path.stat().st_size)
    except own(OSError, ValueError, LookupError, TypeError):
        return None


def _opened(path: Path) -> BufferedReader:
    """Open a snapshot; raises OSError where that is no regular file, as a pipe that would be waited for."""
    return os.fdopen(open_private(path, os.O_RDONLY), "rb")


def unpack_into(snapshot: Snapshot, directory: Path) -> bool:
    """Write the store in a snapshot into a directory; returns whether the content was what was written."""
    import zstandard  # here and below: a worker, which only asks what there is, has no use for them

    try:
        with _opened(snapshot.path) as file:
            start = len(file.readline(_HEADER_BYTES))
            if file_digest(file, "sha256").digest() != snapshot.sha256:
                return False
            file.seek(start)
            with new_file(directory / DATA_FILE) as content:
                limit = _LEAST_BYTES + snapshot.file_bytes * _TIMES_AT_MOST
                for piece in zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).read_to_iter(
                    file, read_size=_PIECE_BYTES, write_size=_PIECE_BYTES
                ):
                    if (limit := limit - len(piece)) < 0:
                        return False
                    content.write(piece)
    except (FileNotFoundError, zstandard.ZstdError):
        return False
    return True


def save(queue_path: Path, views: Store, *, position: int, at_us: int, version: int, digest: bytes) -> Snapshot:
    """Make a snapshot of a store that holds the views at a position; raises StoreError where it cannot be written."""
    target = _file_of(queue_path, position)
    try:
        make_private(target.parent)
        with _making(target.parent) as making:
            views.copy_to(making)
            packed, content_digest = _compress(making)
            header = {"format": FORMAT, "position": position, "at_us": at_us, "views": version} | {
                "digest": digest.hex(),
                "sha256": content_digest.hex(),
            }
            with whole_file(target, making / "whole") as file, packed.open("rb") as content:
                file.write(json.dumps(header).encode() + b"\n")
                while piece := content.read(_PIECE_BYTES):
                    file.write(piece)
    except own(OSError) as error:
        raise StoreError(
            f"cannot write the snapshot of position {position} to {target.parent}: {error.strerror or error}",
            hint=hints.DELETE_SNAPSHOTS,
        ) from error
    return Snapshot(target, position, at_us, version, digest, content_digest, target.stat().st_size)


def remove(queue_path: Path, position: int) -> None:
    """Delete the snapshot of a position where it is there and may be deleted."""
    with suppress_own(OSError):
        _file_of(queue_path, position).unlink()


def interval(head: int, setting: int) -> int:
    """Return how many events lie between two snapshots of a log of this length; 0 where none are wanted."""
    return max(setting, head // PARTS) if setting else 0


def missing(there: Sequence[int], first: int, head: int, every: int) -> list[int]:
    """Return the positions to make snapshots of, so that every position is at the most about `every` after one."""
    known = [first, *(position for position in there if first < position <= head)]
    wanted: list[int] = []
    for before, after in pairwise([*known, head + every // 2 + 1]):
        # A gap a little too large is left; after the last one the next is made when it is due.
        end = after - every // 2
        wanted += range(before + every, end, every)
    return wanted


def superfluous(there: Sequence[int], every: int) -> list[int]:
    """Return the positions whose snapshots can go, since those around them are close enough; never the last."""
    gone: list[int] = []
    kept = 0
    for position, after in pairwise(there):
        if after - kept <= every:
            gone.append(position)
        else:
            kept = position
    return gone


@contextmanager
def only_maker(queue_path: Path) -> Iterator[bool]:
    """Be the only one that makes snapshots meanwhile; yields whether this one is."""
    directory = queue_path / SNAPSHOTS
    try:
        make_private(directory)
    except own(OSError) as error:
        advice = advice_on(error, "check its owner and permissions")
        raise StoreError(f"cannot make snapshots in {directory}: {error.strerror}; {advice}") from error
    with lock(directory / _LOCK, wait=False) as is_ours:
        if is_ours:
            _sweep(directory)
        yield is_ours


def _file_of(queue_path: Path, position: int) -> Path:
    return queue_path / SNAPSHOTS / f"{position:015d}{SUFFIX}"


@contextmanager
def _making(directory: Path) -> Iterator[Path]:
    """Make a directory to work in, which goes with all in it at the end."""
    from shutil import rmtree

    path = directory / f"{MAKING}{os.urandom(8).hex()}"
    make_private(path)
    try:
        yield path
    finally:
        rmtree(path, ignore_errors=True)


def _compress(directory: Path) -> tuple[Path, bytes]:
    import zstandard

    packed, digest = directory / "packed", sha256()
    with (directory / DATA_FILE).open("rb") as content, new_file(packed) as file:
        for piece in zstandard.ZstdCompressor(level=LEVEL).read_to_iter(content, read_size=_PIECE_BYTES):
            digest.update(piece)
            file.write(piece)
    return packed, digest.digest()


def _sweep(directory: Path) -> None:
    """Remove what makers that were killed left half done."""
    from shutil import rmtree

    for path in directory.glob(f"{MAKING}*"):
        rmtree(path, ignore_errors=True)
