"""Folds stored events into jobs in memory, many events to a write: what a rebuild does in place of `Views`.

It gives what `Views` gives and writes the same rows (tests hold it to that). The events that make up
nearly all of a log go straight from their stored form to the next job (STEPS). Whatever is not
plainly one of those, legal and whole, is decoded and evolved like any other, and that finds the
words for what is wrong. A job is written once each time that memory is full, however often it moved.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from ..events.codec import Data, decode, layout_of, unpack
from ..events.lmdb_log import LmdbLog
from ..events.types import Claimed, Enqueued, EnvironmentKept, JobSpec, Recorded, Removed, RetentionApplied
from ..job import TRANSITIONS, Job, JobState, Lease, Outcome, evolve
from ..store import Row, Transaction
from . import children, counts, environments, jobs, ready
from .rows import pack, read, seal_all, write_many
from .runner import Change, Views, changes, recounted

HELD_JOBS = 50_000
HELD_BYTES = 32 << 20
"""Jobs are written and forgotten when so many are in memory, or when so many bytes were read for them."""

PORTION = 5_000
"""Rows to a write transaction: some 20 ms of the one lock that workers need too."""

Write = Callable[[Transaction], None]
"""Something to do to the shadow in a write transaction."""

Touch = Callable[[str, list[bytes]], None]
"""Is told which keys of a table change."""

NOT_PLAIN = (KeyError, TypeError, ValueError, AttributeError)
"""What a step raises at an event that it leaves to `evolve`."""

_new = tuple.__new__  # builds a NamedTuple from a tuple, past its slower constructor
_Item = TypeVar("_Item")
_UNKNOWN: Any = object()
_PENDING, _PROCESSING, _COMPLETED, _FAILED = map(JobState, ("pending", "processing", "completed", "failed"))
_CLAIMABLE = tuple(TRANSITIONS[Claimed])
_SPEC = layout_of(Enqueued)


class Fold:
    """Jobs as they stand behind the events read, and what of that is not in the shadow yet."""

    def __init__(self, promoted_us: int = 0) -> None:
        self.applied = self.events = 0
        self.promoted_us = promoted_us
        self.has_sweep = False
        self._forget()

    def _forget(self) -> None:
        self._before: dict[int, Job | None] = {}
        self._after: dict[int, Job | None] = {}
        self._removed: dict[str, int] = {}
        self._children: list[Row] = []
        self._named: list[Recorded] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Tell whether it has to be written before it reads on."""
        return self.has_sweep or len(self._after) >= HELD_JOBS or self._bytes >= HELD_BYTES

    def read(self, shadow: Transaction, limit: int) -> None:
        """Apply the next events, `limit` at the most, none behind one that sweeps many jobs away.

        Raises what stops a replay: CorruptLog, NewerFormat or IllegalTransition.
        """
        after, position_of, envelope_of = self._after, int.from_bytes, unpack
        for key, value in LmdbLog(shadow).stored(self.applied, limit):
            position = position_of(key, "big")
            envelope = envelope_of(key, value)
            number = envelope.get("s", position)
            try:
                step = STEPS[envelope["y"], envelope["v"]]
                job = after.get(number, _UNKNOWN)
                if job is _UNKNOWN:
                    job = None if number == position else self._load(shadow, number)
                after[number] = step(job, envelope, position)
            except NOT_PLAIN:
                self._read_slowly(shadow, key, value)
            if number == position:
                self._bytes += len(value)
                if "c" in envelope:
                    self._children.append(children.row(envelope["c"], number))
            self.applied, self.events = position, self.events + 1
            if self.has_sweep:
                return

    def _read_slowly(self, shadow: Transaction, key: bytes, value: bytes) -> None:
        recorded = decode(key, value)
        number, event = recorded.stream, recorded.event
        if not isinstance(number, int):
            self._named.append(recorded)
            self._bytes += len(value)
            self.has_sweep = type(event) is RetentionApplied
            return
        job = self._after.get(number, _UNKNOWN)
        if job is _UNKNOWN:
            job = None if type(event) is Enqueued else self._load(shadow, number)
        if type(event) is Removed and job is not None:
            self._removed[job.spec.id] = number
        self._after[number] = evolve(job, recorded)

    def _load(self, shadow: Transaction, number: int) -> Job | None:
        """Give a job that was written and forgotten, None where there is none."""
        key = number.to_bytes(8, "big")
        value = read(shadow, jobs.TABLE, key)
        job = self._before[number] = None if value is None else jobs.unpack_job((key, value))
        self._bytes += 0 if value is None else len(value)
        return job

    def writes(self, touch: Touch | None = None) -> Iterator[Write]:
        """Give what brings the shadow to `applied`, a short transaction each, in order; forgets it at the end.

        `touch` is told each key of a large table that changes.
        """
        before, after, named = self._before, self._after, self._named
        found = changes(before, after, self._removed, self._children, self.promoted_us)
        found[jobs.TABLE][1].extend(
            (number.to_bytes(8, "big"), pack(job)) for number, job in after.items() if job is not None
        )
        moving = list(_portions(_queues_touched(found)))
        yield from (partial(_behead, some, touch) for some in moving)
        for table, (keys, rows) in found.items():
            if touch:
                touch(table, keys)
                touch(table, [key for key, _ in rows])
            yield from (partial(_delete, table, some) for some in _portions(sorted(keys)))
            yield from (partial(_put, table, some) for some in _portions(sorted(dict(rows).items())))
        yield from (partial(_head, some, touch) for some in moving)
        if touch:
            touch(environments.TABLE, [environments.digest_in(each) for each in named if _keeps(each)])
        yield partial(_finish, recounted(before, after), named, self.applied)
        self._forget()
        self.has_sweep = False


