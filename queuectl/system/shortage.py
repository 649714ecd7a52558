"""What keeps a process from looking at a queue, or changing it, and is no fault of the queue: a limit, a full disk.

Told by the numbers of errors and not by their words, which are those of somebody's language. Imports no engine.
"""

import errno
import os
from threading import Thread
from types import CodeType
from typing import Final

READERS_FULL: Final = -30790
"""LMDB's own number, where all reader slots are taken."""

NO_THREAD: Final = -1
"""A number of ours: Python keeps none of why the system has no thread to give."""

_ADVICE: Final = {
    errno.ENOMEM: "raise the limit on memory (`ulimit -v`, `ulimit -d`)",
    errno.EMFILE: "raise the limit on open files (`ulimit -n`)",
    errno.ENFILE: "raise the limit on open files (`ulimit -n`)",
    errno.EAGAIN: "raise the limit on processes (`ulimit -u`)",
    errno.ENOSPC: "free some disk space",
    errno.EDQUOT: "free some disk space",
    errno.EFBIG: "raise the limit on a file's size (`ulimit -f`)",
    NO_THREAD: "raise the limits on processes and memory (`ulimit -u`, `ulimit -v`)",
    READERS_FULL: "end some of the programs that read the queue",
}
"""What to do about what a process is short of, by number."""

_WORDS: Final = {NO_THREAD: "no thread can be started", READERS_FULL: "all places for readers are taken"}
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})

_DEPTH: Final = 20
"""How many errors are followed that led to one another."""

_STARTS_THREAD: Final[CodeType] = Thread.start.__code__


def hindrance(error: BaseException | None) -> int:
    """Return the number of what kept a process from its work, if an error or one that led to it says so; else 0."""
    for _ in range(_DEPTH):
        if error is None:
            break
        if is_hindrance(number := _number(error)):
            return number
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return 0


def is_hindrance(number: object) -> bool:
    """Whether a number, which may come from another process, is one of those that hindrance() returns."""
    return type(number) is int and (number in _ADVICE or number in _FORBIDDEN)


def advice(number: int, otherwise: str) -> str:
    """Return what to do about what a process is short of; `otherwise` is for all else, a permission included."""
    return _ADVICE.get(number, otherwise)


def unseen(why: object, number: int = 0) -> str:
    """Return words for what could not be looked at, and what to do about it; `number`: of the shortage, if known."""
    way = "try again with more memory and room, and without a limit on this process"
    if number in _FORBIDDEN:
        way = "try again as the user whose it is"
    elif number in _ADVICE:
        way = f"{_ADVICE[number]}, then try again"
    return f"could not be looked at: {why}; {way}"


def words(number: int) -> str:
    """Return what a hindrance is called."""
    return _WORDS.get(number) or os.strerror(number)


def _number(error: BaseException) -> int:
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError):
        return error.errno or 0
    if isinstance(error, RuntimeError):
        return NO_THREAD if _ends_in_a_thread_s_start(error) else 0
    found = getattr(error, "code", 0) if isinstance(error, Exception) else 0
    return found if type(found) is int else 0  # LMDB's errors have the system's numbers, and some of its own


def _ends_in_a_thread_s_start(error: RuntimeError) -> bool:
    """Whether an error is what Python raises if the system has no thread to give, and not of one that runs already."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    if at is None or at.tb_frame.f_code is not _STARTS_THREAD:
        return False
    return getattr(at.tb_frame.f_locals.get("self"), "ident", None) is None
