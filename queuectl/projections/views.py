"""Applies events to the views, inside one transaction.

Changes of jobs are gathered and written by `flush`, once a job and sorted by key: a job that moves
three times in a transaction is written once, and sorted writes are the fast ones. What a job's row
means for the tables around it is `place`, a function of the row and the promotion mark alone.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..core.evolve import evolve
from ..core.job import ENDED, Job, JobState
from ..events.types import (
    LIMIT_STREAM,
    ConfigChanged,
    Enqueued,
    EnvironmentKept,
    LimitRemoved,
    LimitSet,
    Paused,
    Recorded,
    Removed,
    Resumed,
    RetentionApplied,
    Stream,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
)
from ..store.store import Row, Transaction
from ..system.packing import pack_all
from . import (
    archives,
    children,
    config,
    counts,
    dead,
    edges,
    ended,
    environments,
    ids,
    jobs,
    lanes,
    leases,
    limits,
    marks,
    queues,
    ready,
    removed,
    scheduled,
    tags,
    timers,
    unique,
    workers,
)
from .row_codec import write_many

PROMOTE_LIMIT = 10_000

Placed = tuple[str, bytes, bytes]
"""A table, and the row a job has in it."""

Change = tuple[list[bytes], list[Row]]
"""The keys that leave a table, and the rows that come into it or change."""


def place(job: Job, number: bytes, promoted_us: int) -> Placed:
    """Return where a job lies beside `jobs`: in one table, since its state is one. `number` is its number's key."""
    return SHELVES[job.state](job, number, promoted_us)


def _waiting(job: Job, number: bytes, promoted_us: int) -> Placed:
    if job.options is None and job.paused_at_us is None:  # as most are: it waits for its time and its turn alone
        if job.due_us <= promoted_us:
            return ready.TABLE, ready.key(job.spec, number), b""
        return scheduled.TABLE, scheduled.key(job, number), scheduled.value(job, number)
    if job.due_us > promoted_us or job.parked is not None:
        return scheduled.TABLE, scheduled.key(job, number), scheduled.value(job, number)
    if job.uses_limits:
        return (lanes.LANES, *lanes.row(job, number))
    return ready.TABLE, ready.key(job.spec, number), b""


def _leased(job: Job, number: bytes, promoted_us: int) -> Placed:
    return (leases.TABLE, *leases.row(job, number))


def _dead(job: Job, number: bytes, promoted_us: int) -> Placed:
    return dead.TABLE, dead.key(job), number


def _over(job: Job, number: bytes, promoted_us: int) -> Placed:
    return ended.TABLE, ended.key(job), number


def is_let_go(job: Job, *, upto: int, keep_dead: bool) -> bool:
    """Return whether retention means a job: one that has ended, with nothing of it after a position."""
    return job.version <= upto and job.state in ENDED and not (keep_dead and job.state is JobState.DEAD)


SHELVES: Mapping[JobState, Callable[[Job, bytes, int], Placed]] = {
    JobState.PENDING: _waiting,
    JobState.PROCESSING: _leased,
    JobState.COMPLETED: _over,
    JobState.FAILED: _waiting,
    JobState.DEAD: _dead,
    JobState.CANCELLED: _over,
}


class Moved:
    """Jobs before some events and after them, ids of those removed, and the rows of those that runs enqueued."""

    __slots__ = ("after", "before", "children", "removed")

    def __init__(self) -> None:
        self.before: dict[int, Job | None] = {}
        """As they were; a job that is in `after` only was not there."""
        self.after: dict[int, Job | None] = {}
        self.removed: dict[str, int] = {}
        self.children: list[Row] = []

    def apply(self, recorded: Recorded, find: Callable[[int], Job | None]) -> Job | None:
        """Apply an event of a job and return the job as it is now; `find` returns a job as it was, by its number."""
        number: Any = recorded.stream
        kind = type(recorded.event)
        if kind is Enqueued:
            job = self.before[number] = None
            if recorded.cause:
                self.children.append(children.row(recorded.cause, number))
        else:
            job = find(number)
        if kind is Removed and job is not None:
            self.removed[job.spec.id] = number
        now = self.after[number] = evolve(job, recorded)
        return now


