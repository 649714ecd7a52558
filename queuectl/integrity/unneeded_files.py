"""Files in a queue's directory that nothing needs any more: of jobs and workers that are gone, or half made."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from ..liveness import lock_file
from ..queries.jobs import list_workers
from ..store.directory import JOURNAL, SHRUNK, STAGED
from ..store.store import Store, key_of
from ..system.files import exists, is_left, left_behind
from ..system.queue_files import ARCHIVE, DOORBELLS, MAKING, NEW, OUTPUTS, PARTIAL, SNAPSHOTS, WORKERS

_HALF_MADE: Final = (
    (WORKERS, "", NEW),
    (DOORBELLS, "", NEW),
    (SNAPSHOTS, MAKING, ""),
    (ARCHIVE, "", PARTIAL),
)
"""Directory, beginning and end of the names that something has until it is whole."""

_ROWS_AT_ONCE: Final = 10_000


def half_made(path: Path) -> Iterator[str]:
    """Yield what was left half made by a kill."""
    for directory, prefix, suffix in _HALF_MADE:
        yield from left_behind(path / directory, prefix, suffix)
    if is_left(path / STAGED) and not exists(path / STAGED / JOURNAL):
        yield str(path / STAGED)
    if is_left(path / SHRUNK):
        yield str(path / SHRUNK)


def of_nobody(store: Store) -> Iterator[Path]:
    """Yield the files that belong to no job and no worker: outputs, locks and doorbells."""
    yield from _lone_outputs(store)
    yield from _lone_locks(store)
    yield from _lone_bells(store)


def _lone_outputs(store: Store) -> Iterator[Path]:
    places = (store.path / OUTPUTS).glob("*/*-*")
    while some := list(islice(places, _ROWS_AT_ONCE)):
        with store.read() as txn:
            for path in some:
                number = path.name.partition("-")[0]
                if not number.isdecimal() or len(number) > 18 or txn.get("jobs", key_of(int(number))) is None:
                    yield path


def _lone_locks(store: Store) -> Iterator[Path]:
    known = _known_workers(store)
    for worker in lock_file.workers(store.path):
        if worker not in known and not lock_file.is_held(store.path, worker):
            yield Path(lock_file.path_of(store.path, worker))


def _lone_bells(store: Store) -> Iterator[Path]:
    known = _known_workers(store)
    for path in sorted((store.path / DOORBELLS).glob("*.fifo")):
        if path.stem not in known and not lock_file.is_held(store.path, path.stem):
            yield path


def _known_workers(store: Store) -> Sequence[str]:
    with store.read() as txn:
        return [info.id for info in list_workers(txn, store.path, time.time_ns() // 1000)]
