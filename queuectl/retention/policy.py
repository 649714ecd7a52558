"""Which streams are old enough to leave the log, and all that is theirs; decides by position, changes nothing.

A stream goes whole or not at all: a job's when it has ended, or was removed, and a worker's when it
has stopped, with the last event not after a position. What earlier cuts said of themselves goes
when a later one has said more. So what is left of the log still tells all of what is left of the views.
"""

from collections.abc import Generator, Iterator
from itertools import islice
from typing import Final, NamedTuple

from ..errors import CorruptLog
from ..events.codec import decode
from ..events.types import (
    RETENTION_STREAM,
    WORKER_STREAM,
    Enqueued,
    Recorded,
    Removed,
    RetentionApplied,
    Stream,
    WorkerStopped,
)
from ..projections import archives, jobs
from ..projections.views import is_let_go
from ..store.event_reader import NAMED_STREAM, EventReader, stream_of_key
from ..store.store import Row, Store, Transaction, key_of
from ..store.tables import LOG, STREAMS

_WORKERS: Final = NAMED_STREAM + WORKER_STREAM.encode()

_LOOKED_A_JOB: Final = 25
"""Streams that are passed over take no more time than to look at one job's row."""

ROWS_AT_ONCE: Final = 2_000
STREAMS_AT_ONCE: Final = 10_000


class Compacted(NamedTuple):
    """What a compact let go, or would: of jobs and workers whose last event is not after position `upto`.

    `bytes` is what its `events` took in the log, `position` is about how far it got, `segments` are the
    archive's new files.
    """

    upto: int
    jobs: int = 0
    workers: int = 0
    events: int = 0
    bytes: int = 0
    position: int = 0
    segments: tuple[str, ...] = ()


class Rule(NamedTuple):
    """What goes: streams whose last event is not after `upto`; dead jobs stay where `keep_dead`.

    Those whose last event is not after `since` were looked at before, under the same rule.
    """

    upto: int
    keep_dead: bool
    since: int = 0


class Limits(NamedTuple):
    """How much is done in one step, and put into one segment."""

    step_jobs: int = 2_000
    step_events: int = 10_000
    segment_events: int = 100_000
    segment_bytes: int = 64 << 20


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


class ChosenStreams(NamedTuple):
    """What goes of the streams up to and with the key `through`; None: there are none after them."""

    going: list[LeavingStream]
    through: bytes | None

    @property
    def events(self) -> int:
        """How many events go."""
        return sum(len(each.rows) for each in self.going)

    @property
    def bytes(self) -> int:
        """What they take."""
        return sum(each.bytes for each in self.going)


def next_streams(txn: Transaction, rule: Rule, after: bytes, limits: Limits) -> ChosenStreams:
    """Find the next streams that go, after a key of `streams`, with their events; raises CorruptLog."""
    going: list[LeavingStream] = []
    effort = events = size = 0
    through = after
    for key, last in _old_streams(txn, rule, after):
        if effort >= _LOOKED_A_JOB * limits.step_jobs or events >= limits.step_events or size >= limits.segment_bytes:
            return ChosenStreams(going, through)
        through = key
        effort += 1
        if rule.since < int.from_bytes(last, "big"):
            effort += _LOOKED_A_JOB
            if (found := _going(txn, rule, key, last)) is not None:
                going.append(found)
                events += len(going[-1].rows)
                size += going[-1].bytes
    return ChosenStreams(going, None)


def check_streams(store: Store) -> Iterator[None]:
    """Raise CorruptLog where rows of `streams` are missing or out of order; step by step."""
    with store.read() as txn:
        begun, total = EventReader(txn), txn.count(STREAMS)
        head, applied = begun.head(), begun.version(RETENTION_STREAM)
        total -= sum(1 for _ in islice(txn.scan(STREAMS, NAMED_STREAM), total))
    count, key = 0, b""
    while True:
        with store.read() as txn:
            rows = list(islice(txn.scan(STREAMS, key + b"\0", key_of(head + 1)), STREAMS_AT_ONCE))
            is_as_it_was = EventReader(txn).version(RETENTION_STREAM) == applied
        for found, _ in rows:
            if found <= key:
                raise CorruptLog(int.from_bytes(found, "big"), "the rows of `streams` are out of order here")
            key = found
        count += len(rows)
        if not rows:
            break
        yield
    if count != total and is_as_it_was:  # nothing but retention takes any away
        raise CorruptLog(head, f"`streams` counts {total:,} jobs up to there, and {count:,} are in it")


