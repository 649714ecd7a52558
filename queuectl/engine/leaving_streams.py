"""Streams that leave the log: whether one goes, which events are its, and how they leave the store.

A stream goes whole or not at all: a job's when it has ended, or was removed, and a worker's when it has stopped, with
the last event not after a position. So what is left of the log still tells all of what is left of the views.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from ..errors import CorruptLog
from ..events.codec import decode
from ..events.types import (
    RETENTION_STREAM,
    Enqueued,
    Recorded,
    Removed,
    RetentionApplied,
    Stream,
    WorkerStopped,
)
from ..projections import archives, children, jobs
from ..projections.views import Views, is_let_go
from ..store import log_rows
from ..store.event_reader import EventReader, stream_key, stream_of_key
from ..store.store import Row, Transaction, key_of
from ..store.tables import LOG, STREAMS

ROWS_AT_ONCE: Final = 2_000


class LeavingStream(NamedTuple):
    """A stream that leaves the log, or a part of the `retention` stream: its events, last first.

    `id` is the job's, or the stream's name; `cause` is the job's.
    """

    stream: Stream
    rows: list[Row]
    id: str = ""
    cause: int = 0

    @property
    def last(self) -> int:
        """The position of its last event."""
        return int.from_bytes(self.rows[0][0], "big")

    @property
    def first(self) -> int:
        """The position of its first event; a job's number."""
        return int.from_bytes(self.rows[-1][0], "big")

    @property
    def bytes(self) -> int:
        """What its events take."""
        return sum(len(key) + len(value) for key, value in self.rows)


class Superseded(NamedTuple):
    """Old events of retention that a coming one supersedes, last first; `next` is where to look on, 0 at the end."""

    rows: list[Row]
    next: int


def superseded(txn: Transaction, position: int, told: set[str], upto: int) -> Superseded:
    """Find the next old events of retention, back from a position, and add to the directories that are `told` of.

    Of each other directory, the last still tells where that is.
    """
    rows: list[Row] = []
    for (key, value), recorded in islice(read_back(txn, position), ROWS_AT_ONCE):
        if not isinstance(recorded.event, RetentionApplied):
            raise CorruptLog(recorded.position, "what leads there is of stream retention, and it is not")
        if (name := archives.segment_directory(recorded.event.archive)) in told and recorded.position <= upto:
            rows.append((key, value))
        told.add(name)
        position = recorded.prev
    return Superseded(rows, position if txn.get(LOG, key_of(position)) is not None else 0)


def meant_by(txn: Transaction, event: RetentionApplied) -> list[LeavingStream]:
    """Return what an event of retention says that goes, before it is applied, as whoever recorded it found it."""
    going: list[LeavingStream] = []
    named = [row for name in event.names if name != RETENTION_STREAM and (row := _stream_row(txn, name))]
    for key, last in (*txn.scan(STREAMS, key_of(event.after + 1), key_of(event.through + 1)), *named):
        found = leaving(txn, key, last, upto=event.upto, keep_dead=event.keep_dead)
        if found is not None:
            going.append(found)
    if RETENTION_STREAM in event.names:
        told, position = {archives.segment_directory(event.archive)}, EventReader(txn).version(RETENTION_STREAM)
        old: list[Row] = []
        while position:
            rows, position = superseded(txn, position, told, event.upto)
            old += rows
        going += [LeavingStream(RETENTION_STREAM, old)] if old else []
    return going


def _stream_row(txn: Transaction, name: str) -> Row | None:
    last = txn.get(STREAMS, stream_key(name))
    return None if last is None else (stream_key(name), last)


def expunge(txn: Transaction, views: Views, going: Sequence[LeavingStream], upto: int) -> None:
    """Drop streams from the log and the views, and say up to where events may be missing.

    What runs printed is left: it lies where they ran, and whoever archives it drops it.
    """
    log = EventReader(txn)
    origin, cut = log.origin(), max(log.cut(), upto)
    rows = [key for each in going for key, _ in each.rows]
    log_rows.remove(txn, rows, [stream_key(each.stream) for each in going if each.stream != RETENTION_STREAM])
    of_jobs = [each for each in going if isinstance(each.stream, int)]
    born = [children.row(each.cause, int(each.stream)) for each in of_jobs if each.cause]
    views.forget([(each.id, int(each.stream)) for each in of_jobs], born)
    log_rows.set_cut(txn, cut, origin)


def leaving(txn: Transaction, key: bytes, last: bytes, *, upto: int, keep_dead: bool) -> LeavingStream | None:
    """Return a stream with its events where it goes; raises CorruptLog where `last` is not its last event."""
    version, stream = int.from_bytes(last, "big"), stream_of_key(key)
    job = jobs.get(txn, stream) if isinstance(stream, int) else None
    if job is not None:
        is_last, goes = job.version == version, is_let_go(job, upto=upto, keep_dead=keep_dead)
    else:
        event = decode(last, _stored(txn, last))
        is_over = isinstance(event.event, Removed if isinstance(stream, int) else WorkerStopped)
        is_last = event.stream == stream and (is_over or isinstance(stream, str))
        goes = is_over and version <= upto
    if not is_last:
        raise CorruptLog(version, f"`streams` has it as the last event of stream {stream}, which it is not")
    return _gather(txn, key, last) if goes else None


def _gather(txn: Transaction, key: bytes, last: bytes) -> LeavingStream:
    """Follow a stream back to its beginning; raises CorruptLog where that leads into another."""
    found: list[Row] = []
    stream = stream_of_key(key)
    job_id, cause = "", 0
    for row, event in read_back(txn, int.from_bytes(last, "big")):
        if event.stream != stream or (row[0] == key) != isinstance(event.event, Enqueued):
            raise CorruptLog(event.position, f"what leads there is of stream {stream}, and it is not")
        found.append(row)
        if isinstance(event.event, Enqueued):
            job_id, cause = event.event.spec.id, event.cause
        if row[0] == key:
            break  # what was before belongs to an earlier job of the same id
    if isinstance(stream, str):
        return LeavingStream(stream, found, key[1:].decode(errors="replace"))
    if not found or found[-1][0] != key:
        raise CorruptLog(stream, f"what leads there from position {int.from_bytes(last, 'big')} is missing")
    return LeavingStream(stream, found, job_id, cause)


def read_back(txn: Transaction, position: int) -> Iterator[tuple[Row, Recorded]]:
    """Yield the events of a stream as they are stored and decoded, from one back to the first that is there."""
    while position and (value := txn.get(LOG, key := key_of(position))) is not None:
        event = decode(key, value)
        yield (key, value), event
        position = event.prev


def _stored(txn: Transaction, key: bytes) -> bytes:
    value = txn.get(LOG, key)
    if value is None:
        raise CorruptLog(int.from_bytes(key, "big"), "it is missing")
    return value
