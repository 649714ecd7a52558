"""The state at a past moment: the nearest snapshot and the events since, in a store that is gone afterwards.

The live store is only read, in transactions of a bounded number of events. What the state was is then
answered by the functions that answer what it is.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from ..core.evolve import evolve
from ..core.job import Job
from ..core.progress import Progress
from ..core.settings import Settings
from ..core.times import LATEST_US, TIMES, When, time_json, when_us
from ..display import shown
from ..errors import Archived, InvalidInput, JobNotFound, NotAQueue, StoreError, Unusable
from ..events.codec import decode_all
from ..events.types import RETENTION_STREAM, Enqueued, Recorded
from ..projections import config, ids, marks, removed
from ..projections.layout import VIEWS_VERSION
from ..projections.views import Views
from ..queries import jobs
from ..store.event_reader import EventReader
from ..store.store import Row, Store, Transaction
from ..system.files import scratch_directory
from ..system.interrupts import suppress_own
from ..system.shortage import hindrance
from . import snapshot_files
from .snapshot_files import Snapshot

EVENTS_AT_ONCE: Final = 10_000
"""A read transaction on the live store lives no longer than as many events."""


class Moment(NamedTuple):
    """A past moment: the last event at it, and the time from which durations count."""

    position: int
    at_us: int


def moment_named(
    store: Store, position: int | None, *, at: When | None, at_us: int | None, now_us: int, field: str
) -> Moment:
    """Return the moment that was named in one of three ways; raises InvalidInput for none and for two.

    `field` is what errors call it.

    Raises what _moment_at() does.
    """
    named = [name for name, value in (("position", position), ("at", at), ("at_us", at_us)) if value is not None]
    if not named:
        raise InvalidInput("position", "none", "a position, or `at`")
    if len(named) > 1:
        raise InvalidInput(named[1], f"{named[0]} as well", f"either {named[0]} or {named[1]}")
    at_us = at_us if at is None else when_us(at, now_us=now_us, ahead=False, field="at")
    if at_us is not None and at_us > LATEST_US:
        raise InvalidInput(field, shown(at_us), TIMES)
    with store.read() as txn:
        return _moment_at(txn, position, at_us, now_us=now_us, field=field)


def _moment_at(txn: Transaction, position: int | None, at_us: int | None, *, now_us: int, field: str) -> Moment:
    """Return the moment of a position, or of a time, that the log can tell of.

    Raises InvalidInput for one before the log's beginning or still to come, Archived for one whose
    events retention has taken out of the log.
    """
    log = EventReader(txn)
    head, cut = log.head(), log.cut()
    if head == 0:
        raise Unusable(field, "an empty log", "a queue in which something has happened")
    if at_us is not None:
        return _moment_of_time(txn, at_us, now_us=max(now_us, log.last_at_us), field=field)
    if position is not None and position < 1:
        raise InvalidInput(field, f"position {position}", f"one from {max(cut, 1)} to {head}, the last event's")
    if position is None or position > head:
        raise Unusable(field, f"position {position}", f"one from {max(cut, 1)} to {head}, the last event's")
    if position < cut:
        raise Archived(f"position {position}", cut)
    return Moment(position, log.at(position).at_us if not log.is_gone(position) else log.at(_next(log, cut)).at_us)


def _moment_of_time(txn: Transaction, at_us: int, *, now_us: int, field: str) -> Moment:
    log = EventReader(txn)
    if at_us > now_us:
        raise Unusable(field, time_json(at_us) or "", f"a time that has passed; it is {time_json(now_us)}")
    position = jobs.position_at(txn, at_us)
    if position <= (cut := log.cut()) and cut:
        raise Archived(time_json(at_us) or "", cut)
    if position == 0:
        begun = time_json(log.at(1).at_us)
        raise InvalidInput(field, time_json(at_us) or "", f"a time from {begun} on, when the log begins")
    return Moment(position, at_us)


def _next(log: EventReader, cut: int) -> int:
    return min(cut + 1, log.head())


def job_at(txn: Transaction, job_id: str, position: int) -> Job:
    """Return a job as it was at a position, by the fold of its own events; raises JobNotFound."""
    number = ids.find(txn, job_id)
    if number is None:
        number = removed.find(txn, job_id)
    events = [] if number is None else EventReader(txn).read_stream(number)
    told = [each for each in events if each.position <= position]
    job: Job | None = None
    for recorded in _last_life(told):
        job = evolve(job, recorded)
    if job is None:
        raise JobNotFound(job_id, removed=bool(told))
    return job


def _last_life(told: Sequence[Recorded]) -> Sequence[Recorded]:
    """Return the events of the last job of an id."""
    births = [place for place, each in enumerate(told) if isinstance(each.event, Enqueued)]
    return told[births[-1] :] if births else []


@contextmanager
def views_at(
    store: Store, position: int, progress: Progress | None = None, *, scratch: Path | None = None
) -> Iterator[Store]:
    """Yield a store that holds the views as they were at a position, due jobs not promoted; it is gone afterwards.

    It takes up space on the disk of `scratch`, a directory; None is that for temporary files.
    """
    with ExitStack() as opened:
        views, base = _begin(store, position, scratch)
        opened.callback(views.close)
        _fold(store, views, base, position, progress)
        _keep(store, views, position, base)
        yield views


def make_snapshots(store: Store, *, with_head: bool = True, progress: Progress | None = None) -> list[Snapshot] | None:
    """Make the snapshots that are missing, `with_head` one of the head too, and thin out those that are too many.

    None where another process is at it. Raises StoreError where one cannot be written.
    """
    with snapshot_files.only_maker(store.path) as is_mine:
        if not is_mine:
            return None
        with store.read() as txn:
            log = EventReader(txn)
            head, cut = log.head(), log.cut()
            every = snapshot_files.interval(head, Settings.of(config.values(txn)).snapshot_events)
        there = _checked(store, head)
        wanted = snapshot_files.missing(there, cut, head, every) if every else []
        if with_head and head and head not in there:
            wanted.append(head)
        made: list[Snapshot] = []
        for done, position in enumerate(wanted):
            views, base = _begin(store, position)
            try:
                _fold(store, views, base, position, None)
                made.append(_save(store, views, position))
            finally:
                views.close()
            if progress:
                progress(done + 1, len(wanted))
        if every:
            for position in snapshot_files.superfluous(sorted({*there, *wanted}), every):
                snapshot_files.remove(store.path, position)
        return made


def are_snapshots_due(store: Store) -> bool:
    """Whether the log has grown enough since the last snapshot."""
    with store.read() as txn:
        head = EventReader(txn).head()
        every = snapshot_files.interval(head, Settings.of(config.values(txn)).snapshot_events)
    there = [position for position in snapshot_files.positions(store.path) if position <= head]
    return every > 0 and head - max(there, default=0) >= every


def delete_snapshots(store: Store) -> int:
    """Delete every snapshot; returns how many there were."""
    there = snapshot_files.positions(store.path)
    for position in there:
        snapshot_files.remove(store.path, position)
    return len(there)


def usable(store: Store) -> list[Snapshot]:
    """Return the snapshots that count, by position."""
    with store.read() as txn:
        return [found for at in snapshot_files.positions(store.path) if (found := _usable(store, txn, at)) is not None]


def _begin(store: Store, position: int, scratch: Path | None = None) -> tuple[Store, int]:
    """Return a store with the views of the nearest snapshot, or none, and that snapshot's position."""
    for at in reversed([at for at in snapshot_files.positions(store.path) if at <= position]):
        with store.read() as txn:
            found = _usable(store, txn, at)
        if found is not None and (views := _unpacked(found, scratch)) is not None:
            return views, at
        snapshot_files.remove(store.path, at)
    with scratch_directory(scratch) as directory:
        return Store.passing(Path(directory)), 0


