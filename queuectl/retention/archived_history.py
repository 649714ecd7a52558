"""What the archive still tells of jobs that retention let go, and what their runs printed, as if they were there."""

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from functools import lru_cache
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Final

from .. import hints
from ..core.results import Run
from ..errors import BadSegment, CorruptLog, InvalidInput, JobNotFound, StoreError
from ..events.codec import StoredEvent
from ..events.types import Enqueued, Recorded, Removed
from ..projections import archives
from ..queries import jobs
from ..store.event_reader import EventReader
from ..store.store import Store, Transaction, key_of
from ..store.tables import LOG
from ..system.interrupts import own
from ..system.queue_files import ARCHIVE, SEGMENT
from . import archive
from .segment import Header, Piece, Segment

SHOWN: Final = 3
ROWS_AT_ONCE: Final = 10_000


def archive_directories(txn: Transaction, path: Path) -> list[Path]:
    """Return where segments of a queue may lie: in the directory of its own, and wherever events say."""
    return list(dict.fromkeys([path / ARCHIVE, *(path / name for name in archives.known(txn))]))


def rows(store: Store) -> Iterator[StoredEvent]:
    """Return every archived event in the order of their positions; some may be in the log as well."""
    with store.read() as txn:
        places, origin = _places(txn, store)
    return archive.rows(places, origin) if origin else iter(())


def _places(txn: Transaction, store: Store) -> tuple[list[Path], bytes | None]:
    """Return where segments may lie, and whose they must be; None where retention let nothing go yet."""
    return archive_directories(txn, store.path), origin_of(txn, store.path) if EventReader(txn).cut() else None


def origin_of(txn: Transaction, path: Path) -> bytes:
    """Return what tells this log from others; raises StoreError if the segment that it sealed last has another.

    No checksum covers what `meta` has of it, and with another one no archived job would be found any more.
    """
    log, last = EventReader(txn), archives.last(txn)
    origin, cut = log.origin(), log.cut()
    for place in archive_directories(txn, path) if last is not None and cut else ():
        with suppress(BadSegment):  # of which those tell who read it
            sealed = archive.found([place]).get(last.sequence) if last is not None else None
            header = None if sealed is None else _header(sealed, _stamp(sealed))
            if header is not None and header.origin != origin and header.chain == log.digest(cut):
                raise StoreError(
                    f"the queue at {path} is damaged: the archive segment {sealed} is its own, and `origin` in its "
                    "table `meta` is another's",
                    hint=hints.VERIFY_THEN_RESTORE,
                )
    return origin


@lru_cache(maxsize=16)
def _header(sealed: Path, stamp: tuple[int, ...]) -> Header:
    """Return the header of a segment, which is read once as long as it is the same file."""
    return Segment(sealed).header


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except own(OSError) as error:
        raise BadSegment(str(file), error.strerror or str(error)) from error
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def whole_log(store: Store, *, until: int) -> Iterator[StoredEvent]:
    """Yield every event up to a position, of the archive and of the log, in order and each once.

    Where segments are not there, what they hold is missing. Each read transaction is short.
    """
    last = b""
    for key, value in merge(rows(store), _log(store, until)):
        if int.from_bytes(key, "big") > until:
            return
        if key != last:
            yield key, value
            last = key


def _log(store: Store, until: int) -> Iterator[StoredEvent]:
    key = b""
    while True:
        with store.read() as txn:
            batch = list(islice(txn.scan(LOG, key + b"\0", key_of(until + 1)), ROWS_AT_ONCE))
        if not batch:
            return
        for found, value in batch:
            if found <= key:  # in a damaged tree the rows might never end
                raise CorruptLog(int.from_bytes(found, "big"), "the rows of the log are out of order here")
            key = found
            yield found, value


def missing_text(store: Store) -> str:
    """Return which segments are not there, and where they are looked for; "" where all are."""
    with store.read() as txn:
        last = archives.last(txn)
        if last is None:
            return ""
        places = archive_directories(txn, store.path)
    missing = archive.missing_segments(places, last.sequence, SHOWN + 1)
    names = ", ".join(f"{sequence:06d}-*{SEGMENT}" for sequence in missing[:SHOWN])
    more = " ..." if missing[SHOWN:] else ""
    return f"{names}{more} in {' or '.join(map(str, places))}" if missing else ""