def _keeps(recorded: Recorded) -> bool:
    return isinstance(recorded.event, EnvironmentKept)


def _portions(items: list[_Item]) -> Iterator[list[_Item]]:
    return (items[start : start + PORTION] for start in range(0, len(items), PORTION))


def _queues_touched(found: Mapping[str, Change]) -> list[bytes]:
    keys, rows = found.get(ready.TABLE, ([], []))
    return ready.queues_of([*keys, *(key for key, _ in rows)])


def _behead(queues: Sequence[bytes], touch: Touch | None, shadow: Transaction) -> None:
    keys = sorted(key for key, _ in ready.heads(shadow, queues))
    if touch:
        touch(ready.TABLE, keys)
    shadow.delete_many(ready.TABLE, keys)


def _head(queues: Sequence[bytes], touch: Touch | None, shadow: Transaction) -> None:
    rows = sorted(ready.heads(shadow, queues))
    if touch:
        touch(ready.TABLE, [key for key, _ in rows])
    write_many(shadow, ready.TABLE, rows)


def _delete(table: str, keys: Sequence[bytes], shadow: Transaction) -> None:
    shadow.delete_many(table, keys)


def _put(table: str, rows: Sequence[Row], shadow: Transaction) -> None:
    last = shadow.last(table)
    if last is None or last[0] < rows[0][0]:
        shadow.append(table, seal_all(table, rows))  # twice as fast, and it leaves pages full
    else:
        write_many(shadow, table, rows)


def _finish(recount: dict[counts.Change, int], named: Sequence[Recorded], applied: int, shadow: Transaction) -> None:
    counts.add(shadow, recount)
    views = Views(shadow)
    for recorded in named:
        views.apply(recorded)
    views.applied = applied
    views.flush()


# The steps take a job apart and build the next one by position, as those of `job` do. Each raises one of
# NOT_PLAIN where a field is missing, or the job is in no state for the event.


def _enqueued(job: Job | None, envelope: Data, position: int) -> Job:
    if job is not None:
        raise ValueError(position)
    data, at_us = envelope["d"], envelope["t"]
    spec = _new(JobSpec, (*map(data.__getitem__, _SPEC.required), *map(data.get, _SPEC.optional, _SPEC.defaults)))
    due_us = spec.due_us or spec.run_at_us or 0
    return _new(Job, (position, spec, _PENDING, position, at_us, at_us, due_us, 0, None, None, None, None))


def _claimed(job: Job, envelope: Data, position: int) -> Job:
    number, spec, state, _, created, _, due, attempts, _, started, finished, last = job
    if state not in _CLAIMABLE:
        raise ValueError(position)
    data, at_us = envelope["d"], envelope["t"]
    lease = _new(Lease, (position, data["w"], data["exp"], 0, False))
    row = (number, spec, _PROCESSING, position, created, at_us, due, attempts, lease, started, finished, last)
    return _new(Job, row)


def _started(job: Job, envelope: Data, position: int) -> Job:
    number, spec, _, _, created, _, due, _, lease, _, _, last = job
    token, worker, expires, _, cancel = _whole(lease)
    data, at_us = envelope["d"], envelope["t"]
    _, attempt, _, _ = data["tok"], data["n"], data["host"], data["pid"]
    lease = _new(Lease, (token, worker, expires, attempt, cancel))
    return _new(Job, (number, spec, _PROCESSING, position, created, at_us, due, attempt, lease, at_us, None, last))


def _renewed(job: Job, envelope: Data, position: int) -> Job:
    number, spec, _, _, created, _, due, attempts, lease, started, finished, last = job
    token, worker, _, attempt, cancel = _whole(lease)
    data, at_us = envelope["d"], envelope["t"]
    _, expires = data["tok"], data["exp"]
    lease = _new(Lease, (token, worker, expires, attempt, cancel))
    row = (number, spec, _PROCESSING, position, created, at_us, due, attempts, lease, started, finished, last)
    return _new(Job, row)


def _completed(job: Job, envelope: Data, position: int) -> Job:
    number, spec, _, _, created, _, due, _, lease, started, _, _ = job
    data, at_us = envelope["d"], envelope["t"]
    _, attempt = data["tok"], data["n"]
    last = _new(Outcome, (_whole(lease)[1], data.get("rc", 0), None, data.get("ms"), None))
    return _new(Job, (number, spec, _COMPLETED, position, created, at_us, due, attempt, None, started, at_us, last))


def _failed(job: Job, envelope: Data, position: int) -> Job:
    number, spec, _, _, created, _, due, _, lease, started, _, _ = job
    data, at_us = envelope["d"], envelope["t"]
    get = data.get
    _, attempt, _, error = data["tok"], data["n"], data["why"], data["msg"]
    due = get("retry", due)
    last = _new(Outcome, (_whole(lease)[1], get("rc"), get("sig"), get("ms"), error))
    return _new(Job, (number, spec, _FAILED, position, created, at_us, due, attempt, None, started, at_us, last))


def _whole(lease: Lease | None) -> Lease:
    if lease is None:  # a job is processing exactly while it has one
        raise ValueError("not processing")
    return lease


STEPS: Mapping[tuple[str, int], Callable[[Any, Data, int], Job]] = {
    ("enqueued", 1): _enqueued,
    ("claimed", 1): _claimed,
    ("started", 1): _started,
    ("renewed", 1): _renewed,
    ("completed", 1): _completed,
    ("failed", 1): _failed,
}
"""Type and version of an event -> the job behind it, from the job before it and the event as stored."""