def _unpacked(found: Snapshot, scratch: Path | None) -> Store | None:
    try:
        with scratch_directory(scratch) as name:
            directory = Path(name)
            if not snapshot_files.unpack_into(found, directory):
                return None
            views = Store.passing(directory)
    except (NotAQueue, StoreError) as error:
        if hindrance(error):  # it says nothing of the snapshot, which stays
            raise
        return None
    with views.read() as txn:
        is_of_then = marks.get(txn, marks.APPLIED) == found.position
    if is_of_then:
        return views
    views.close()
    return None


def _usable(store: Store, txn: Transaction, position: int) -> Snapshot | None:
    """Return a snapshot where it is of this log and of this release's views, and retention cut nothing after it."""
    found, log = snapshot_files.read(store.path, position), EventReader(txn)
    if found is None or found.views != VIEWS_VERSION or not log.cut() <= position <= log.head():
        return None
    return found if position == log.cut() or found.digest == log.digest(position) else None


def _checked(store: Store, head: int) -> list[int]:
    """Return the positions of the usable snapshots, and remove the others."""
    good = [found.position for found in usable(store)]
    for position in snapshot_files.positions(store.path):
        if position not in good:
            snapshot_files.remove(store.path, position)
    return [position for position in good if position <= head]


def _fold(store: Store, views: Store, after: int, upto: int, progress: Progress | None) -> None:
    cut = _cut(store)
    for start, end in pairwise([*range(after, upto, EVENTS_AT_ONCE), upto]):
        rows = stored(store, start, end)
        with views.write() as txn:
            shown = Views(txn)
            shown.apply(decode_all(rows))
            shown.flush()
        if progress:
            progress(end - after, upto - after)
    if (now := _cut(store)) != cut and after < now[0]:  # of what is after it, some was read before and some after
        raise StoreError(f"cannot tell the state at position {upto}: retention took events out meanwhile; try again")


def _cut(store: Store) -> tuple[int, int]:
    with store.read() as txn:
        log = EventReader(txn)
        return log.cut(), log.version(RETENTION_STREAM)


def stored(store: Store, after: int, upto: int) -> list[Row]:
    """Return the events after a position, up to and with another, as they are stored; raises CorruptLog at a gap.

    They are decoded by the caller: the read transaction is to be short for a process that seldom gets its turn too.
    """
    with store.read() as txn:
        return EventReader(txn).stored(after, until=upto)


def _keep(store: Store, views: Store, position: int, base: int) -> None:
    """Save a snapshot where much had to be folded and nobody else makes any; failing to is no harm."""
    with store.read() as txn:
        every = snapshot_files.interval(EventReader(txn).head(), Settings.of(config.values(txn)).snapshot_events)
    if every and position - base > 2 * every:
        with suppress_own(StoreError, OSError), snapshot_files.only_maker(store.path) as is_mine:
            if is_mine:
                _save(store, views, position)


def _save(store: Store, views: Store, position: int) -> Snapshot:
    with store.read() as txn:
        log = EventReader(txn)
        digest, at_us = log.digest(position), log.at(position).at_us
    return snapshot_files.save(store.path, views, position=position, at_us=at_us, version=VIEWS_VERSION, digest=digest)
