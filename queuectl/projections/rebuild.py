"""Makes the views anew from the log, beside the live ones, while workers go on; compares, and swaps on request.

Jobs are folded stream by stream, half of them by another process given a second processor (`stream_walk`), then
what was appended meanwhile, event by event (`bulk_fold`): both in short read transactions, outside the write lock, and
what comes of them is written to the shadow in short write transactions. Then the two sets are compared
(`compare`), until little is left to do; the last events, the last rows to compare and the swap are
one write transaction. Strict: what cannot be applied stops it, with the live views untouched. One
replay at a time works in the shadow, under a lock that ends with its process; what a killed one left
there is cleared by the next.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from typing import NamedTuple

from .. import hints
from ..core.progress import Progress
from ..errors import QueuectlError, StoreError
from ..events.types import RETENTION_STREAM
from ..store.event_reader import EventReader
from ..store.store import REPLAY_LOCK, VIEW_TABLES, Store, Transaction, no_collection
from ..store.tables import LOG
from ..system.host import processors
from . import children, lanes, marks, ready, removed, scheduled
from .bulk_fold import Fold, WriteStep, deletions, firsts_of_all, writes_of
from .compare import Comparison
from .layout import is_outdated, stamp
from .row_codec import scan
from .stream_walk import Folded, Numbers, fold, is_gone, named_events, numbers, spans
from .views import PROMOTE_LIMIT, Views

EVENTS_AT_ONCE = 10_000
"""Events to a read transaction: some 50 ms."""

REST = 500
"""Events that may be left for the last transaction, the one that workers wait for: some 10 ms."""

SPAN_JOBS = 4_000
"""Jobs, about, that one process folds while another does the next: one portion, so that neither waits for long."""

APART_FROM = 50_000
"""Events from which on a process of its own folds: to start one takes some 100 ms."""

ROUNDS = 20
"""Tries to get so close behind workers that append all the time; then the rest is what it is."""


class ReplayReport(NamedTuple):
    """What a replay found: no differences means that the views were exactly what the log says.

    `held_s` is for how long it kept workers from writing, at its end.
    """

    events: int
    differences: list[str]
    swapped: bool
    duration_s: float
    held_s: float

    @property
    def seconds(self) -> float:
        """The duration, by the name that it had before."""
        return self.duration_s


class Rebuilt(NamedTuple):
    """What a rebuild found: events applied, and the first difference in each table to the live views.

    `fold_s` is what making the views took, `compare_s` comparing them, `held_s` the last transaction.
    """

    events: int
    differences: list[str]
    swapped: bool
    fold_s: float
    compare_s: float
    held_s: float


def rebuild(store: Store, *, swap: bool, progress: Progress | None = None, waits: bool = False) -> Rebuilt:
    """Rebuild every view from the log and compare; with `swap` the rebuilt ones become the live ones.

    Where another replay is at work it `waits` for that one's end, or raises StoreError.
    """
    refusal = (
        None
        if waits
        else f"cannot replay the queue at {store.path}: another replay is at work; let it end, then try again"
    )
    with store.sole(REPLAY_LOCK, refusal):
        return _rebuild(store, swap, progress)


def bring_up_to_date(store: Store, progress: Progress | None = None) -> None:
    """Rebuild the views in this release's layout, unless another process is doing so: then wait for it."""
    with store.read() as txn:
        is_empty, stored = EventReader(txn).head() == 0, txn.count(LOG)
    if is_empty:
        with store.write() as txn:
            stamp(txn)
        return
    if progress:
        progress(0, stored)
    with store.sole(REPLAY_LOCK):
        if is_outdated(store):
            _rebuild(store, True, progress)


def _rebuild(store: Store, swap: bool, progress: Progress | None) -> Rebuilt:
    try:
        with no_collection():
            while True:
                with suppress(_CutMeanwhile):
                    return _Rebuild(store, progress).run(swap)
    finally:
        with suppress(QueuectlError):  # whatever stopped it, or a disk that is full, is what matters
            _clear(store)


def _clear(store: Store) -> None:
    for table in VIEW_TABLES:
        with store.write() as txn:
            txn.shadow().clear(table)


class _CutMeanwhile(Exception):
    """Retention took events that were not read yet, of jobs that were half read: begin again."""