class Views:
    """The live views, or a shadow of them, as one transaction sees and changes them."""

    def __init__(self, txn: Transaction) -> None:
        self._txn = txn
        self._promoted_us = marks.get(txn, marks.PROMOTED)
        self._moved = Moved()
        self._flushed = self.applied = marks.get(txn, marks.APPLIED)

    def job(self, number: int) -> Job | None:
        """Return a job as it stands, with what was applied but not flushed."""
        before, after = self._moved.before, self._moved.after
        if number in after:
            return after[number]
        if number not in before:
            before[number] = jobs.get(self._txn, number)
        return before[number]

    def jobs(self, numbers: Sequence[int]) -> list[Job | None]:
        """Return jobs as they stand, with what was applied but not flushed, read at once."""
        before, after = self._moved.before, self._moved.after
        unread = [number for number in numbers if number not in after and number not in before]
        before |= jobs.get_many(self._txn, unread)
        return [after[number] if number in after else before[number] for number in numbers]

    def removed(self, job_id: str) -> int | None:
        """Return the number of the removed job that had an id last, None if there is none."""
        return self._moved.removed.get(job_id) or removed.find(self._txn, job_id)

    def apply(self, batch: Iterable[Recorded]) -> list[Job]:
        """Apply events; returns the jobs that they are about, as they are afterwards, without those that are gone."""
        told: dict[Stream, Job | None] = {}
        find = self.job
        for recorded in batch:
            self.applied = recorded.position
            if isinstance(recorded.stream, int):
                told[recorded.stream] = self._moved.apply(recorded, find)
            else:
                self._apply_named(recorded)
        return [job for job in told.values() if job is not None]

    def forget(self, let_go: Iterable[tuple[str, int]], born: Sequence[Row]) -> None:
        """Drop what else the events of jobs told that were let go: their ids, where removed, and who enqueued them."""
        for job_id, number in let_go:
            if removed.find(self._txn, job_id) == number:
                self._txn.delete(removed.TABLE, job_id.encode())
        self._txn.delete_many(children.TABLE, sorted(key for key, _ in born))

    def promote(self, now_us: int) -> int:
        """Move the jobs due by now to `ready`; returns how many, at most about PROMOTE_LIMIT at once."""
        self.flush()
        found = list(scheduled.due(self._txn, now_us, PROMOTE_LIMIT))
        if found:
            self._txn.delete_many(scheduled.TABLE, [key for key, _ in found])
            coming = [scheduled.row_to_be(value) for _, value in found]
            ready.change(self._txn, [], [row for table, row in coming if table == ready.TABLE])
            lanes.change(self._txn, [], [row for table, row in coming if table == lanes.LANES], {})
            self._promoted_us = max(self._promoted_us, scheduled.due_us(found[-1]))
            marks.put(self._txn, marks.PROMOTED, self._promoted_us)
        return len(found)

    def promote_to(self, mark_us: int) -> None:
        """Promote up to another view's mark, so that both hold the same rows."""
        while self.promote(mark_us):
            pass
        self._promoted_us = mark_us
        if mark_us:
            marks.put(self._txn, marks.PROMOTED, mark_us)

    @property
    def promoted_us(self) -> int:
        """The time up to which due jobs were promoted."""
        return self._promoted_us

    def flush(self) -> None:
        """Write what was applied."""
        moved, self._moved = self._moved, Moved()
        if moved.after:
            found = changes(moved, self._promoted_us)
            in_lanes, uses = found.pop(lanes.LANES, ([], [])), lanes.uses_of(moved.after, moved.before)
            parents = parents_touched(found.get(edges.TABLE))
            for table, (keys, rows) in found.items():
                if table == ready.TABLE:
                    ready.change(self._txn, keys, rows)
                else:
                    self._txn.delete_many(table, sorted(keys))
                    write_many(self._txn, table, sorted(rows))
            lanes.change(self._txn, *in_lanes, uses)
            if parents or self._txn.count(edges.TABLE):
                edges.settle(self._txn, parents | ended_now(moved))
            counts.add(self._txn, recounted(moved))
        if self.applied != self._flushed:
            marks.put(self._txn, marks.APPLIED, self.applied)
            self._flushed = self.applied

    def _apply_named(self, recorded: Recorded) -> None:
        event = recorded.event
        if isinstance(event, ConfigChanged):
            config.apply(self._txn, event)
        elif isinstance(event, EnvironmentKept):
            environments.apply(self._txn, recorded, event)
        elif isinstance(event, RetentionApplied):
            self.flush()
            archives.apply(self._txn, event)
            for job in self._meant_by(event):
                self._moved.before[job.number], self._moved.after[job.number] = job, None
        elif isinstance(event, Paused | Resumed):
            queues.apply(self._txn, recorded)
        elif isinstance(event, LimitSet | LimitRemoved):
            self.flush()
            before = limits.caps(self._txn)
            limits.apply(self._txn, recorded)
            lanes.recap(self._txn, str(recorded.stream).removeprefix(LIMIT_STREAM), before)
        elif isinstance(event, WorkerStarted | WorkerStopping | WorkerStopped):
            workers.apply(self._txn, recorded)
        else:
            raise AssertionError(f"no view says what becomes of {type(event).__name__}, an event of no job")

    def _meant_by(self, event: RetentionApplied) -> Iterator[Job]:
        # A log that retention has cut no longer tells of them; one put together again with its archive does.
        for job in jobs.oldest_first(self._txn, event.after):
            if job.number > event.through:
                return
            if is_let_go(job, upto=event.upto, keep_dead=event.keep_dead):
                yield job


