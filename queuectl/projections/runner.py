"""Applies events to the views, inside one transaction.

Changes of jobs are gathered and written by `flush`, once a job and sorted by key: a job that moves
three times in a transaction is written once, and sorted writes are the fast ones. What a job's row
means for the tables around it is `place`, a function of the row and the promotion mark alone.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping

from ..events.types import ConfigChanged, Enqueued, Recorded, Removed
from ..job import Job, JobState, evolve
from ..store import Row, Transaction
from . import children, config, counts, dead, ids, jobs, leases, marks, ready, removed, scheduled, workers

PROMOTE_LIMIT = 10_000

Placed = tuple[str, bytes, bytes]
"""A table, and the row a job has in it."""


def place(job: Job, promoted_us: int) -> Placed | None:
    """Tell where a job lies beside `jobs`: one table at the most, since its state is one."""
    shelf = SHELVES[job.state]
    return None if shelf is None else shelf(job, promoted_us)


def _waiting(job: Job, promoted_us: int) -> Placed:
    if job.due_us <= promoted_us:
        return (ready.TABLE, *ready.row(job))
    return (scheduled.TABLE, *scheduled.row(job, ready.row(job)[0]))


def _leased(job: Job, promoted_us: int) -> Placed:
    return (leases.TABLE, *leases.row(job))


def _dead(job: Job, promoted_us: int) -> Placed:
    return (dead.TABLE, *dead.row(job))


SHELVES: Mapping[JobState, Callable[[Job, int], Placed] | None] = {
    JobState.PENDING: _waiting,
    JobState.PROCESSING: _leased,
    JobState.COMPLETED: None,
    JobState.FAILED: _waiting,
    JobState.DEAD: _dead,
    JobState.CANCELLED: None,
}


class Views:
    """The live views, or a shadow of them, as one transaction sees and changes them."""

    def __init__(self, txn: Transaction, cache: jobs.Cache | None = None) -> None:
        self._txn = txn
        self._jobs = jobs.Cache() if cache is None else cache
        self._promoted_us = marks.get(txn, marks.PROMOTED)
        self._before: dict[int, Job | None] = {}
        self._after: dict[int, Job | None] = {}
        self._removed: dict[str, int] = {}
        self._children: list[Row] = []
        self._flushed = self.applied = marks.get(txn, marks.APPLIED)

    def job(self, number: int) -> Job | None:
        """Give a job as it stands, with what was applied but not flushed."""
        if number in self._after:
            return self._after[number]
        if number not in self._before:
            self._before[number] = self._jobs.get(self._txn, number)
        return self._before[number]

    def apply(self, recorded: Recorded) -> Job | None:
        """Apply one event; gives the job afterwards where it is a job's."""
        self.applied = recorded.position
        stream, event = recorded.stream, recorded.event
        if not isinstance(stream, int):
            self._apply_named(recorded)
            return None
        if type(event) is Enqueued:
            job = self._before[stream] = None
            if recorded.cause:
                self._children.append(children.row(recorded.cause, stream))
        else:
            job = self.job(stream)
        if type(event) is Removed and job is not None:
            self._removed[job.spec.id] = stream
        job = self._after[stream] = evolve(job, recorded)
        return job

    def promote(self, now_us: int) -> int:
        """Move the jobs due by now to `ready`; gives how many, at most about PROMOTE_LIMIT at once."""
        self.flush()
        found = list(scheduled.due(self._txn, now_us, PROMOTE_LIMIT))
        if found:
            self._txn.delete_many(scheduled.TABLE, [key for key, _ in found])
            self._txn.put_many(ready.TABLE, sorted((ready_key, b"") for _, ready_key in found))
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
        if self._after:
            self._write_jobs()
            self._write_places()
            self._write_ids()
            self._write_counts()
            self._txn.put_many(children.TABLE, sorted(self._children))
            self._after, self._removed, self._children = {}, {}, []
        self._before = {}
        if self.applied != self._flushed:
            marks.put(self._txn, marks.APPLIED, self.applied)
            self._flushed = self.applied

    def _apply_named(self, recorded: Recorded) -> None:
        if isinstance(recorded.event, ConfigChanged):
            config.apply(self._txn, recorded.event)
        else:
            workers.apply(self._txn, recorded)

    def _write_jobs(self) -> None:
        there = {number: job for number, job in self._after.items() if job is not None}
        self._jobs.put_all(self._txn, there)
        gone = [number for number, job in self._after.items() if job is None and self._before[number] is not None]
        self._txn.delete_many(jobs.TABLE, [number.to_bytes(8, "big") for number in sorted(gone)])

    def _write_places(self) -> None:
        puts: defaultdict[str, list[Row]] = defaultdict(list)
        deletes: defaultdict[str, list[bytes]] = defaultdict(list)
        promoted_us = self._promoted_us
        for number, job in self._after.items():
            before = self._before[number]
            old = place(before, promoted_us) if before is not None else None
            new = place(job, promoted_us) if job is not None else None
            if old == new:
                continue
            if old is not None:
                deletes[old[0]].append(old[1])
            if new is not None:
                puts[new[0]].append(new[1:])
        for table, keys in deletes.items():
            self._txn.delete_many(table, sorted(keys))
        for table, rows in puts.items():
            self._txn.put_many(table, sorted(rows))

    def _write_ids(self) -> None:
        born: list[Row] = []
        for number, job in self._after.items():
            before = self._before[number]
            if before is None and job is not None:
                born.append(ids.row(job.spec.id, number))
            elif before is not None and job is None:
                self._txn.delete(ids.TABLE, before.spec.id.encode())
        self._txn.put_many(ids.TABLE, sorted(born))
        self._txn.put_many(removed.TABLE, sorted(removed.row(*gone) for gone in self._removed.items()))

    def _write_counts(self) -> None:
        changes: defaultdict[counts.Change, int] = defaultdict(int)
        for number, job in self._after.items():
            before = self._before[number]
            if before is not None:
                changes[before.spec.queue, before.state] -= 1
            if job is not None:
                changes[job.spec.queue, job.state] += 1
        counts.add(self._txn, changes)
