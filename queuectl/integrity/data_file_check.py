"""Checks a data file that is not trusted yet, in a process of its own: a damaged page can end whoever opens it.

First LMDB's own verifier, in Python, over every page; then the log, every event of it: checksum,
type, gaps, and the hash chain.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ..core.event_check import check_event
from ..errors import QueuectlError, StoreError
from ..events.hash_chain import Chain
from ..projections import archives
from ..store.data_file import faults
from ..store.event_reader import EventReader
from ..store.store import Store, key_of
from ..store.tables import LOG
from ..system import subprocess_task
from ..system.interrupts import suppress_own
from ..system.shortage import unseen

EVENTS_AT_ONCE: Final = 10_000
"""Events in a read transaction."""


class Sound(NamedTuple):
    """The log of a sound data file: its last position, the time there, and the chain's digest there.

    `segments` counts the archive segments that it knows of, `archives` has the directories in which they were sealed.
    """

    head: int
    at_us: int
    digest: bytes
    events: int
    segments: int
    archives: list[str]


def sound(directory: Path) -> Sound:
    """Check the data file in a directory in another process; raises StoreError with what is wrong."""
    heard: list[subprocess_task.Message] = []
    if ending := subprocess_task.run("sound", {"path": str(directory)}, heard.append):
        what = f"cannot be read: {ending.how}" if ending.is_damage else unseen(ending, ending.hindrance)
        raise StoreError(f"data.mdb {what}")
    [found] = heard
    if "wrong" in found:
        raise StoreError(found["wrong"])
    return Sound(**found | {"digest": bytes.fromhex(found["digest"])})


def messages(path: str) -> Iterator[subprocess_task.Message]:
    """Check the data file in a directory; yields what it holds, or what is wrong, as the one message."""
    with suppress_own(OSError):
        os.nice(5)  # workers go first
    try:
        found = check(Path(path))
    except QueuectlError as error:
        yield {"wrong": str(error)}
    else:
        yield found._asdict() | {"digest": found.digest.hex()}


def check(directory: Path) -> Sound:
    """Check the data file in a directory in this process; raises StoreError."""
    if problems := faults(directory):
        raise StoreError(f"data.mdb is damaged: {problems[0]}")
    with Store.open(directory, create=False, read_only=True) as store:
        return _check_log(store)


def _check_log(store: Store) -> Sound:
    chain, after, events = Chain(), 0, 0
    while True:
        with store.read() as txn:
            log = EventReader(txn)
            batch = 0
            # EventReader.read sees to the gaps and decodes; the chain wants the bytes.
            for (key, value), recorded in zip(
                txn.scan(LOG, key_of(after + 1)), log.read(after, EVENTS_AT_ONCE), strict=False
            ):
                after, batch = recorded.position, batch + 1
                check_event(recorded, log.version)
                if wrong := chain.add(key, value):
                    raise StoreError(wrong)
            events += batch
            if not batch:
                last = archives.last(txn)
                segments, places = last.sequence if last else 0, sorted(archives.known(txn))
                return Sound(log.head(), log.last_at_us, log.digest(), events, segments, places)
