"""The archive of a queue: directories of sealed segments, and what can be asked of all of them.

Segments are named SEQUENCE-FIRST-LAST.seg by the positions of the first and the last event in them;
those of one queue overlap, since jobs do. Changes nothing but what a compact left behind that was
interrupted. Knows nothing of the store.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from errno import ENAMETOOLONG
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import Final

from .. import hints
from ..errors import BadSegment, StoreError
from ..events.codec import StoredEvent, decode
from ..events.types import Recorded
from ..system.files import rename
from ..system.interrupts import own
from ..system.queue_files import PARTIAL, PENDING, SEGMENT
from ..system.untrusted import position_of
from .segment import Segment

UNKNOWN_S: Final = 3600.0
"""How long a message may be on its way to a shared log: after that it is not there."""


def segment_name(sequence: int, first: int, last: int) -> str:
    """Return the name of a segment."""
    return f"{sequence:06d}-{first}-{last}{SEGMENT}"


def partial_of(directory: Path, origin: bytes) -> Path:
    """Return where a queue's next segment is written until it is whole."""
    return directory / f"{origin.hex()[:16]}{PARTIAL}"


def pending_of(path: Path, digest: bytes) -> Path:
    """Return where a segment lies that is whole, until it is known whether a shared log has the event that names it."""
    return path.parent / f"{digest.hex()}{PENDING}" / path.name


def place(pending: Path, path: Path) -> None:
    """Give a segment that was pending its place."""
    rename(pending, path)
    pending.parent.rmdir()


def discard(pending: Path) -> None:
    """Remove a segment that no event names."""
    pending.unlink()
    if pending.parent.suffix == PENDING:
        pending.parent.rmdir()


def settle_pending(directory: Path, named: Collection[bytes]) -> None:
    """Place the segments that events name, by their SHA-256, and remove those that none can name any more."""
    for pending in directory.glob(f"*{PENDING}/*{SEGMENT}"):
        if pending.parent.stem in [digest.hex() for digest in named]:
            place(pending, directory / pending.name)
        elif time.time() - pending.stat().st_mtime > UNKNOWN_S:
            discard(pending)


def segments(directories: Iterable[Path], origin: bytes | None = None) -> Iterator[Segment]:
    """Yield the segments in directories, those of one queue where its `origin` is given; raises BadSegment."""
    for directory in directories:
        for path in _paths(directory):
            segment = Segment(path)
            if origin in (None, segment.header.origin):
                yield segment


def rows(directories: Iterable[Path], origin: bytes | None = None) -> Iterator[StoredEvent]:
    """Yield the events in all segments in the order of their positions, each once; raises BadSegment."""
    waiting = sorted(segments(directories, origin), key=lambda segment: segment.first, reverse=True)
    merged: list[tuple[bytes, int, bytes, Iterator[StoredEvent]]] = []
    last = b""
    while waiting or merged:
        while waiting and (not merged or waiting[-1].first <= int.from_bytes(merged[0][0], "big")):
            _push(merged, len(waiting), waiting.pop().rows())
        if merged:
            key, which, value, more = heappop(merged)
            if key != last:
                yield key, value
                last = key
            _push(merged, which, more)


def _push(
    merged: list[tuple[bytes, int, bytes, Iterator[StoredEvent]]], which: int, more: Iterator[StoredEvent]
) -> None:
    if (row := next(more, None)) is not None:
        heappush(merged, (row[0], which, row[1], more))


def missing_segments(directories: Iterable[Path], last: int, at_most: int) -> list[int]:
    """Return which segments are not there, the first few of those numbered up to `last`, from their names alone."""
    there = found(directories)
    return list(islice((sequence for sequence in range(1, last + 1) if sequence not in there), at_most))


def found(directories: Iterable[Path]) -> dict[int, Path]:
    """Return where each segment is, by its number, from their names alone."""
    return {_numbers(path)[0]: path for directory in directories for path in _paths(directory)}


def span_of(path: Path) -> tuple[int, int]:
    """Return the positions of the first and the last event in a segment, as its name has them."""
    _, first, last = _numbers(path)
    return first, last


def archived_events(directories: Iterable[Path], origin: bytes | None, job_id: str) -> list[Recorded]:
    """Return the archived events of all jobs that had an id; raises BadSegment or CorruptLog."""
    told: dict[int, Recorded] = {}
    for segment in segments(directories, origin):
        for entry in segment.entries(job_id):
            position = entry.last
            while position >= entry.number and (row := segment.row(position)) is not None:
                found = told[position] = decode(*row)
                if found.stream not in (entry.number, entry.id):
                    what = f"its index says that the event at position {position} is of {entry.id!r}, and it is not"
                    raise BadSegment(str(segment.path), what, position=position)
                position = found.prev
    return [told[position] for position in sorted(told)]


def tidy(directory: Path, origin: bytes, last: int, is_in_log: Callable[[Sequence[StoredEvent]], bool]) -> None:
    """Remove what a compact left that was interrupted before it let anything go.

    That is a segment not yet sealed, and one that no event names (numbered above `last`) while all it
    holds is in the log. Raises StoreError where segments of another queue lie there, or of another
    past of this one.
    """
    partial_of(directory, origin).unlink(missing_ok=True)
    for segment in segments([directory]):
        if segment.header.origin != origin:
            raise StoreError(
                f"cannot archive to {directory}: {segment.path.name} is another queue's",
                hint=hints.OTHER_SEGMENTS,
            )
        if segment.header.sequence > last:
            if not all(map(is_in_log, _batches(segment.rows()))):
                raise StoreError(
                    f"cannot archive to {directory}: {segment.path.name} holds events that this log does not have, as "
                    "after a restored backup; move it elsewhere, then try again"
                )
            segment.path.unlink()


def _batches(told: Iterator[StoredEvent], size: int = 1_000) -> Iterator[list[StoredEvent]]:
    batch: list[StoredEvent] = []
    for row in told:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch


def _paths(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.glob(f"*{SEGMENT}") if len(_numbers(path)) == 3)
    except own(ValueError):  # with a NUL, as no directory has it: an event may name anything
        return []
    except own(OSError) as error:
        if error.errno == ENAMETOOLONG:
            return []
        raise StoreError(f"cannot read the archive at {directory}: {error.strerror}; check its permissions") from error


def _numbers(path: Path) -> list[int]:
    words = path.name.removesuffix(SEGMENT).split("-")
    return [number for word in words if (number := position_of(word)) is not None]
