"""The environments that this process has open, each once however many Stores use it, and what a fork does to them.

LMDB allows an environment once a process, and none across a fork: a child gets fresh locks, and never
touches what its parent had open.
"""

import atexit
import os
from collections.abc import Iterator
from pathlib import Path
from threading import RLock

from .. import hints
from ..errors import NoQueue, StoreError
from ..system.interrupts import own
from ..system.queue_files import DATA_FILE, LMDB_LOCK_FILE
from ..system.scope import scope
from . import half_made
from .directory import advice_on, await_replaced, check_new, file_at, make_directory, refuse_irregular, refuse_unmade
from .environment import OPEN_ENVIRONMENTS, Environment, in_use_error
from .gate import free
from .tables import TablesMissing

_TRIES = 10


class _Place:
    """A directory, whose environment one thread at a time opens or looks up."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.is_taken = False
        self.waiting = 0
        self.environment: Environment | None = None


class _Places:
    """The directories in which something is open, or being opened."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.by_path: dict[str, _Place] = {}


_places = _Places()


def acquire(path: Path, *, create: bool, read_only: bool, as_is: bool = False) -> Environment:
    """Return the environment at `path`, made first where `create` is set and nothing is there.

    One that is `read_only` never waits for whoever writes; `as_is`: it is refused where something would
    have to be written first. Raises NoQueue, NotAQueue, NewerFormat or StoreError.
    """
    for left in reversed(range(_TRIES)):
        _prepare(path, create=create)
        shared = None
        try:
            with _place(path) as place:
                shared = _environment(place, path, create=create, read_only=read_only, as_is=as_is)
        except NoQueue:  # somebody took the directory away meanwhile
            if not create or not left:
                raise
        except BaseException:
            if shared is not None:
                shared.remove_user()
            raise
        else:
            return shared
    raise AssertionError("the last try returns or raises")


def make_passing(directory: Path) -> Environment:
    """Return an environment for a while: in an empty directory, or over a data.mdb in it.

    The directory may be removed as soon as this returns. Raises NotAQueue or StoreError.
    """
    shared = Environment(directory, read_only=False, passing=True)
    shared.add_user()
    return shared


def _prepare(path: Path, *, create: bool) -> None:
    refuse_irregular(path)
    try:
        size = _size(path)
        if 0 <= size <= half_made.most_bytes():
            size = _begun(path, size, create=create)
    except own(OSError) as error:
        raise StoreError(
            f"cannot look for a queue at {path}: {error.strerror}; "
            f"{advice_on(error, 'check the path and its permissions')}"
        ) from error
    await_replaced(path)
    if size < 0:
        if _size(path) > half_made.most_bytes():
            return  # it was moved in meanwhile
        check_new(path)
        half_made.refuse_lost(path)
        if not create:
            refuse_unmade(path)
            raise NoQueue(str(path))
        make_directory(path)


def _begun(path: Path, size: int, *, create: bool) -> int:
    """Return the size of a small data file once it is known not to be a lost queue's; raises StoreError where it is.

    For whoever makes no queue there is none (-1) where nothing but a beginning is there.
    """
    if not half_made.holds_nothing(path):
        return size
    half_made.refuse_lost(path)
    if not create:
        return -1
    if size:
        half_made.clear(path)
    return size


@scope
def _place(path: Path) -> Iterator[_Place]:
    """Yield the place of a path, for this thread alone; a place with nothing open in it is forgotten afterwards."""
    places, key = _places, _resolved(path)
    if places.lock._is_owned():  # type: ignore[attr-defined]  # whoever has the place may wait for that
        raise in_use_error("open", path)
    with places.lock:
        place = places.by_path.setdefault(key, _Place())
        place.waiting += 1
    try:
        if place.environment is not None and place.environment.gate.is_held_here:
            raise in_use_error("open", path)
        with place.lock:
            if place.is_taken:  # by this thread: it was interrupted by a signal handler, or by what collects garbage
                raise in_use_error("open", path)
            place.is_taken = True
            try:
                yield place
            finally:
                place.is_taken = False
    finally:
        with places.lock:
            place.waiting -= 1
            for other, each in list(places.by_path.items()):
                if not each.waiting and (each.environment is None or each.environment.is_closed):
                    del places.by_path[other]


def _resolved(path: Path) -> str:
    """Return where a path leads, links resolved."""
    try:
        return os.path.realpath(path, strict=True)  # else it swallows the error of a signal's handler
    except own(OSError):
        return os.path.realpath(path)


def _environment(place: _Place, path: Path, *, create: bool, read_only: bool, as_is: bool) -> Environment:
    shared = place.environment if place.environment is not None else _reached_otherwise(path)
    if shared is not None and shared.gate.is_held_here:  # as _place() asks, before it waits
        raise in_use_error("open", path)
    if shared is not None and shared.add_user():
        try:
            if shared.is_there():
                place.environment = shared
                if not read_only:
                    shared.make_writable()
                return shared
        except BaseException:
            shared.remove_user()
            raise
        shared.remove_user()
        shared.retire()  # another queue lies there now, or none
    shared = place.environment = _make(path, create=create, read_only=read_only, as_is=as_is)
    try:
        shared.add_user()
    except BaseException:  # a signal's handler raised it
        shared.tidy()
        raise
    return shared


def _reached_otherwise(path: Path) -> Environment | None:
    """Return what is open under another path and has the files of this one, which was moved or linked meanwhile."""
    if not OPEN_ENVIRONMENTS:
        return None
    files = {file_at(path, name) for name in (DATA_FILE, LMDB_LOCK_FILE)}
    return next((each for each in list(OPEN_ENVIRONMENTS) if each.is_shared and each.opened.files == files), None)


def _make(path: Path, *, create: bool, read_only: bool, as_is: bool) -> Environment:
    if read_only and _size(path) > 0:
        try:
            return Environment(path, read_only=True)
        except TablesMissing:
            pass  # a release added some, and nobody has written since
    if as_is:
        raise StoreError(f"cannot read the queue at {path} as it is", hint=hints.BRING_UP_TO_DATE)
    return Environment(path, read_only=False, create=create)


def _size(path: Path) -> int:
    try:
        return (path / DATA_FILE).stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return -1


def _in_child() -> None:
    global _places
    before, _places = _places, _Places()
    for place in before.by_path.values():
        if not place.lock._is_owned():  # type: ignore[attr-defined]
            place.environment, place.is_taken = None, False
            free(place.lock)  # whoever waits for it opens what is its own
    free(before.lock)
    for each in list(OPEN_ENVIRONMENTS):
        each.disown()
    OPEN_ENVIRONMENTS.clear()


def _at_exit() -> None:
    for each in list(OPEN_ENVIRONMENTS):
        each.opened.outlive()


os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)