def superseded(store: Store, upto: int, directory: str) -> Iterator[list[Row]]:
    """Yield the old retention events that a coming one supersedes, a batch at a time.

    Of each other directory, the last still tells where that is.
    """
    told = {directory}
    with store.read() as txn:
        position = EventReader(txn).version(RETENTION_STREAM)
    while position:
        rows: list[Row] = []
        with store.read() as txn:
            for (key, value), _ in islice(_back(txn, position), ROWS_AT_ONCE):
                recorded = decode(key, value)
                if not isinstance(recorded.event, RetentionApplied):
                    raise CorruptLog(recorded.position, "what leads there is of stream retention, and it is not")
                if (name := archives.segment_directory(recorded.event.archive)) in told and recorded.position <= upto:
                    rows.append((key, value))
                told.add(name)
                position = recorded.prev
            if txn.get(LOG, key_of(position)) is None:
                position = 0
        yield rows


def plan(store: Store, rule: Rule) -> Generator[Compacted, None, None]:
    """Yield step by step what would go, and change nothing."""
    found = Compacted(rule.upto)
    for _ in check_streams(store):
        yield found
    through: bytes | None = b""
    while through is not None:
        with store.read() as txn:
            chosen = next_streams(txn, rule, through, Limits())
        found, through = counted(found, chosen), chosen.through
        yield found


def counted(before: Compacted, chosen: ChosenStreams) -> Compacted:
    """Add to what went, or would."""
    through = chosen.through
    return before._replace(
        jobs=before.jobs + sum(isinstance(each.stream, int) for each in chosen.going),
        workers=before.workers + sum(str(each.stream).startswith(WORKER_STREAM) for each in chosen.going),
        events=before.events + chosen.events,
        bytes=before.bytes + chosen.bytes,
        position=before.upto if through is None or through >= NAMED_STREAM else int.from_bytes(through, "big"),
    )


def _old_streams(txn: Transaction, rule: Rule, after: bytes) -> Iterator[Row]:
    if after < NAMED_STREAM:
        yield from txn.scan(STREAMS, after + b"\0", key_of(rule.upto + 1))
    yield from txn.scan(STREAMS, max(after + b"\0", _WORKERS), _WORKERS + b"\xff")


def _going(txn: Transaction, rule: Rule, key: bytes, last: bytes) -> LeavingStream | None:
    """Return a stream with its events where it goes; raises CorruptLog where `last` is not its last event."""
    version, stream = int.from_bytes(last, "big"), stream_of_key(key)
    job = jobs.get(txn, stream) if isinstance(stream, int) else None
    if job is not None:
        is_last, goes = job.version == version, is_let_go(job, upto=rule.upto, keep_dead=rule.keep_dead)
    else:
        event = decode(last, _stored(txn, last))
        is_over = isinstance(event.event, Removed if isinstance(stream, int) else WorkerStopped)
        is_last = event.stream == stream and (is_over or isinstance(stream, str))
        goes = is_over and version <= rule.upto
    if not is_last:
        raise CorruptLog(version, f"`streams` has it as the last event of stream {stream}, which it is not")
    return _gather(txn, key, last) if goes else None


def _gather(txn: Transaction, key: bytes, last: bytes) -> LeavingStream:
    """Follow a stream back to its beginning; raises CorruptLog where that leads into another."""
    found: list[Row] = []
    stream = stream_of_key(key)
    job_id, cause = "", 0
    for row, event in _back(txn, int.from_bytes(last, "big")):
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


def _back(txn: Transaction, position: int) -> Iterator[tuple[Row, Recorded]]:
    while position and (value := txn.get(LOG, key := key_of(position))) is not None:
        event = decode(key, value)
        yield (key, value), event
        position = event.prev


def _stored(txn: Transaction, key: bytes) -> bytes:
    value = txn.get(LOG, key)
    if value is None:
        raise CorruptLog(int.from_bytes(key, "big"), "it is missing")
    return value
