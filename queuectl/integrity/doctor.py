"""What is wrong with a queue, and what to type: one function a check.

A new check is a function that yields Troubles, with its line in DIRECTORY_CHECKS, if it must not open the store,
or in STORE_CHECKS.

Changes nothing but the slots of readers that were killed, which it frees. Runs in a process of its
own, so that a file which the engine cannot bear is a finding like any other.
"""

import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from .. import hints
from ..core.due_times import DueTimes
from ..core.job import JobState
from ..core.settings import KEYS
from ..core.shells import not_here
from ..display import as_typed
from ..engine.log_clock import now_us
from ..errors import FileDeleted, HalfReplaced, LogLost, NewerFormat, NoQueue, NotAQueue, NotYetMade, QueuectlError
from ..projections import config, counts, jobs, lanes, layout, marks, scheduled
from ..queries.jobs import list_workers, strays, unserved
from ..store import half_made
from ..store.directory import NETWORK, filesystem_of, refuse_irregular
from ..store.event_reader import EventReader
from ..store.store import VIEW_TABLES, Store
from ..store.writable import is_read_only, why_not
from ..system import shortage, subprocess_task
from ..system.clock import SystemClock
from ..system.disk_space import is_lock_without_room
from ..system.files import exists
from ..system.interrupts import own
from ..system.queue_files import (
    DATA_FILE,
    LMDB_LOCK_FILE,
)
from . import unneeded_files

State = Literal["ok", "warning", "problem"]

FULL_WARN_SHARE: Final = 0.8
"""Of the map; LMDB refuses to write once it is full."""

SCARCE_BYTES: Final = 64 << 20
LOW_BYTES: Final = 1 << 30
"""Free disk space below which there is a problem, and below which there is a warning."""

NAMED_AT_MOST: Final = 20
"""Files that a command names; of more it names the first."""

QUEUES_AT_MOST: Final = 20
"""Queues that nobody serves, told one by one."""

CLASSES_AT_MOST: Final = 64
"""Classes of jobs that use limits, of which each claim looks at each, before that is worth a warning."""

CLASSES_LOOKED_AT: Final = 10_000

HERD: Final = 100
"""As many retries due within one second come back as a herd, and fail as one where they met a service that was down."""

_HERD_LOOKED_AT: Final = 20_000
_SECOND_US: Final = 1_000_000

_FILES: Final = (DATA_FILE, LMDB_LOCK_FILE, "open.lock")


class Finding(NamedTuple):
    """What a check found, and the command that mends it, "" where there is nothing to mend."""

    check: str
    state: State
    found: str
    do: str = ""


Trouble = tuple[State, str, str]
"""State, what was found, what to type."""


def examine(path: Path) -> list[Finding]:
    """Check the queue in a directory, from outside of it."""
    found: list[Finding] = []
    ending = subprocess_task.run("doctor", {"path": str(path)}, lambda message: found.append(Finding(**message)))
    if ending:
        is_damage = ending.is_damage and not is_lock_without_room(path)
        unseen = f"the queue {shortage.unseen(ending, ending.hindrance)}"
        what, do = (ending.how, hints.VERIFY) if is_damage else (unseen, "")
        found.append(Finding("open", "problem", what, do))
    return found


def messages(path: str) -> Iterator[dict[str, Any]]:
    """Check a queue, and give a finding or several for each check."""
    directory = Path(path)
    return (_fitting(message, directory) for message in _messages(directory))


