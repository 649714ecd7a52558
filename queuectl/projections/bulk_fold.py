"""Folds stored events into jobs in memory, many events to a write: what a rebuild does in place of `Views`.

It gives what `Views` gives and writes the same rows (tests hold it to that). A job is written once each time
that memory is full, however often it moved.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from ..core.job import Job
from ..events.codec import decode_all
from ..events.types import Enqueued, EnvironmentKept, LimitRemoved, LimitSet, Recorded, RetentionApplied
from ..store.event_reader import EventReader
from ..store.store import Row, Transaction
from . import counts, edges, environments, jobs, lanes, ready, timers
from .row_codec import read_row, seal_all, write_many
from .stream_walk import Folded
from .views import Change, Moved, Views, changes, ended_now, parents_touched, recounted

HELD_JOBS = 50_000
HELD_BYTES = 32 << 20
"""Jobs are written and forgotten when so many are in memory, or when so many bytes were read for them."""

ROWS_AT_ONCE = 5_000
"""Rows to a write transaction: some 20 ms of the one lock that workers need too."""

WriteStep = Callable[[Transaction], None]
"""Something to do to the shadow in a write transaction."""

Touch = Callable[[str, list[bytes]], None]
"""Is told which keys of a table change."""

_SWEEPING = frozenset({RetentionApplied, LimitSet, LimitRemoved})
"""Events that change rows which they do not name."""

_Item = TypeVar("_Item")
_UNKNOWN: Any = object()


class Fold:
    """Jobs as they stand after the events read, and what of that is not in the shadow yet."""

    def __init__(self, promoted_us: int = 0) -> None:
        self.applied = self.events = 0
        self.promoted_us = promoted_us
        self.has_sweep = False
        """Whether the last event read changes rows that it does not name: what is in memory is written first."""
        self.has_swept = False
        """Whether some were changed so, or swept away."""
        self._forget()

    def _forget(self) -> None:
        self._moved = Moved()
        self._named: list[Recorded] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Return whether it has to be written before it reads on."""
        return self.has_sweep or len(self._moved.after) >= HELD_JOBS or self._bytes >= HELD_BYTES

    def read(self, shadow: Transaction, limit: int) -> None:
        """Apply the next events, `limit` at the most, none after one that changes rows which it does not name.

        Raises what stops a replay: CorruptLog, NewerFormat or IllegalTransition.
        """

        def find(number: int) -> Job | None:
            job = self._moved.after.get(number, _UNKNOWN)
            return self._load(shadow, number) if job is _UNKNOWN else job

        rows = EventReader(shadow).stored(self.applied, limit)
        for (_, value), recorded in zip(rows, decode_all(rows), strict=True):
            kind = type(recorded.event)
            self.applied, self.events = recorded.position, self.events + 1
            if isinstance(recorded.stream, int):
                self._moved.apply(recorded, find)
                self._bytes += len(value) if kind is Enqueued else 0
                continue
            self._named.append(recorded)
            self._bytes += len(value)
            if kind in _SWEEPING:
                self.has_sweep = True
                return

    def begin_at(self, applied: int, events: int, named: list[Recorded]) -> None:
        """Go on from a position up to which so many events were folded, but for these that are no job's."""
        self.applied, self.events, self._named = applied, events, named

    def _load(self, shadow: Transaction, number: int) -> Job | None:
        """Return a job that was written and forgotten, None where there is none."""
        key = number.to_bytes(8, "big")
        value = read_row(shadow, jobs.TABLE, key)
        job = self._moved.before[number] = None if value is None else jobs.unpack_job(value)
        self._bytes += 0 if value is None else len(value)
        return job

    def writes(self, touch: Touch | None = None) -> Iterator[WriteStep]:
        """Yield what brings the shadow to `applied`, a short transaction each, in order; forgets it at the end.

        `touch` is told each key of a large table that changes.
        """
        moved, named = self._moved, self._named
        found = changes(moved, self.promoted_us)
        moving = list(_portions(_queues_touched(found)))
        in_lanes = found.get(lanes.LANES, ([], []))
        turning = list(_portions(sorted(lanes.lanes_of([*in_lanes[0], *(key for key, _ in in_lanes[1])]))))
        uses = lanes.uses_of(moved.after, moved.before)
        yield from (partial(_drop_fronts, some, touch) for some in moving)
        yield from (partial(_drop_active, some, touch) for some in turning)
        for table, (keys, rows) in found.items():
            if touch:
                touch(table, keys)
                touch(table, [key for key, _ in rows])
            yield from (partial(_delete, table, some) for some in _portions(sorted(keys)))
            sealed = seal_all(table, sorted(dict(rows).items()))
            yield from (partial(_put, table, some) for some in _portions(sealed))
        yield from (partial(_put_fronts, some, touch) for some in moving)
        yield from (partial(_use, dict(some), touch) for some in _portions(sorted(uses.items())))
        yield from (partial(_activate, some, touch) for some in turning)
        parents = sorted(parents_touched(found.get(edges.TABLE)) | ended_now(moved))
        yield from (partial(_settle, some, touch) for some in _portions(parents))
        if touch:
            kept = (each for each in named if isinstance(each.event, EnvironmentKept))
            touch(environments.TABLE, [environments.digest_in(each) for each in kept])
        yield partial(_finish, recounted(moved), named, self.applied)
        self._forget()
        self.has_swept, self.has_sweep = self.has_swept or self.has_sweep, False


