"""Which streams are old enough to leave the log, and all that is theirs; decides by position, changes nothing.

What earlier cuts said of themselves goes when a later one has said more.
"""

from collections.abc import Generator, Iterator
from itertools import islice
from typing import Final, NamedTuple

from ..engine.leaving_streams import LeavingStream, leaving, superseded
from ..errors import CorruptLog
from ..events.types import (
    RETENTION_STREAM,
    WORKER_STREAM,
)
from ..store.event_reader import NAMED_STREAM, EventReader
from ..store.store import Row, Store, Transaction, key_of
from ..store.tables import STREAMS

_WORKERS: Final = NAMED_STREAM + WORKER_STREAM.encode()

_LOOKED_A_JOB: Final = 25
"""Streams that are passed over take no more time than to look at one job's row."""

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
            if (found := leaving(txn, key, last, upto=rule.upto, keep_dead=rule.keep_dead)) is not None:
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


def superseded_rows(store: Store, upto: int, directory: str) -> Iterator[list[Row]]:
    """Yield the old retention events that a coming one, of a segment in a directory, supersedes, a batch at a time."""
    told = {directory}
    with store.read() as txn:
        position = EventReader(txn).version(RETENTION_STREAM)
    while position:
        with store.read() as txn:
            rows, position = superseded(txn, position, told, upto)
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
