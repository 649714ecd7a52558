"""The lock file of a worker: what the other processes of its machine can see of it, dead or alive.

Each worker holds `<db>/workers/<worker id>.lock` locked (flock), which the kernel lets go of when it
dies, and shares its memory: where it lives, its last sign of life, whether it is inside a write
transaction, and the process groups of the commands that it runs. Written by plain stores into
memory, so that it costs a running worker next to nothing; read by its guardian, by workers that take
over from it, and by whoever lists workers. Imports little:
the guardian is to be small, and `status` quick.
"""
# pathlib is what the docstring promises not to load:
# ruff: noqa: PTH104, PTH118, PTH120, PTH208

import errno
import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple
from weakref import WeakSet

from ..errors import StoreError
from ..system.boot import awake_s, boot, booted_s, pid_space
from ..system.files import is_file_name, make_private, open_private, remove_file, sweep
from ..system.interrupts import own
from ..system.queue_files import NEW, WORKERS

SUFFIX: Final = ".lock"

_UNSEEN: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that say nothing of a file: a shortage."""

_FIXED: Final = struct.Struct("<8s64sQQQ")
"""Magic, place, process id, length of leases in microseconds, number of entries."""

_LIFE: Final = struct.Struct("<QQ")
"""The last sign of life in microseconds: of the clock that stands still while the machine sleeps, and of the other."""

_WRITING: Final = struct.Struct("<Q")
"""When, by the first clock, the worker began what may be a write transaction; 0 outside of one."""

_LAUNCHED: Final = struct.Struct("<Q")
"""The highest token of a run whose command was about to be started: runs are started in the order of their tokens."""

_ENTRY: Final = struct.Struct("<QQQQ")
"""Between which two moments a run's command was started, in microseconds since the machine was; its process id: 0
while it is being started; the run's token. No token: nothing runs. A worker that is killed while it writes this
has written the first of it: a process id never without the moments, nor a token with those of another."""

_MAGIC: Final = b"qctl.wk3"
"""An older release's says no moments. It is taken for no lock file: its worker's jobs come back by their leases."""

_FIRST_PID: Final = 1
_LIFE_AT: Final = _FIXED.size
_WRITING_AT: Final = _LIFE_AT + _LIFE.size
_LAUNCHED_AT: Final = _WRITING_AT + _WRITING.size
_ENTRIES_AT: Final = _LAUNCHED_AT + _LAUNCHED.size

_AT_MOST_BYTES: Final = 1 << 20
"""More than the file of a worker with 60,000 entries."""


class LaunchedRun(NamedTuple):
    """What an entry says of a run; `pid` 0 where the command may have been started or not.

    It was started between two moments, in seconds of booted_s(); its process id alone would not tell it
    from a later process.
    """

    token: int
    pid: int
    born_from_s: float = 0.0
    born_by_s: float = 0.0


class Sighting(NamedTuple):
    """What a lock file says; times are seconds of awake_s(), `seen_boot_s` of booted_s()."""

    worker: str
    pid_space: str
    pid: int
    lease_s: float
    seen_s: float
    seen_boot_s: float
    writing_since_s: float | None
    launched: int
    runs: list[LaunchedRun]

    @property
    def is_of_this_boot(self) -> bool:
        """Return whether its times can be compared with those of now: it is of this boot of this machine."""
        return self.pid_space.partition("/")[0] == boot()

    @property
    def is_of_this_pid_space(self) -> bool:
        """Return whether its process ids mean here what they mean there."""
        return self.pid_space.partition("/")[2] != "" and self.pid_space == pid_space()

    @property
    def is_of_gone_namespace(self) -> bool:
        """Whether a worker that is dead was the first process of its namespace: all others in there end with it."""
        return self.is_of_this_boot and not self.is_of_this_pid_space and self.pid == _FIRST_PID


class LockFile:
    """A worker's own, from its start to its end; raises StoreError where the disk has no room for it."""

    def __init__(self, db_path: str | os.PathLike[str], worker: str, *, entries: int, lease_s: float) -> None:
        self._path = path_of(db_path, worker)
        try:
            self._make(entries=entries, lease_s=lease_s)
        except OSError as error:
            from pathlib import Path  # not at each start of who only looks at such files

            from ..system.disk_space import is_out_of_room, no_room_by

            if is_out_of_room(Path(db_path), code := error.errno or 0):
                raise StoreError(
                    f"cannot start a worker of the queue at {db_path}: {no_room_by(code)}; "
                    "free some disk space, then try again"
                ) from None
            raise
        _held.add(self)

    def _make(self, *, entries: int, lease_s: float) -> None:
        make_private(os.path.dirname(self._path))
        sweep(os.path.dirname(self._path), SUFFIX + NEW)
        # Made under another name and locked before it gets its own: one that is there and free is a dead worker's.
        unheld = self._path + NEW
        self._fd = open_private(unheld, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            _fill(self._fd, unheld, _ENTRIES_AT + entries * _ENTRY.size)
            self._map = mmap.mmap(self._fd, 0)
            lease_us = int(lease_s * 1_000_000)
            _FIXED.pack_into(self._map, 0, _MAGIC, pid_space().encode(), os.getpid(), lease_us, entries)
            self.live()
            os.rename(unheld, self._path)
        except BaseException:
            remove_file(unheld)
            os.close(self._fd)
            raise

    def live(self) -> None:
        """Write the time as a sign of life."""
        _LIFE.pack_into(self._map, _LIFE_AT, int(awake_s() * 1e6), int(booted_s() * 1e6))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Mark that a write transaction may go on meanwhile: stopped in there, a worker holds up every other."""
        _WRITING.pack_into(self._map, _WRITING_AT, int(awake_s() * 1e6))
        try:
            yield
        finally:
            _WRITING.pack_into(self._map, _WRITING_AT, 0)

    def launching(self, entry: int, token: int) -> None:
        """Record that a command is about to be started for a run."""
        _LAUNCHED.pack_into(self._map, _LAUNCHED_AT, token)
        _ENTRY.pack_into(self._map, _ENTRIES_AT + entry * _ENTRY.size, 0, 0, 0, token)

    def running(self, entry: int, token: int, pid: int, *, born_s: tuple[float, float]) -> None:
        """Record which process, and so which group and session, the command is."""
        born = int(born_s[0] * 1e6), int(born_s[1] * 1e6) + 1
        _ENTRY.pack_into(self._map, _ENTRIES_AT + entry * _ENTRY.size, *born, pid, token)

    def clear(self, entry: int) -> None:
        """Record that nothing is left of the run of an entry."""
        _ENTRY.pack_into(self._map, _ENTRIES_AT + entry * _ENTRY.size, 0, 0, 0, 0)

    def close(self) -> None:
        """Take the file away and let go of it."""
        remove_file(self._path)
        self.leave()

    def leave(self) -> None:
        """Close the file, and leave it where it is."""
        _held.discard(self)
        self._map.close()
        os.close(self._fd)


_held: Final[WeakSet[LockFile]] = WeakSet()


def _in_child() -> None:
    # The lock is held as long as anybody has it open, and a fork may outlive the worker.
    for each in list(_held):
        each.leave()


os.register_at_fork(after_in_child=_in_child)


def sighting_of(db_path: str | os.PathLike[str], worker: str) -> Sighting | None:
    """Return what a worker's lock file says, None where it has none."""
    if (fd := _opened(db_path, worker, os.O_RDONLY)) is None:
        return None
    try:
        return read(fd, worker)
    finally:
        os.close(fd)


def read(fd: int, worker: str) -> Sighting | None:
    """Return what an open lock file says, None where it is none of ours."""
    content = os.pread(fd, _AT_MOST_BYTES, 0)
    if len(content) < _ENTRIES_AT or not content.startswith(_MAGIC):
        return None
    _, where, pid, lease_us, entries = _FIXED.unpack_from(content)
    seen_us, seen_boot_us = _LIFE.unpack_from(content, _LIFE_AT)
    (writing_us,) = _WRITING.unpack_from(content, _WRITING_AT)
    (launched,) = _LAUNCHED.unpack_from(content, _LAUNCHED_AT)
    whole = min(entries, (len(content) - _ENTRIES_AT) // _ENTRY.size)  # fewer where the file was torn
    rows = list(_ENTRY.iter_unpack(content[_ENTRIES_AT : _ENTRIES_AT + whole * _ENTRY.size]))
    return Sighting(
        worker,
        where.rstrip(b"\0").decode(errors="replace"),
        pid,
        lease_us / 1e6,
        seen_us / 1e6,
        seen_boot_us / 1e6,
        writing_us / 1e6 if writing_us else None,
        launched,
        [LaunchedRun(token, pid, born_from / 1e6, born_by / 1e6) for born_from, born_by, pid, token in rows if token],
    )


def workers(db_path: str | os.PathLike[str]) -> list[str]:
    """Return the ids of the workers that have a lock file."""
    try:
        names = os.listdir(os.path.join(db_path, WORKERS))
    except own(OSError):
        return []
    ids = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
    return sorted(each for each in ids if each.isprintable())  # a name with bytes that are no text is nobody's id


def is_held(db_path: str | os.PathLike[str], worker: str) -> bool | None:
    """Return whether a worker is there to hold its lock file; None where there is no such file."""
    if (fd := _opened(db_path, worker, os.O_RDONLY)) is None:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class Seized:
    """The lock file of a worker that died, locked so that nobody else clears up after it."""

    def __init__(self, fd: int, worker: str) -> None:
        self._fd = fd
        self._worker = worker

    def sighting(self) -> Sighting | None:
        """Return what it says, None where it is none of ours."""
        return read(self._fd, self._worker)

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


def seize(db_path: str | os.PathLike[str], worker: str) -> Seized | None:
    """Lock the file of a worker that died; None where somebody holds it, or it is not there."""
    if (fd := _opened(db_path, worker, os.O_RDWR)) is None:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_nlink:
            return Seized(fd, worker)
    except BlockingIOError:
        pass
    os.close(fd)
    return None


def remove(db_path: str | os.PathLike[str], worker: str) -> None:
    """Remove a worker's lock file."""
    if can_have_one(worker):
        remove_file(path_of(db_path, worker))


def can_have_one(worker: str) -> bool:
    """Whether a worker of this id can have a lock file: an id in an event may be anything, a path elsewhere too."""
    return is_file_name(worker, suffix=SUFFIX + NEW)


def path_of(db_path: str | os.PathLike[str], worker: str) -> str:
    """Return where the lock file of a worker is that can_have_one(), whether there is one or not."""
    return os.path.join(db_path, WORKERS, worker + SUFFIX)


def _opened(db_path: str | os.PathLike[str], worker: str, flags: int) -> int | None:
    """Open a worker's lock file and return its descriptor, None where it has none.

    Raises OSError where that cannot be told: who has no descriptor left must not take a worker for gone.
    """
    if not can_have_one(worker):
        return None
    try:
        return open_private(path_of(db_path, worker), flags)
    except own(OSError) as error:
        if error.errno in _UNSEEN:
            raise
        return None


def _fill(fd: int, path: str, size: int) -> None:
    """Write zeros: on a full disk this fails, where a write into mapped memory would end the process."""
    try:
        is_whole = os.write(fd, bytes(size)) == size
    except own(OSError) as error:
        raise OSError(error.errno, error.strerror, path) from error
    if not is_whole:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