def history(store: Store, job_id: str, lives: int | None = None) -> list[Recorded]:
    """Return a job's events, archived ones and those of earlier jobs of its id too, or else a named stream's.

    `lives`: of the last so many jobs of the id. Raises JobNotFound or InvalidInput.
    """
    not_found: JobNotFound | InvalidInput | None = None
    with store.read() as txn:
        try:
            there = jobs.history(txn, job_id, lives)
        except (JobNotFound, InvalidInput) as error:
            there, not_found = [], error
        places, origin = _places(txn, store)
    has_enough = lives is not None and len(_births(there)) >= lives
    found = (
        {each.position: each for each in archive.archived_events(places, origin, job_id)}
        if origin and not has_enough
        else {}
    )
    found |= {each.position: each for each in there}
    if not found and not_found is not None:
        missing = missing_text(store) if origin and isinstance(not_found, JobNotFound) else ""
        raise JobNotFound(job_id, archived_in=missing) if missing else not_found
    of_a_job = any(isinstance(each.stream, int) for each in found.values())  # which may have a stream's name for an id
    told = [each for _, each in sorted(found.items()) if isinstance(each.stream, int) == of_a_job]
    births = _births(told)
    return told if lives is None or len(births) <= lives else told[births[-lives] :]


def _births(told: list[Recorded]) -> list[int]:
    """Return where in a history each job of the id begins."""
    return [place for place, each in enumerate(told) if isinstance(each.event, Enqueued)]


def runs(store: Store, job_id: str) -> list[Run]:
    """Return the runs of the last job of an id, archived or not, in order; raises JobNotFound."""
    events = history(store, job_id)
    if isinstance(events[-1].event, Removed) or not isinstance(events[-1].stream, int):
        raise JobNotFound(job_id, removed=isinstance(events[-1].stream, int))
    return jobs.runs_of(events[-1].stream, events)


def not_found_error(store: Store, error: JobNotFound) -> JobNotFound:
    """Return the refusal of a job that is not there, with where it is archived if it is.

    Raises BadSegment where that cannot be told, and nothing else can be said of the id.
    """
    if error.removed:
        return error
    with suppress(BadSegment) if error.near else nullcontext():
        if found := segment_of(store, error.job_id):
            return JobNotFound(error.job_id, archived_at=found)
    missing = "" if error.near else missing_text(store)
    return JobNotFound(error.job_id, archived_in=missing) if missing else error


def segment_of(store: Store, job_id: str) -> str:
    """Return the path of a segment that has a job by its id, "" where none has; raises BadSegment."""
    with store.read() as txn:
        places, origin = _places(txn, store)
    found = archive.segments(places, origin) if origin else iter(())
    return next((str(segment.path) for segment in found if segment.entries(job_id)), "")


class ArchivedOutput:
    """What archived runs printed, read piece by piece; whoever goes on where it ended reads nothing twice."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._run = 0, 0
        self._start = 0
        self._held = b""
        self._pieces: Iterator[Piece] = iter(())

    def read(self, number: int, token: int, start: int, limit: int) -> bytes:
        """Return up to `limit` bytes of a run's frames from an offset on; nothing where there is no more."""
        if self._run != (number, token) or start < self._start:
            self._run, self._start, self._held = (number, token), 0, b""
            self._pieces = self._found(number, token)
        while self._start + len(self._held) < start + limit and (piece := next(self._pieces, None)) is not None:
            held = self._held + piece.frames
            self._held = held[start - self._start :]
            self._start += len(held) - len(self._held)
        return self._held[start - self._start :][:limit]

    def _found(self, number: int, token: int) -> Iterator[Piece]:
        with self._store.read() as txn:
            places, origin = _places(txn, self._store)
        segments = archive.segments(places, origin) if origin else iter(())
        for segment in sorted(segments, key=lambda each: each.header.sequence, reverse=True):
            found = (piece for piece in segment.pieces(number) if piece.token == token)
            if (first := next(found, None)) is not None:
                yield first
                yield from found
                return


def missing_history(store: Store, events: list[Recorded]) -> str | None:
    """Return what a history lacks, since the segment that has it is not there; None where it lacks nothing."""
    if not events:
        return None
    missing = missing_text(store)
    there = {each.position for each in events}
    gaps = [each.prev for each in events if each.prev and each.prev not in there]
    if gaps:
        where = missing or "a segment, and none of those there has them"
        return f"events of this id up to position {gaps[-1]} are archived in {where}, which is not there"
    if missing and isinstance(events[0].stream, int):
        return f"if there was an earlier job of this id, its events are archived in {missing}, which is not there"
    return None