class _Rebuild:
    """One run over the log."""

    def __init__(self, store: Store, progress: Progress | None) -> None:
        _clear(store)
        self._store = store
        self._progress = progress
        self._written = 0
        self._comparison: Comparison | None = None
        with store.write() as txn:
            self._live = txn.live
            self._retention = self._retention_at_first = EventReader(txn).version(RETENTION_STREAM)
            promoted_us = marks.get_anyhow(txn, marks.PROMOTED)
            Views(txn.shadow()).promote_to(promoted_us)  # waiting jobs are written where they will lie
        self._fold = Fold(promoted_us)

    def run(self, swap: bool) -> Rebuilt:
        """Do all of it."""
        fold_s, compare_s = _timed(self._walk), 0.0
        while True:
            fold_s += _timed(lambda: self._catch_up(EVENTS_AT_ONCE))
            compare_s += _timed(self._compare)
            fold_s += _timed(lambda: self._catch_up(REST))
            differences, held_s = self._conclude(swap)
            if differences is not None:
                return Rebuilt(self._fold.events, differences, swap, fold_s, compare_s, held_s)

    def _walk(self) -> None:
        """Fold the log as it is now, stream by stream; what comes meanwhile is caught up with."""
        with self._store.read() as txn:
            head, stored, named = EventReader(txn).head(), txn.count(LOG), named_events(txn)
            jobs = numbers(txn)
        done = len(named)
        for folded in self._folded(jobs, head, stored):
            if folded.rows:
                self._write_all(writes_of(folded))
            done += folded.events
            if self._progress:
                self._progress(done, stored)
        with self._store.read() as txn:
            firsts = list(firsts_of_all(txn.shadow()))
        self._write_all(firsts)
        self._fold.begin_at(head, done, named)
        self._write()

    def _folded(self, jobs: Numbers, head: int, stored: int) -> Iterator[Folded]:
        """Fold the jobs as of a position: with a second processor, every other span in a process of its own."""
        options = {"head": head, "promoted_us": self._fold.promoted_us}
        after = 0
        if stored >= APART_FROM and processors() > 1 and not self._store.is_passing:
            from ..system import subprocess_task  # only for a large log: it costs a command its start

            parts = spans(jobs, SPAN_JOBS)
            task = {"path": str(self._store.path), "jobs": list(jobs), "span_jobs": SPAN_JOBS, **options}
            with (
                suppress(QueuectlError),
                closing(subprocess_task.stream("fold", task)) as messages,
            ):  # what is wrong with the log is found again below, and then told
                for number, (start, until) in enumerate(parts):
                    theirs = (Folded(**message) for message in messages)
                    ours = fold(self._store, after=start, until=until, **options)
                    for folded in theirs if number % 2 else ours:
                        yield folded
                        after = folded.last
                        if after == until:
                            break
                    if after < until:
                        break
        yield from fold(self._store, after=after, **options)

    def _write_all(self, writes: Iterable[WriteStep]) -> None:
        for write in writes:
            with self._store.write() as txn:
                write(self._checked(txn))

    def _catch_up(self, rest: int) -> None:
        for _ in range(ROUNDS):
            while self._read() > 0:
                if self._fold.is_full:
                    self._write()
            self._write()
            if self._fold.has_swept:
                self._forget_gone()
            self._promote()
            if self._comparison:
                with self._store.read() as txn:
                    self._comparison.settle(txn)
            if self._left() <= rest:
                return

    def _forget_gone(self) -> None:
        """Drop what else is told of jobs that retention let go of: that they were removed, who enqueued them."""
        with self._store.read() as txn:
            shadow = txn.shadow()
            gone = [(removed.TABLE, key) for key, number in scan(shadow, removed.TABLE) if is_gone(txn, number)]
            gone += [(children.TABLE, key) for key, _ in scan(shadow, children.TABLE) if is_gone(txn, key[8:])]
        self._write_all(deletions(gone))
        self._fold.has_swept = False

    def _read(self) -> int:
        """Fold the next events, and give how many are left."""
        before = self._fold.applied
        with self._store.read() as txn:
            head = self._fold_on(txn, EVENTS_AT_ONCE)
        left = head - self._fold.applied
        if self._progress and self._fold.applied > before:
            self._progress(self._fold.events, self._fold.events + left)
        return left

    def _fold_on(self, txn: Transaction, limit: int) -> int:
        log = EventReader(txn)
        if (retention := log.version(RETENTION_STREAM)) != self._retention:
            if log.cut() > self._fold.applied:
                raise _CutMeanwhile
            self._retention = retention
        self._fold.read(txn.shadow(), limit)
        return log.head()

    def _left(self) -> int:
        with self._store.read() as txn:
            return EventReader(txn).head() - self._fold.applied

    def _write(self) -> None:
        self._write_all(self._writes())
        self._written = self._fold.applied

    def _writes(self) -> Iterator[WriteStep]:
        if self._fold.applied == self._written:
            return iter(())
        if self._fold.has_sweep:
            self._comparison = None  # what is swept away is not told key by key
        return self._fold.writes(self._comparison.touch if self._comparison else None)

    def _checked(self, txn: Transaction) -> Transaction:
        """Return the shadow, where nobody else was at work in it: an older queuectl knows no lock."""
        shadow = txn.shadow()
        if txn.live != self._live or marks.get_anyhow(shadow, marks.APPLIED) != self._written:
            raise StoreError(
                f"cannot rebuild after position {self._written}: another replay is at work; let it end, then try again"
            )
        return shadow

    def _promote(self) -> None:
        while True:
            with self._store.write() as txn:
                if self._promote_some(txn) == 0:
                    return

    def _promote_some(self, txn: Transaction) -> int:
        """Move jobs in the shadow as far as in the live views; returns how many, about PROMOTE_LIMIT at most."""
        mark_us = marks.get_anyhow(txn, marks.PROMOTED)
        if mark_us == self._fold.promoted_us:
            return 0
        shadow = self._checked(txn)
        found = list(scheduled.due(shadow, mark_us, PROMOTE_LIMIT))
        rows = [scheduled.row_to_be(value) for _, value in found]
        coming = [key for table, (key, _) in rows if table == ready.TABLE]
        limited = [key for table, (key, _) in rows if table == lanes.LANES]
        moved = lanes.lanes_of(limited)
        active = lanes.active_keys(shadow, moved)
        queues = ready.queues_of(coming)
        fronts = ready.fronts(shadow, queues)
        views = Views(shadow)
        views.promote(mark_us)
        if self._comparison:
            self._comparison.touch(scheduled.TABLE, [key for key, _ in found])
            self._comparison.touch(ready.TABLE, coming)
            self._comparison.touch(ready.TABLE, [key for key, _ in [*fronts, *ready.fronts(shadow, queues)]])
            self._comparison.touch(lanes.LANES, limited)
            self._comparison.touch(lanes.ACTIVE, [*active, *lanes.active_keys(shadow, moved)])
        if not found:
            views.promote_to(mark_us)
        self._fold.promoted_us = views.promoted_us
        return len(found)

    def _compare(self) -> None:
        self._comparison = self._comparison or Comparison()
        while True:
            with self._store.read() as txn:
                if not self._comparison.read_on(txn):
                    return

    def _conclude(self, swap: bool) -> tuple[list[str] | None, float]:
        """Do what is left, compare what is open, and swap; returns the differences, and for how long it held the lock.

        None for the differences where there is more to compare than what is open.
        """
        with self._store.write() as txn:
            begun = time.perf_counter()
            shadow, head = self._checked(txn), EventReader(txn).head()
            while self._fold.applied < head:
                self._fold_on(txn, EVENTS_AT_ONCE)
                for write in self._writes():
                    write(shadow)
                self._written = self._fold.applied
            while self._promote_some(txn):
                pass
            self._check_count(txn)
            differences = self._comparison.conclude(txn) if self._comparison else None
            if swap and differences is not None:
                shadow.make_live()
                stamp(txn)
        return differences, time.perf_counter() - begun

    def _check_count(self, txn: Transaction) -> None:
        """Raise StoreError where events were not found: below the cut positions have gaps, and nothing else tells."""
        stored = txn.count(LOG)
        if self._retention == self._retention_at_first and self._fold.events != stored:
            raise StoreError(
                f"cannot replay the queue at {self._store.path}: its log has {stored:,} events, and "
                f"{self._fold.events:,} were found: data.mdb is damaged",
                hint=hints.VERIFY_THEN_RESTORE,
            )


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
