"""A queue's directory: what lies in it under which name, how it is made, and the locks on it.

Knows nothing of what is inside its files. A trap closed here: network file systems break LMDB's locks.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from .. import hints
from ..errors import FileDeleted, HalfReplaced, NoQueue, NotAQueue, NotYetMade, StoreError
from ..system import lock_wait
from ..system.files import exists, is_directory, is_entry, make_private, open_private
from ..system.interrupts import own
from ..system.queue_files import DATA_FILE, DIRECTORIES, LMDB_LOCK_FILE, REPLACED
from ..system.scope import scope
from ..system.shortage import advice, hindrance  # not later: it could not be loaded where descriptors ran out

OPEN_LOCK: Final = "open.lock"
"""Locked, shared, by each process that has the environment open; alone, by one that puts another file in its place."""

COMPACT_LOCK: Final = "compact.lock"
"""Locked by whoever lets old events go, one at a time."""

SHRUNK: Final = "shrunk"
"""Where a smaller data file is made."""

STAGED: Final = "restoring"
"""Where a queue is put together that is to take this one's place."""

JOURNAL: Final = "journal.json"
"""In STAGED: that one is whole and about to take, or taking, this one's place."""

REPLAY_LOCK: Final = "replay.lock"
"""Locked by the one replay that fills the set of views that is not live."""

_WAITS: Final = {REPLAY_LOCK: lock_wait.REPLAYING, COMPACT_LOCK: lock_wait.COMPACTING}
"""For whom one waits at each lock, where that is not whoever puts another queue in this one's place."""

_OUR_FILES: Final = frozenset(
    {
        *(DATA_FILE, LMDB_LOCK_FILE, OPEN_LOCK, *DIRECTORIES),
        *(REPLAY_LOCK, STAGED, REPLACED, COMPACT_LOCK, SHRUNK),
    }
)
NOBODYS: Final = frozenset(
    {
        *("lost+found", "aquota.user", "aquota.group", "quota.user", "quota.group", ".snapshot", ".snapshots", ".zfs"),
        *(".keep", ".gitkeep", ".gitignore", ".gitattributes", ".stfolder", ".stignore", "@eaDir"),
        *(".DS_Store", ".Spotlight-V100", ".Trashes", ".fseventsd", "System Volume Information"),
    }
)
_NOBODYS_STARTS: Final = (".nfs", ".fuse_hidden", ".Trash-")
"""What file systems, desktops and version control put into directories; a volume that is just mounted has some."""

_ALONE_TRIES: Final = 200
"""How often to try to have a queue alone where a file of it is missing: as many pauses."""

_PAUSE_S: Final = 0.005
_LEAST_LOCK_BYTES: Final = 8192
"""LMDB makes no smaller lock.mdb, unless it is told to have fewer than 126 readers."""

_NOT_WRITABLE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT})
"""What keeps a process from making or opening a file to lock it, and not from reading a queue."""


NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "afs", "lustre"}
)


def check_new(path: Path) -> None:
    """Refuse a path, without a queue, that holds anything else; raises NotAQueue or StoreError."""
    if exists(path) and not is_directory(path):
        raise NotAQueue(str(path), "it is a file")
    try:
        found = {entry.name for entry in path.iterdir()} if exists(path) else set()
    except own(OSError) as error:
        raise StoreError(
            f"cannot read the directory {path}: {error.strerror}; {advice_on(error, 'check its permissions')}"
        ) from error
    if strangers := sorted(name for name in found - _OUR_FILES - NOBODYS if not name.startswith(_NOBODYS_STARTS)):
        shown = ", ".join(strangers[:3]) + (" ..." if len(strangers) > 3 else "")
        raise NotAQueue(str(path), f"the directory holds other files ({shown})")


def refuse_half_replaced(path: Path) -> None:
    """Refuse a queue whose place another was taking when that was interrupted; raises StoreError."""
    try:
        is_half_replaced = exists(path / STAGED / JOURNAL)
    except own(OSError) as error:
        raise StoreError(
            f"cannot look for a queue at {path}: {error.strerror}; "
            f"{advice_on(error, 'check the path and its permissions')}"
        ) from error
    if is_half_replaced:
        raise HalfReplaced(str(path))


