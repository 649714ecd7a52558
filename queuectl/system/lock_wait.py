"""Locks that are waited for (flock), taken in one way: who waits for long can be told what for, and who has it.

A program that wants to hear of it says so with listen(); to others a lock is a lock, and nothing is spent on more.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic, sleep
from typing import Final

from .. import hints
from ..errors import StoreError
from .interrupts import own

TELL_AFTER_S: Final = 1.0

TOLD_AT_MOST: Final = 100
"""How many locks and holders are remembered, so that no wait for them is told twice; then no more is told."""

WRITE: Final = "another process's write to"
REPLACING: Final = "what puts another queue in the place of"
OPENING: Final = "a process of another container, with this process's id, that opens or closes"
REPLAYING: Final = "another process that makes anew or compares the views of"
COMPACTING: Final = "another process that lets old events go from"

_NO_LOCKS: Final = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOLCK})
"""Where the file system, or what stands in for it, has no locks, or none left."""

Listener = Callable[[str], None]


class _Wait:
    """One thread's wait for a file's lock: for `what`, with the path of the queue after it."""

    __slots__ = ("fd", "path", "since", "what")

    def __init__(self, fd: int, what: str, path: object) -> None:
        self.fd, self.what, self.path, self.since = fd, what, str(path), monotonic()


class _Waits:
    """The waits of this process, and the thread that looks at them now and then as long as there are any."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self._pid = 0
        self._there: dict[int, _Wait] = {}
        self._is_some = Event()
        self._told: set[object] = set()

    @contextmanager
    def noting(self, wait: _Wait) -> Iterator[None]:
        """Report a wait if it takes long."""
        self._there[id(wait)] = wait
        try:
            if self._pid != os.getpid():  # a forked child has none of its parent's threads
                self._start()
            self._is_some.set()
            yield
        finally:
            self._there.pop(id(wait), None)

    def _start(self) -> None:
        try:
            Thread(target=self._look_out, name="waits for locks", daemon=True).start()
        except own(RuntimeError):  # no thread is to be had: then nothing is told
            return
        self._pid = os.getpid()

    def _look_out(self) -> None:
        while self._is_some.wait():
            self._is_some.clear()
            while self._there:
                sleep(TELL_AFTER_S / 4)
                for wait in list(self._there.values()):
                    if monotonic() - wait.since >= TELL_AFTER_S:
                        self._tell(wait)

    def _tell(self, wait: _Wait) -> None:
        from .lock_holder import Holder, holder_of

        try:
            holder: Holder | None = holder_of(wait.fd)
        except own(OSError):  # it has the lock by now, and let go of it again
            return
        lock = wait.what, wait.path, None if holder is None else holder.pid
        if lock in self._told or len(self._told) >= TOLD_AT_MOST or id(wait) not in self._there:
            return
        self._told.add(lock)
        who = holder or "who has the lock cannot be seen from here"
        self.listener(f"Waiting for {wait.what} the queue at {wait.path}: {who}")


_waits: _Waits | None = None


def listen(listener: Listener | None) -> None:
    """Register a function to call, from a thread of its own, once a lock was waited for for a second; None: no more."""
    global _waits
    _waits = None if listener is None else _Waits(listener)


def take(fd: int, how: int, what: str, path: object) -> None:
    """Lock a file as flock does, telling of a wait: for `what`, with the path of the queue after it."""
    waits = _waits
    try:
        if waits is None or how & fcntl.LOCK_NB:
            fcntl.flock(fd, how)
            return
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            with waits.noting(_Wait(fd, what, path)):
                fcntl.flock(fd, how)
    except own(OSError) as error:
        if error.errno in _NO_LOCKS:
            raise _no_locks(path, error) from error
        raise


def take_byte(fd: int, byte: int, path: object) -> None:
    """Share the lock on one byte of a file as lockf does, telling of a wait as take() does."""
    waits = _waits
    if waits is None:
        fcntl.lockf(fd, fcntl.LOCK_SH, 1, byte)
        return
    try:
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, byte)
    except (BlockingIOError, PermissionError):  # either says that another has it
        with waits.noting(_Wait(fd, OPENING, path)):
            fcntl.lockf(fd, fcntl.LOCK_SH, 1, byte)


def _no_locks(path: object, error: OSError) -> StoreError:
    return StoreError(
        f"cannot use the queue at {path}: its file system has no locks ({error.strerror})",
        hint=hints.MOVE_TO_LOCAL_DISK,
    )


def relay(told: str) -> None:
    """Report a wait of a process that was started for this one."""
    if _waits is not None:
        _waits.listener(told)