def _portions(items: list[_Item]) -> Iterator[list[_Item]]:
    return (items[start : start + ROWS_AT_ONCE] for start in range(0, len(items), ROWS_AT_ONCE))


def _queues_touched(found: Mapping[str, Change]) -> list[bytes]:
    keys, rows = found.get(ready.TABLE, ([], []))
    return ready.queues_of([*keys, *(key for key, _ in rows)])


def _drop_fronts(queues: Sequence[bytes], touch: Touch | None, shadow: Transaction) -> None:
    keys = sorted(key for key, _ in ready.fronts(shadow, queues))
    if touch:
        touch(ready.TABLE, keys)
    shadow.delete_many(ready.TABLE, keys)


def _put_fronts(queues: Sequence[bytes], touch: Touch | None, shadow: Transaction) -> None:
    rows = sorted(ready.fronts(shadow, queues))
    if touch:
        touch(ready.TABLE, [key for key, _ in rows])
    write_many(shadow, ready.TABLE, rows)


def _drop_active(some: Sequence[bytes], touch: Touch | None, shadow: Transaction) -> None:
    keys = sorted(lanes.active_keys(shadow, some))
    if touch:
        touch(lanes.ACTIVE, keys)
    shadow.delete_many(lanes.ACTIVE, keys)


def _use(uses: Mapping[str, int], touch: Touch | None, shadow: Transaction) -> None:
    if touch:
        touch(lanes.USED, [name.encode() for name in uses])
    _activate(lanes.lanes_with(shadow, lanes.add(shadow, uses)), touch, shadow)


def _activate(some: Iterable[bytes], touch: Touch | None, shadow: Transaction) -> None:
    going, coming = lanes.active_changes(shadow, some)
    if touch:
        touch(lanes.ACTIVE, [*going, *(key for key, _ in coming)])
    shadow.delete_many(lanes.ACTIVE, going)
    write_many(shadow, lanes.ACTIVE, coming)


def _settle(parents: Sequence[bytes], touch: Touch | None, shadow: Transaction) -> None:
    going, coming = edges.owed_changes(shadow, parents)
    if touch:
        touch(timers.TABLE, [*going, *(key for key, _ in coming)])
    shadow.delete_many(timers.TABLE, going)
    write_many(shadow, timers.TABLE, coming)


def _delete(table: str, keys: Sequence[bytes], shadow: Transaction) -> None:
    shadow.delete_many(table, keys)


def _put(table: str, sealed: Sequence[Row], shadow: Transaction) -> None:
    last = shadow.last(table)
    if last is None or last[0] < sealed[0][0]:
        shadow.append(table, sealed)  # twice as fast, and it leaves pages full
    else:
        shadow.put_many(table, sealed)


def writes_of(folded: Folded) -> Iterator[WriteStep]:
    """Yield what puts jobs into the shadow that were not there before, a short transaction each.

    The fronts of their queues, and which of their lanes are active, come afterwards, for all at once: firsts_of_all().
    """
    for table, rows in folded.rows.items():
        yield from (partial(_put, table, some) for some in _portions(rows))
    yield partial(_add, folded.counts, folded.uses)


def deletions(gone: Sequence[tuple[str, bytes]]) -> Iterator[WriteStep]:
    """Yield what deletes keys of tables, a short transaction each."""
    for table in sorted({table for table, _ in gone}):
        keys = sorted(key for other, key in gone if other == table)
        yield from (partial(_delete, table, some) for some in _portions(keys))


def firsts_of_all(shadow: Transaction) -> Iterator[WriteStep]:
    """Yield what makes the first of each queue, lane and parent what it is, a short transaction each."""
    queues, of_limits = list(ready.names(shadow)), list(lanes.every(shadow))
    yield from (partial(_put_fronts, some, None) for some in _portions(queues))
    yield from (partial(_activate, some, None) for some in _portions(of_limits))
    yield from (partial(_settle, some, None) for some in _portions(list(edges.all_parents(shadow))))


def _add(changes_of: Sequence[tuple[str, str, int]], uses: Mapping[str, int], shadow: Transaction) -> None:
    lanes.add(shadow, uses)
    counts.add(shadow, {(queue, kind): number for queue, kind, number in changes_of})


def _finish(
    recount: dict[counts.CountChange, int], named: Sequence[Recorded], applied: int, shadow: Transaction
) -> None:
    counts.add(shadow, recount)
    views = Views(shadow)
    views.apply(named)
    views.applied = applied
    views.flush()