def await_replaced(path: Path) -> None:
    """Wait for whoever is moving another queue in; raises StoreError where that was interrupted.

    Call it without the lock on the queue.
    """
    try:
        refuse_half_replaced(path)
    except HalfReplaced:
        held = hold(path)
        if held is None:
            raise
        held.let_go()
        refuse_half_replaced(path)


def refuse_unmade(path: Path) -> None:
    """Refuse a place where a restore or an import has put no queue yet: it goes on, or died; raises StoreError."""
    if _is_unmade(path):
        goes_on = _is_being_made(path)
        if _is_unmade(path):
            raise NotYetMade(str(path), str(path / STAGED), goes_on=goes_on)


def _is_unmade(path: Path) -> bool:
    return file_at(path) is None and is_entry(path / STAGED)


def _is_being_made(path: Path) -> bool:
    try:  # shared: who else looks at the same time is not taken for whoever makes it
        held = _locked(path / OPEN_LOCK, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except own(OSError):
        return False
    if held is not None:
        held.let_go()
    return held is None


def refuse_irregular(path: Path) -> None:
    """Refuse data.mdb and lock.mdb where they are no regular files: LMDB follows links, and waits at a pipe.

    Raises StoreError.
    """
    for name in (DATA_FILE, LMDB_LOCK_FILE):
        try:
            found = os.lstat(f"{path}/{name}")
        except own(OSError):
            continue  # not there, or whoever opens it says why not
        if not stat.S_ISREG(found.st_mode):
            raise _irregular(path / name)


def _irregular(file: Path) -> StoreError:
    return StoreError(
        f"cannot use {file}: it is a link, or no regular file, and a queue's own files are used where they lie; "
        "see who put it there, then remove it or move the file itself to that place"
    )


def advice_on(error: Exception, otherwise: str) -> str:
    """Return what to do about a file that could not be used: not the file's fault if descriptors ran out."""
    return advice(hindrance(error), otherwise)


def file_at(path: str | Path, name: str = DATA_FILE) -> tuple[int, int] | None:
    """Return which file the data of a queue, or another of its files, lies in, None where there is none."""
    try:
        found = os.stat(f"{path}/{name}")  # noqa: PTH116 - on each opening's way
    except own(OSError):
        return None
    return found.st_dev, found.st_ino


def make_directory(path: Path) -> None:
    """Make a queue's directory where there is none; raises StoreError, also where its file system will not do."""
    try:
        make_private(path, is_named=True)
    except own(OSError) as error:
        raise StoreError(
            f"cannot make a queue at {path}: {error.strerror}", hint=advice_on(error, hints.WRITABLE_DIRECTORY)
        ) from error
    kind = filesystem_of(path)
    if kind in NETWORK:
        raise StoreError(
            f"cannot make a queue at {path}: its file system is {kind}, whose locks cannot be relied on",
            hint=hints.LOCAL_DIRECTORY,
        )


def filesystem_of(path: Path) -> str:
    """Return the type of the file system a path lies on, "" where the system does not tell."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except own(OSError):
        return ""
    best, kind = "", ""
    target = str(path.resolve())
    for line in mounts:
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4]
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split(" ", 1)[0]
    return kind


@scope
def alone(path: Path, what: str) -> Iterator[None]:
    """Keep every process from opening the environment meanwhile; raises StoreError where one has it open."""
    with lock(path / OPEN_LOCK, wait=False) as is_ours:
        if not is_ours:
            raise StoreError(f"cannot {what} the queue at {path}: it is in use", hint=hints.STOP_WORKERS) from None
        yield


def is_used(path: Path) -> bool:
    """Tell whether any process has the environment open, as far as can be told."""
    try:
        with alone(path, "look at"):
            return False
    except StoreError:
        return True
    except own(OSError):
        return True


@scope
def lock(path: Path, *, wait: bool) -> Iterator[bool]:
    """Lock a file meanwhile, for this process or thread alone; yields whether it could, where it does not `wait`."""
    held = _locked(path, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield held is not None
    finally:
        if held is not None:
            try:
                held.let_go()
            finally:
                held.file.close()  # a signal's handler may have raised at that one's first step


class HeldLock:
    """A file that this process has locked, until it is let go of, or forgotten, or the process ends."""

    __slots__ = ("_owner", "file")

    def __init__(self, file: FileIO) -> None:
        self.file = file
        self._owner = os.getpid()

    def let_go(self) -> None:
        """Unlock and close it; twice is harmless.

        A child that was forked meanwhile has a copy, with which the lock would last as long as that child; and a
        child that comes by here itself leaves its parent the lock.
        """
        try:
            if not self.file.closed and os.getpid() == self._owner:
                fcntl.flock(self.file, fcntl.LOCK_UN)
        finally:
            self.file.close()


def hold(path: Path) -> HeldLock | None:
    """Keep others from replacing a queue, until that is let go of; None where nothing may be written here.

    Raises NoQueue where the directory is gone, StoreError where a file more, or a lock, is not to be had.
    """
    try:
        return _locked(path / OPEN_LOCK, fcntl.LOCK_SH)
    except FileNotFoundError:
        raise NoQueue(str(path)) from None
    except own(OSError) as error:
        if error.errno in _NOT_WRITABLE:
            return None
        advice = advice_on(error, "check the disk and the path, then try again")
        raise StoreError(f"cannot open the queue at {path}: {error.strerror}: {OPEN_LOCK}; {advice}") from error


def hold_files(path: Path, *, create: bool) -> HeldLock | None:
    """Hold a queue as hold() does, with its files there: those missing are made, unless others have the queue open.

    What they have open is not what is made, and LMDB would tell them nothing of what is written here. Raises
    NoQueue without data that is not to be made, FileDeleted, or StoreError.
    """
    tries = _ALONE_TRIES  # and no deadline: whoever replaces the queue is waited for as long as that takes
    is_tried = False
    while True:
        held = hold(path)
        try:
            # Looked at again once nobody can change it: whoever was waited for may have.
            refuse_half_replaced(path)
            if _is_unmade(path):
                raise NotYetMade(str(path), str(path / STAGED), goes_on=False)
            if not create and file_at(path) is None:
                raise NoQueue(str(path))
            missing = _missing(path)
            if not missing or is_tried or held is None:
                return held
            if not tries:
                raise FileDeleted(
                    str(path), missing[0], "was cut short" if exists(path / missing[0]) else "was deleted"
                )
        except BaseException:
            if held is not None:
                held.let_go()
            raise
        held.let_go()
        tries -= 1
        is_tried = _make_files(path, missing)


def _missing(path: Path) -> list[str]:
    """Return which files of LMDB's are not there, or not what it makes: it maps a lock.mdb without a look at its size.

    One that nobody else has open it makes as large as it should be.
    """
    missing = [] if is_entry(f"{path}/{DATA_FILE}") else [DATA_FILE]
    try:
        is_whole = os.stat(f"{path}/{LMDB_LOCK_FILE}").st_size >= _LEAST_LOCK_BYTES  # noqa: PTH116 - on each opening's way
    except own(OSError):
        is_whole = False
    return missing if is_whole else [*missing, LMDB_LOCK_FILE]


def _make_files(path: Path, names: list[str]) -> bool:
    """Make files that LMDB would make, for this user alone under any umask; returns whether nobody else was there."""
    with lock(path / OPEN_LOCK, wait=False) as is_ours:
        for name in names if is_ours else ():
            try:
                os.close(open_private(path / name, os.O_RDWR | os.O_CREAT))
            except own(OSError):
                pass  # where nothing may be written, LMDB says what it makes of that
    if not is_ours:
        time.sleep(_PAUSE_S)  # others may have the queue for a moment, to look for the file as this does
    return is_ours


def _locked(path: Path, how: int) -> HeldLock | None:
    """Return a file once it is locked, None where another has the lock and it is not to be waited for."""
    while True:
        try:
            file = FileIO(open_private(path, os.O_RDWR | os.O_CREAT))
        except FileNotFoundError:
            if is_directory(path.parent):
                continue  # it was taken away between two looks
            raise
        except own(OSError) as error:
            if error.errno in (errno.ELOOP, errno.EINVAL, errno.EISDIR):
                raise _irregular(path) from error
            raise
        try:
            lock_wait.take(file.fileno(), how, _WAITS.get(path.name, lock_wait.REPLACING), path.parent)
            if _is_at(path, file.fileno()):
                return HeldLock(file)
            file.close()  # whoever had the lock took the file away: it keeps nobody out any more
        except BlockingIOError:
            file.close()
            return None
        except BaseException:
            file.close()
            raise


def _is_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False
