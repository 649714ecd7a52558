"""A second queue, as the first was at a moment: the log up to there, byte for byte, its views, and what was printed.

Made under another name and given its own at the end, so that nothing half made is ever found there. The
first queue is only read.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ..core.progress import Progress
from ..errors import StoreError, Unusable, WriteFailed
from ..events.codec import decode_all
from ..events.types import RETENTION_STREAM, Cancelled, Completed, Failed, Recorded, RetentionApplied, Snoozed
from ..outputs import storage as outputs
from ..projections.layout import stamp
from ..projections.views import Views
from ..store import log_rows
from ..store.event_reader import EventReader, stream_key
from ..store.store import Store, Transaction, key_of
from ..system.files import (
    exists,
    flush_all,
    is_below,
    is_directory,
    link_or_copy,
    make_private,
    rename,
    scratch_directory,
)
from ..system.host import absolute
from ..system.interrupts import own
from .as_of import EVENTS_AT_ONCE, Moment, stored, views_at

RunKey = tuple[int, int]
"""A job's number and a run's token: what its output is found by."""


class Branch(NamedTuple):
    """A second queue as the first was: at which position and time, and what runs had printed, found and gone."""

    path: str
    position: int
    at_us: int
    outputs: int
    outputs_gone: int


def branch(store: Store, moment: Moment, into: Path, progress: Progress | None = None) -> Branch:
    """Make a queue in the new directory `into` as this one was at a moment.

    Raises InvalidInput where the directory cannot be made, or the moment lies before the event that tells of what
    retention let go up to the cut; StoreError where the disk takes no more.
    """
    into = absolute(into)
    _check_cut(store, moment)
    try:
        _check(into)
        with scratch_directory(into.parent, is_named=not is_below(into, store.path)) as name:
            making = Path(name)
            with views_at(store, moment.position, scratch=into.parent) as made:
                with made.write() as txn:
                    Views(txn).promote_to(moment.at_us)
                    stamp(txn)
                runs = _copy_log(store, made, moment.position, progress)
                found, in_files = _copy_outputs(store, made, runs)
                made.copy_to(making)
            found += sum(_link(store.path, making, run) for run in in_files)
            flush_all(making)
            _check(into)  # a rename would replace an empty directory
            rename(making, into)
    except WriteFailed as error:  # in a directory that nobody named, and that is gone by now
        raise StoreError(f"cannot make the queue {into}: {error.found}; nothing was made", hint=error.hint) from error
    except own(OSError) as error:
        raise StoreError(f"cannot make the queue {into}: {error.strerror or error}; nothing was made") from error
    return Branch(str(into), moment.position, moment.at_us, found, len(runs) - found)


def _check(into: Path) -> None:
    if exists(into) or into.is_symlink():
        raise Unusable("into", f"{into}, which is there already", "one that is yet to be made")
    if not is_directory(into.parent):
        raise Unusable("into", str(into), f"a new directory in one that is there; {into.parent} is not")


def _check_cut(store: Store, moment: Moment) -> None:
    """Refuse a log with gaps that no event in it would tell of."""
    with store.read() as txn:
        log = EventReader(txn)
        cut = log.cut()
        told = [each.position for each in log.read_stream(RETENTION_STREAM) if _is_cut_at(each, cut)]
    if cut and (not told or moment.position < told[0]):
        first = f"one from {told[0]} on, where the log" if told else "a queue whose log"
        raise Unusable("until", f"position {moment.position}", f"{first} tells of what retention let go")


def _is_cut_at(recorded: Recorded, cut: int) -> bool:
    return isinstance(recorded.event, RetentionApplied) and recorded.event.upto == cut


def _copy_log(store: Store, made: Store, upto: int, progress: Progress | None) -> list[RunKey]:
    """Copy the stored events; returns the runs that printed something."""
    runs: list[RunKey] = []
    for start, end in pairwise([*range(0, upto, EVENTS_AT_ONCE), upto]):
        if rows := stored(store, start, end):
            copied = decode_all(rows)
            with made.write() as txn:
                log_rows.add(txn, rows, {stream_key(each.stream): key_of(each.position) for each in copied})
            runs += _printed(copied)
        if progress:
            progress(end, upto)
    with store.read() as txn, made.write() as target:
        if cut := (log := EventReader(txn)).cut():
            log_rows.set_cut(target, cut, log.origin())
    return runs


def _printed(copied: Sequence[Recorded]) -> list[RunKey]:
    return [
        (each.stream, each.event.token)
        for each in copied
        if isinstance(each.event, Completed | Failed | Snoozed | Cancelled)
        and isinstance(each.stream, int)
        and each.event.token is not None
        and (each.event.stdout is not None or each.event.stderr is not None)
    ]


def _copy_outputs(store: Store, made: Store, runs: Sequence[RunKey]) -> tuple[int, list[RunKey]]:
    """Copy what lies in the store; returns how many that were, and the runs whose output does not lie there."""
    elsewhere: list[RunKey] = []
    for start in range(0, len(runs), EVENTS_AT_ONCE):
        some = runs[start : start + EVENTS_AT_ONCE]
        with store.read() as txn, made.write() as target:
            elsewhere += [run for run in some if not _copy_output(txn, target, run)]
    return len(runs) - len(elsewhere), elsewhere


def _copy_output(txn: Transaction, target: Transaction, run: RunKey) -> bool:
    frames = outputs.stored_frames(txn, *run)
    if frames is not None:
        outputs.keep(target, *run, frames)
    return frames is not None


def _link(source: Path, making: Path, run: RunKey) -> bool:
    """Return a run's file, which nobody changes any more, a second name, or copy it; returns whether it was there."""
    there, here = outputs.file_of(source, *run), outputs.file_of(making, *run)
    if not exists(there):
        return False
    make_private(here.parent)
    link_or_copy(there, here)
    return True