def changes(moved: Moved, promoted_us: int) -> dict[str, Change]:
    """Return what changes in the tables, but for the counts, when jobs become what they are after."""
    before = moved.before
    found: defaultdict[str, Change] = defaultdict(lambda: ([], []))
    rows, new_ids = found[jobs.TABLE][1], found[ids.TABLE][1]
    packed = iter(pack_all([job for job in moved.after.values() if job is not None]))
    for number, job in moved.after.items():
        key, was = number.to_bytes(8, "big"), before.get(number)
        old = place(was, key, promoted_us) if was is not None else None
        new = place(job, key, promoted_us) if job is not None else None
        if job is not None:
            rows.append((key, next(packed)))
            if was is None:
                new_ids.append((job.spec.id.encode(), key))
        elif was is not None:
            found[jobs.TABLE][0].append(key)
            found[ids.TABLE][0].append(was.spec.id.encode())
        if old != new:
            if old is not None:
                found[old[0]][0].append(old[1])
            if new is not None:
                found[new[0]][1].append(new[1:])
        was_options = None if was is None else was.options
        options = None if job is None else job.options
        if options is not was_options:
            was_tags, is_tags = tags.keys(was_options, key), tags.keys(options, key)
            found[tags.TABLE][0].extend(was_tags - is_tags)
            found[tags.TABLE][1].extend((each, b"") for each in is_tags - was_tags)
        if (job is not None and job.options is not None) or (was is not None and was.options is not None):
            _move(found[timers.TABLE], timers.key, was, job, key)
            _move(found[unique.TABLE], unique.key, was, job, key)
            _wait(found, was, job, key)
    if moved.removed:
        found[removed.TABLE][1].extend(removed.row(job_id, number) for job_id, number in moved.removed.items())
    if moved.children:
        found[children.TABLE][1].extend(moved.children)
    return found


def _move(
    table: Change, key_of: Callable[[Job, bytes], bytes | None], was: Job | None, job: Job | None, number: bytes
) -> None:
    """Add what changes in a table where a job has a row or none, when it becomes what it is after."""
    old = None if was is None else key_of(was, number)
    new = None if job is None else key_of(job, number)
    if old != new:
        if old is not None:
            table[0].append(old)
        if new is not None:
            table[1].append((new, b""))


def _wait(found: defaultdict[str, Change], was: Job | None, job: Job | None, number: bytes) -> None:
    """Add what changes in `edges` when a job becomes what it is after."""
    old, new = edges.keys(was, number), edges.keys(job, number)
    if old != new:
        found[edges.TABLE][0].extend(old - new)
        found[edges.TABLE][1].extend((each, b"") for each in new - old)


def parents_touched(change: Change | None) -> set[bytes]:
    """Return the keys of the numbers of parents for whom it changes who waits for them."""
    return set() if change is None else edges.parents_of([*change[0], *(key for key, _ in change[1])])


def ended_now(moved: Moved) -> set[bytes]:
    """Return the keys of the numbers of the jobs that have ended, in another way too, or have been taken up again."""
    pairs = ((number, moved.before.get(number), job) for number, job in moved.after.items())
    return {number.to_bytes(8, "big") for number, was, job in pairs if _end_of(was) != _end_of(job)}


def _end_of(job: Job | None) -> JobState | None:
    return job.state if job is not None and job.state in ENDED else None


def recounted(moved: Moved) -> dict[counts.CountChange, int]:
    """Return how the counts change when jobs become what they are after."""
    found = _counted(moved.after.values())
    found.subtract(_counted(map(moved.before.get, moved.after)))
    return found


def _counted(jobs_there: Iterable[Job | None]) -> Counter[counts.CountChange]:
    found: list[counts.CountChange] = []
    for job in jobs_there:
        if job is not None:
            found.append((job.spec.queue, job.state))
            is_plain = job.options is None and job.paused_at_us is None
            if not is_plain and (wait := job.waits_for) is not None:
                found.append((job.spec.queue, wait))
    return Counter(found)  # counts what is in a list faster than what it is given to subtract
