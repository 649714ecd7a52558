"""Folds a log stream by stream, as of a position: each job at once from all of its events, in the order of numbers.

A stream's events are found from its last, which `streams` has, by following each one's `prev` back. So a job is
folded and written once, however its events lie in the log, and memory holds one portion of jobs. What no stream
leads to would be missed: whoever walks compares the number of events read.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..core.job import Job
from ..errors import CorruptLog
from ..events.codec import decode_all
from ..events.types import RETENTION_STREAM, Enqueued, Recorded, RetentionApplied, Stream
from ..store.event_reader import NAMED_STREAM, EventReader, stream_of_key
from ..store.store import Row, Store, Transaction, key_of
from ..store.tables import LOG, STREAMS
from .lanes import uses_of
from .row_codec import seal_all
from .views import Moved, changes, is_let_go, recounted

JOBS_AT_ONCE: Final = 5_000
"""Jobs that are folded, and written, together."""

HELD_BYTES: Final = 32 << 20
"""Bytes of events that may be in memory for them; where there are more, fewer jobs are taken, one at the least."""

EVENTS_AT_ONCE: Final = 500
"""Events that are read before it is looked at how many bytes they are."""


class Folded(NamedTuple):
    """What the next jobs are in the views: rows as they are stored, by table, and how the counts change.

    `counts` has a queue, a state and a number each, `uses` what running jobs use of limits; `last` is the number of
    the last job, `events` of how many it is the fold.
    """

    rows: dict[str, list[Row]]
    counts: Sequence[tuple[str, str, int]]
    uses: dict[str, int]
    last: int
    events: int


def named_events(txn: Transaction) -> list[Recorded]:
    """Return the events of the streams that are no job's, in their order, without those that retention let go."""
    log = EventReader(txn)
    found = _followed(txn, list(txn.scan(STREAMS, NAMED_STREAM)), log.head(), lacks_below=log.cut())
    return sorted((each for events in found for each in events), key=lambda each: each.position)