def _fitting(message: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Return a finding without a command that would be refused, and with why it would be."""
    if message["do"].startswith(hints.CHANGING) and (reason := why_not(directory)) is not None:
        return message | {"found": f"{message['found']} (not to be mended from here: {reason})", "do": ""}
    return message


def _messages(directory: Path) -> Iterator[dict[str, Any]]:
    try:
        refuse_irregular(directory)
        half_made.refuse_no_queue(directory)
        for name, look in DIRECTORY_CHECKS.items():
            yield from _findings(name, look(directory))
        if half_made.holds_nothing(directory):
            half_made.refuse_lost(directory)
            what = f"data.mdb in {directory} is empty: a queue just begun, or one that was lost"
            yield Finding("open", "warning", what, hints.RESTORE)._asdict()
            return
        with Store.open(directory, create=False, read_only=True) as store:
            yield from _findings("open", iter(()))
            with store.read() as txn:
                are_older = layout.is_older(txn)
            for name, check in STORE_CHECKS.items():
                if not (are_older and name in VIEW_CHECKS):
                    yield from _checked(name, check, store)
    except QueuectlError as error:
        yield Finding("open", "problem", str(error), _way_out(error))._asdict()


def _checked(name: str, check: "Callable[[Store], Iterator[Trouble]]", store: Store) -> Iterator[dict[str, Any]]:
    try:
        yield from _findings(name, check(store))
    except NewerFormat as error:
        yield Finding(name, "problem", str(error), "upgrade queuectl")._asdict()
    except QueuectlError as error:
        yield Finding(name, "problem", str(error), _way_out(error))._asdict()


def _findings(name: str, troubles: Iterator[Trouble]) -> Iterator[dict[str, Any]]:
    found = [Finding(name, *trouble) for trouble in troubles]
    yield from (each._asdict() for each in found or [Finding(name, "ok", "")])


def _way_out(error: QueuectlError) -> str:
    """Return what to type about an error: nothing where it is not the queue that lacks something, and it says so."""
    if shortage.hindrance(error):
        return ""
    if isinstance(error, NoQueue):
        return hints.ENQUEUE
    if isinstance(error, FileDeleted | HalfReplaced | LogLost | NotYetMade):
        return error.command
    if isinstance(error, NewerFormat):
        return "upgrade queuectl"
    return hints.RESTORE if isinstance(error, NotAQueue) else hints.VERIFY


# From outside


def _file_system(path: Path) -> Iterator[Trouble]:
    kind = filesystem_of(path)
    if kind in NETWORK:
        yield (
            "problem",
            f"the queue lies on {kind}, whose locks cannot be relied on",
            hints.ELSEWHERE,
        )


def _mount(path: Path) -> Iterator[Trouble]:
    if is_read_only(path):
        what = f"the file system at {path} is mounted read-only: nothing can be enqueued or run"
        yield "problem", what, f"sudo mount -o remount,rw $(stat -c %m {as_typed(str(path))})"


def _permissions(path: Path) -> Iterator[Trouble]:
    whole = path.stat()
    wanted = {path: 0o700} | {path / name: 0o600 for name in _FILES if exists(path / name)}
    for each, mode in wanted.items():
        found = each.stat()
        if (have := stat.S_IMODE(found.st_mode)) & ~mode or mode & ~have:
            yield "problem", f"{each} has mode {have:04o}, not {mode:04o}", f"chmod {mode:o} {as_typed(str(each))}"
    if strangers := [each for each in sorted(path.rglob("*")) if _owner(each) not in (None, whole.st_uid)]:
        theirs = _files(len(strangers), "in it belongs", "in it belong")
        what = f"{theirs} to others than user {whole.st_uid}, as {strangers[0]} does"
        yield "problem", what, f"sudo chown -R {whole.st_uid} {as_typed(str(path))}"
    if os.geteuid() not in (0, whole.st_uid):
        what = f"the queue belongs to user {whole.st_uid}, and you are user {os.geteuid()}"
        yield "warning", what, f"sudo -u '#{whole.st_uid}' queuectl ..."


def _files(count: int, does: str, do: str) -> str:
    return f"1 file {does}" if count == 1 else f"{count:,} files {do}"


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except own(OSError):  # gone meanwhile
        return None


def _disk(path: Path) -> Iterator[Trouble]:
    found = os.statvfs(path)
    free = found.f_bavail * found.f_frsize
    if free < LOW_BYTES:
        state: State = "problem" if free < SCARCE_BYTES else "warning"
        what = (
            f"{free >> 20:,} MiB are free on the disk at {path}; `compact` takes some itself, unless DIR is on another"
        )
        yield state, what, hints.COMPACT_ELSEWHERE


DIRECTORY_CHECKS: Final[dict[str, Callable[[Path], Iterator[Trouble]]]] = {
    "file system": _file_system,
    "mount": _mount,
    "permissions": _permissions,
    "disk": _disk,
}
"""Name of a check -> what looks at the directory, before the store is opened."""


# From inside


def _readers(store: Store) -> Iterator[Trouble]:
    if freed := store.free_readers():
        yield "ok", f"freed {freed} slots of readers that were killed", ""


def _map(store: Store) -> Iterator[Trouble]:
    sizes = store.sizes()
    share = sizes["used"] / sizes["map"]
    if share >= FULL_WARN_SHARE:
        what = f"{share:.0%} of the {sizes['map'] >> 20:,} MiB that the store may take are used"
        yield "problem", what, hints.COMPACT


def _clock(store: Store) -> Iterator[Trouble]:
    clock = SystemClock()
    with store.read() as txn:
        times = DueTimes(now_us(txn, clock, EventReader(txn).last_at_us), clock.now_us())
        waiting = txn.count(scheduled.TABLE)
    if times.is_ahead:
        ahead, level_at = (
            timedelta(seconds=times.ahead_us // 1_000_000),
            datetime.fromtimestamp(times.level_at_us / 1e6),
        )
        what = (
            f"the log's time is {ahead} ahead of this machine's clock, which was ahead once, or is behind now: it "
            f"shows {datetime.now():%Y-%m-%d %H:%M:%S}. If that is right there is nothing to do: the clock will have "
            f"caught up at {level_at:%Y-%m-%d %H:%M:%S}, and until then delays and retries take up to twice as long "
            f"({waiting:,} jobs wait for their time)"
        )
        yield "ok", what, ""


def _views(store: Store) -> Iterator[Trouble]:
    is_outdated = layout.is_outdated(store)
    with store.read() as txn:
        applied, head = marks.get_anyhow(txn, marks.APPLIED), EventReader(txn).head()
        differ = 0 if is_outdated else strays(txn)
    if is_outdated and head:
        yield (
            "warning",
            "the views are an older release's; the next verb that changes something rebuilds them",
            hints.REPLAY,
        )
    elif applied != head:
        yield "problem", f"the views are as of position {applied}, and the log ends at {head}", hints.REPLAY
    elif differ:
        are = "1 job is" if differ == 1 else f"{differ:,} jobs are"
        yield "problem", f"{are} counted as not ended and found nowhere, or the reverse", hints.REPLAY


def _replay(store: Store) -> Iterator[Trouble]:
    with store.read() as txn:
        left = sum(txn.shadow().count(table) for table in VIEW_TABLES)
    if left:
        yield (
            "warning",
            f"a replay was broken off, or is at work: {left:,} rows of views beside the live ones",
            hints.REPLAY,
        )


def _workers(store: Store) -> Iterator[Trouble]:
    with store.read() as txn:
        found = list_workers(txn, store.path, time.time_ns() // 1000)
    for info in (each for each in found if each.state == "dead"):
        if info.running:
            held = "1 job" if len(info.running) == 1 else f"{len(info.running):,} jobs"
            what = f"worker {info.id} is dead and holds {held}; the next worker takes over"
            yield "problem", what, hints.WORKER_START
        else:
            yield "warning", f"worker {info.id} is dead", hints.stop_worker(info.id)


def _waiting(store: Store) -> Iterator[Trouble]:
    now_us = time.time_ns() // 1000
    with store.read() as txn:
        later = Counter(scheduled.later(txn, now_us))
        waiting = (
            each._replace(waiting=each.waiting - later[each.queue]) for each in unserved(txn, store.path, now_us)
        )
        found = [each for each in waiting if each.waiting > 0]
    for each in found[:QUEUES_AT_MOST]:
        yield "warning", f"no running worker serves {each.told}", each.start_command
    if len(found) > QUEUES_AT_MOST:
        what = f"no running worker serves {len(found) - QUEUES_AT_MOST:,} more queues where jobs wait"
        yield "warning", what, hints.WORKER_START


def _herd(store: Store) -> Iterator[Trouble]:
    together: Counter[int] = Counter()
    with store.read() as txn:
        waiting = list(islice(scheduled.times(txn), _HERD_LOOKED_AT))
        seconds = Counter(due_us // _SECOND_US for due_us, _ in waiting)
        for due_us, number in waiting:
            if seconds[due_us // _SECOND_US] >= HERD:  # else none is looked up
                job = jobs.get(txn, number)
                together[due_us // _SECOND_US] += job is not None and job.state is JobState.FAILED
    retried = max(together.values(), default=0)
    if retried >= HERD:
        what = f"{retried:,} jobs that failed together are to be tried again within the same second"
        yield "warning", what, hints.SPREAD_RETRIES


def _limits(store: Store) -> Iterator[Trouble]:
    with store.read() as txn:
        many = sum(1 for _ in islice(lanes.classes(txn, lanes.LANES), CLASSES_LOOKED_AT))
    if many > CLASSES_AT_MOST:
        what = (
            f"jobs wait for limits in {many:,} pairs of a queue and plain limits, and a claim looks at each of them: "
            "what differs is better a value of one limit, NAME:VALUE"
        )
        yield "warning", what, ""


def _dead_letters(store: Store) -> Iterator[Trouble]:
    with store.read() as txn:
        dead = counts.total(txn)[JobState.DEAD]
    if dead:
        are = "1 job is" if dead == 1 else f"{dead:,} jobs are"
        yield "warning", f"{are} in the dead letter queue", hints.DLQ_LIST


def _shell(store: Store) -> Iterator[Trouble]:
    with store.read() as txn:
        shell = str(config.values(txn).get("shell", KEYS["shell"].default))
    if (program := not_here(shell)) is not None:
        what = f"the setting shell is {shell!r}, and there is no program {program!r} here: jobs that take it fail"
        yield "warning", what, hints.USUAL_SHELL


def _leftovers(store: Store) -> Iterator[Trouble]:
    if files := list(unneeded_files.of_nobody(store)):
        named = " ".join(as_typed(str(each)) for each in files[:NAMED_AT_MOST])
        yield "warning", f"{_files(len(files), 'belongs', 'belong')} to no job and no worker", f"rm {named}"
    if half := sorted(unneeded_files.half_made(store.path)):
        named = " ".join(map(as_typed, half[:NAMED_AT_MOST]))
        yield "warning", f"{_files(len(half), 'was', 'were')} left half made by a kill", f"rm -r {named}"


STORE_CHECKS: Final[dict[str, Callable[[Store], Iterator[Trouble]]]] = {
    "readers": _readers,
    "map": _map,
    "clock": _clock,
    "views": _views,
    "replay": _replay,
    "workers": _workers,
    "waiting": _waiting,
    "retries": _herd,
    "limits": _limits,
    "dead letters": _dead_letters,
    "shell": _shell,
    "leftovers": _leftovers,
}
"""Name of a check -> what asks the open store."""

VIEW_CHECKS: Final = frozenset({"workers", "waiting", "retries", "limits", "dead letters", "shell"})
"""What reads the views, and is left out where they are an older release's: the check of the views says so."""
