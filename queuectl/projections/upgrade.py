"""Brings a store up to this release on request, and says what that takes.

Opening a queue does the same by itself; this is for whoever wants to choose the moment, see what it
is, or see how far it is. Each step is one transaction, or shadow views that are swapped in by one, so
that an interruption leaves the store as it was before the step.
"""

from pathlib import Path
from typing import NamedTuple

from ..core.progress import Progress
from ..errors import NewerFormat
from ..events.codec import decode
from ..events.hash_chain import KEPT_EVERY, kept_by
from ..store.data_file import Peeked, peek
from ..store.store import Store
from ..store.tables import CUT, VERSION_OF_VIEWS
from .layout import VIEWS_VERSION, is_outdated
from .rebuild import rebuild


class Migrated(NamedTuple):
    """What was done, or is to be done, for a store to be of this release: a line each. `notes` need nothing done."""

    steps: list[str]
    notes: list[str]


def needed(path: Path) -> Migrated:
    """Return what is to be done, writing nothing; raises NewerFormat, NoQueue, NotAQueue or StoreError."""
    found = peek(path, KEPT_EVERY)
    steps: list[str] = []
    notes: list[str] = []
    if found.missing:
        steps.append(f"add the tables that it lacks: {', '.join(found.missing)}")
    views = int(found.meta.get(VERSION_OF_VIEWS, b"0"))
    if views > VIEWS_VERSION:
        raise NewerFormat(f"the version of the views at {path}", views, VIEWS_VERSION)
    if views < VIEWS_VERSION:
        steps.append(f"make the views anew from the log: they are of version {views}, this release's {VIEWS_VERSION}")
    if not _is_anchored(found):
        notes.append("the hash chain begins with the events to come; those so far keep no digest, and need none")
    return Migrated(steps, notes)


def migrate(path: Path, *, progress: Progress | None = None) -> Migrated:
    """Do what is to be done, and return what that was; waits where another process is doing so, or replays."""
    found = needed(path)
    with Store.open(path, create=False) as store:  # adds the tables
        if is_outdated(store):
            rebuild(store, swap=True, progress=progress, waits=True)
    return found


def _is_anchored(found: Peeked) -> bool:
    """Whether the hash chain is kept already, or is yet to be as in any young log."""
    if found.latest:
        decode(*found.latest[0])  # refuses what a newer release wrote
    is_young = len(found.latest) < KEPT_EVERY
    return is_young or CUT in found.meta or any(kept_by(*row) is not None for row in found.latest)
