"""Folds a log stream by stream, as of a position: each job at once from all of its events, in the order of numbers.

A stream's events are found from its last, which `streams` has, by following each one's `prev` back. So a job is
folded and written once, however its events lie in the log, and memory holds one portion of jobs. What no stream
leads to would be missed: whoever walks compares the number of events read.
"""

import gc
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..errors import CorruptLog
from ..events.codec import decode_all
from ..events.lmdb_log import LOG, STREAMS, LmdbLog
from ..events.types import RETENTION_STREAM, Enqueued, Recorded, RetentionApplied
from ..job import Job, evolve
from ..store import Row, Store, Transaction, key_of
from . import children
from .rows import seal_all
from .runner import changes, is_let_go, recounted

PORTION: Final = 5_000
"""Jobs that are folded, and written, together."""

_NAMED: Final = b"\xff"
"""How the keys of streams begin that are no job's."""


class Folded(NamedTuple):
    """What the next jobs are in the views: rows as they are stored, by table, and how the counts change.

    `counts` has a queue, a state and a number each; `last` is the number of the last job, `events` of how many it is
    the fold.
    """

    rows: dict[str, list[Row]]
    counts: Sequence[tuple[str, str, int]]
    last: int
    events: int


class CutMeanwhile(Exception):
    """Retention took events out of the log that were not read yet: begin anew."""


def named_events(txn: Transaction) -> list[Recorded]:
    """Return the events of the streams that are no job's, in their order, without those that retention let go."""
    log = LmdbLog(txn)
    ends = [int.from_bytes(last, "big") for _, last in txn.scan(STREAMS, _NAMED)]
    found = _followed(txn, ends, log.head(), lacks_below=log.cut())
    return sorted((each for events in found for each in events), key=lambda each: each.position)


def fold(store: Store, *, head: int, retention: int, promoted_us: int, after: int = 0) -> Iterator[Folded]:
    """Yield the jobs numbered above `after` as they are at a position, a portion at a time.

    `retention` is the position of the last retention event then. Raises CutMeanwhile where there is a later one, and
    what stops a replay: CorruptLog, NewerFormat or IllegalTransition.
    """
    while True:
        with store.read() as txn:
            log = LmdbLog(txn)
            if log.version(RETENTION_STREAM) != retention:
                raise CutMeanwhile
            sweeps = [each.event for each in log.read_stream(RETENTION_STREAM)]
            rows = list(islice(txn.scan(STREAMS, key_of(after) + b"\0", key_of(head + 1)), PORTION))
            if not rows:
                return
            after = int.from_bytes(rows[-1][0], "big")
            ends = [int.from_bytes(last, "big") for _, last in rows]
            folded = _fold(_followed(txn, ends, head), sweeps, promoted_us, after)
        yield folded


def messages(path: str, **options: Any) -> Iterator[dict[str, Any]]:
    """Fold a queue's jobs as fold() does, in a process of its own."""
    gc.disable()  # there are no cycles here, and looking for them would take a third of the time
    with Store.open_suspect(Path(path)) as store:
        for folded in fold(store, **options):
            yield folded._asdict()


def _fold(streams: Iterator[list[Recorded]], sweeps: Sequence[Any], promoted_us: int, last: int) -> Folded:
    """Fold the events of streams, last first."""
    jobs: dict[int, Job | None] = {}
    removed: dict[str, int] = {}
    born: list[Row] = []
    count = 0
    for events in streams:
        before: Job | None = None
        job: Job | None = None
        for each in reversed(events):
            before, job = job, evolve(job, each)
        count += len(events)
        if events and events[-1].cause:
            born.append(children.row(events[-1].cause, events[-1].position))
        if job is not None:
            if not any(_is_swept(job, each) for each in sweeps):
                jobs[job.number] = job
        elif before is not None:
            removed[before.spec.id] = before.number
    found = changes({}, jobs, removed, born, promoted_us)
    rows = {table: seal_all(table, sorted(rows)) for table, (_, rows) in found.items()}
    counts = [(queue, str(state), number) for (queue, state), number in recounted({}, jobs).items()]
    return Folded(rows, counts, last, count)


def _is_swept(job: Job, event: RetentionApplied) -> bool:
    return event.after < job.number <= event.through and is_let_go(job, upto=event.upto, keep_dead=event.keep_dead)


def _followed(txn: Transaction, ends: Sequence[int], head: int, *, lacks_below: int = 0) -> Iterator[list[Recorded]]:
    """Return the events of streams, last first, none after the head, from the position of each one's last.

    Up to `lacks_below` retention may have let some go: of a named stream, since of a job all stay or none.
    """
    streams: list[list[Recorded]] = [[] for _ in ends]
    going = [(end, events) for end, events in zip(ends, streams, strict=True) if end]
    while going:
        going.sort()  # by position: reading in order is fast
        rows = txn.get_many(LOG, [key_of(position) for position, _ in going])
        if len(rows) != len(going):
            going = _without_gone(going, rows, lacks_below)
        onward: list[tuple[int, list[Recorded]]] = []
        for (position, events), each in zip(going, decode_all(rows), strict=True):
            if position <= head:
                events.append(each)
            if each.prev and type(each.event) is not Enqueued:  # before that is an earlier job of its id
                onward.append((each.prev, events))
        going = onward
    return iter(streams)


def _without_gone(
    going: list[tuple[int, list[Recorded]]], rows: Sequence[Row], lacks_below: int
) -> list[tuple[int, list[Recorded]]]:
    there = {int.from_bytes(key, "big") for key, _ in rows}
    for position, _ in going:
        if position not in there and position > lacks_below:
            raise CorruptLog(position, "it is missing")
    return [each for each in going if each[0] in there]