def fold(store: Store, *, head: int, promoted_us: int, after: int = 0, until: int | None = None) -> Iterator[Folded]:
    """Yield the jobs numbered above `after`, up to `until`, as they are at a position, a portion at a time.

    The last portion's `last` is `until`, or the head: it may have no jobs.

    Jobs that retention lets go of meanwhile may be among them or not: the event that says so comes after `head`, and
    takes them out. Raises what stops a replay: CorruptLog, NewerFormat or IllegalTransition.
    """
    portion, until = JOBS_AT_ONCE, head if until is None else until
    while after < until:
        with store.read() as txn:
            sweeps = [each.event for each in EventReader(txn).read_stream(RETENTION_STREAM) if each.position <= head]
            rows = list(islice(txn.scan(STREAMS, key_of(after) + b"\0", key_of(until + 1)), portion))
            try:
                streams = _followed(txn, rows, head, most_bytes=HELD_BYTES if len(rows) > 1 else None)
            except _TooLarge:
                portion = max(len(rows) // 4, 1)
                continue
            after = int.from_bytes(rows[-1][0], "big") if len(rows) == portion else until
            folded = _fold(streams, sweeps, promoted_us, after)
        portion = min(2 * portion, JOBS_AT_ONCE)
        yield folded


def is_gone(txn: Transaction, number: bytes) -> bool:
    """Whether retention let go of the job with this number's key."""
    return txn.get(STREAMS, number) is None


class Numbers(NamedTuple):
    """Which numbers jobs have: the first, the last, and how many there are."""

    first: int
    last: int
    jobs: int


def numbers(txn: Transaction) -> Numbers:
    """Return the numbers of the jobs that the log has events of."""
    first = next(txn.scan(STREAMS, stop=NAMED_STREAM), (key_of(1), b""))
    last = next(txn.scan_back(STREAMS, NAMED_STREAM), (bytes(8), b""))
    return Numbers(int.from_bytes(first[0], "big"), int.from_bytes(last[0], "big"), txn.count(STREAMS))


def spans(jobs: Numbers, span_jobs: int) -> list[tuple[int, int]]:
    """Return the parts of a log that are folded by turns, of so many jobs each where they lie evenly.

    Each part is the number that it begins above, and the one that it ends with.
    """
    first, last, many = jobs
    span = max((last - first + 1) * span_jobs // max(many, 1), 1)
    return [(start, min(start + span, last)) for start in range(first - 1, last, span)]


def messages(path: str, *, head: int, promoted_us: int, jobs: list[int], span_jobs: int) -> Iterator[dict[str, Any]]:
    """Fold the jobs of every other span of a queue's log as fold() does, in a process of its own."""
    with Store.open_suspect(Path(path)) as store:
        for after, until in spans(Numbers(*jobs), span_jobs)[1::2]:
            for folded in fold(store, head=head, promoted_us=promoted_us, after=after, until=until):
                yield folded._asdict()


def _fold(streams: Iterator[list[Recorded]], sweeps: Sequence[Any], promoted_us: int, last: int) -> Folded:
    """Fold the events of streams, last first."""
    moved, count = Moved(), 0
    apply, find = moved.apply, moved.after.get
    for events in streams:
        job: Job | None = None
        for each in reversed(events):
            job = apply(each, find)
        count += len(events)
        if sweeps and job is not None and any(_is_swept(job, each) for each in sweeps):
            del moved.after[job.number]
    found = changes(moved, promoted_us)
    rows = {table: seal_all(table, sorted(rows)) for table, (_, rows) in found.items()}
    counts = [(queue, str(state), number) for (queue, state), number in recounted(moved).items()]
    return Folded(rows, counts, dict(uses_of(moved.after, moved.before)), last, count)


def _is_swept(job: Job, event: RetentionApplied) -> bool:
    return event.after < job.number <= event.through and is_let_go(job, upto=event.upto, keep_dead=event.keep_dead)


class _TooLarge(Exception):
    """The events of so many jobs are too many bytes."""


_OnTheWay = tuple[int, Stream, list[Recorded]]
"""The position of the event to read next, the stream that it is to be of, and that stream's events found so far."""


def _followed(
    txn: Transaction, rows: Sequence[Row], head: int, *, lacks_below: int = 0, most_bytes: int | None = None
) -> Iterator[list[Recorded]]:
    """Yield the events of each of the streams that these rows lead to, last first, none after the head.

    Up to `lacks_below` retention may have let some go: of a named stream, since of a job all stay or none. Raises
    CorruptLog where a way leads to no event, to another stream's, or not to where the stream began; _TooLarge for
    more than `most_bytes`.
    """
    left = float("inf") if most_bytes is None else most_bytes
    streams: list[_OnTheWay] = [(int.from_bytes(last, "big"), stream_of_key(key), []) for key, last in rows]
    going = [each for each in streams if each[0]]
    while going:
        going.sort(key=itemgetter(0))  # reading in order is fast
        found: list[Row] = []
        for start in range(0, len(going), EVENTS_AT_ONCE):
            rows = txn.get_many(LOG, [each[0].to_bytes(8, "big") for each in going[start : start + EVENTS_AT_ONCE]])
            left -= sum([len(value) for _, value in rows])
            if left < 0:
                raise _TooLarge
            found += rows
        if len(found) != len(going):
            going = _without_gone(going, found, lacks_below)
        onward: list[_OnTheWay] = []
        for (position, stream, events), each in zip(going, decode_all(found), strict=True):
            if each.stream != stream:
                raise CorruptLog(position, f"`streams` leads there for {stream}, and it is of {each.stream}")
            if position <= head:
                events.append(each)
            if type(each.event) is Enqueued:  # before that is an earlier job of its id
                continue
            if prev := each.prev:
                onward.append((prev, stream, events))
            elif isinstance(stream, int):
                raise CorruptLog(position, "the job that it is of does not begin before it")
        going = onward
    return (events for _, _, events in streams)


def _without_gone(going: list[_OnTheWay], found: Sequence[Row], lacks_below: int) -> list[_OnTheWay]:
    there = {int.from_bytes(key, "big") for key, _ in found}
    for position, *_ in going:
        if position not in there and position > lacks_below:
            raise CorruptLog(position, "it is missing")
    return [each for each in going if each[0] in there]
