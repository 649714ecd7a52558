"""posix_spawn of the C library, called so that the interpreter's other threads run on meanwhile, and what goes with it.

Python's own (os.posix_spawn, and fork_exec behind subprocess) keeps the interpreter's lock while the
kernel makes the process, which is most of what starting a command takes; and it knows no directory to
start in. What it starts holds stdin, stdout, stderr and no other descriptor, whatever this process has
open and was given by its parent. Needs glibc 2.29, musl 1.1.24, macOS 10.15 or later. Knows nothing of commands.
"""

import ctypes
import errno
import fcntl
import os
import signal
import sys
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from ..system.host import inheritable

_OPAQUE_BYTES: Final = 512
"""More than any platform's posix_spawnattr_t (glibc: 336) or sigset_t (128) takes."""

_ACTIONS_KEPT: Final = 512

_FIRST_OTHER: Final = 3
"""The descriptor behind stdin, stdout and stderr."""

_SETSIGDEF: Final = 0x04
_SETSID: Final = 0x400 if sys.platform == "darwin" else 0x80
_CLOEXEC_DEFAULT: Final = 0x4000 if sys.platform == "darwin" else 0
"""With it a program gets no descriptor but those that its actions put in place; macOS alone has it."""

_SET_CHILD_SUBREAPER: Final = 36
"""Of Linux's prctl(2)."""

_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)
"""What a program would inherit as ignored."""

_quick: Final = ctypes.PyDLL(None)
"""Calls that keep the interpreter's lock: giving it up for a microsecond's work could cost a thread's turn."""

_posix_spawn: Final = ctypes.CDLL(None).posix_spawn
_pipe2: Final = getattr(_quick, "pipe2", None)  # macOS has none
_destroy_actions: Final = _quick.posix_spawn_file_actions_destroy
_add_close: Final = _quick.posix_spawn_file_actions_addclose
_add_close_from: Final = getattr(_quick, "posix_spawn_file_actions_addclosefrom_np", None)  # glibc 2.34 and later
_closes_all: Final = _add_close_from is not None or bool(_CLOEXEC_DEFAULT)
_close: Final = _quick.close

_Pair: Final = ctypes.c_int * 2
_Opaque: Final = ctypes.c_char * _OPAQUE_BYTES

Strings: TypeAlias = "ctypes.Array[ctypes.c_char_p]"
"""Texts as the C library takes them: an array that ends with a null pointer."""


class SpawnEnvironment:
    """What commands share of their environment, by name, as entries NAME=VALUE that are ready to be passed on."""

    def __init__(self, entries: Mapping[str, bytes]) -> None:
        self._places = {name: place for place, name in enumerate(entries)}
        self._shared = strings(entries.values())

    def under(self, own: Mapping[str, bytes], without: Iterable[str] = ()) -> Strings:
        """Lay a command's own entries over it, and leave out those of some names."""
        end = len(self._places)
        made = (ctypes.c_char_p * (end + len(own) + 1))()
        ctypes.memmove(made, self._shared, ctypes.sizeof(self._shared))
        for name, entry in own.items():
            place = self._places.get(name, end)
            made[place] = entry
            end += place == end
        gone = [self._places[name] for name in without if name in self._places]
        for place in sorted(gone, reverse=True):  # the last takes its place, which none to go has by then
            end -= 1
            made[place], made[end] = made[end], None
        return made


def strings(texts: Collection[bytes]) -> Strings:
    """Make an array of texts, none of which holds a null byte."""
    return (ctypes.c_char_p * (len(texts) + 1))(*texts, None)


class Attributes:
    """How programs are started: in a session of their own, and hearing the signals that this process does not ignore.

    Of those it ignores, a program hears the ones that Python ignores by itself. As it is at the moment of making.
    """

    def __init__(self) -> None:
        # Handlers would end with this program anyway. But for a signal that is named here the C library
        # spares the new process one of two system calls, and there are sixty-four signals.
        heard = _Opaque()
        _quick.sigemptyset(heard)
        for number in signal.valid_signals():
            if number in _IGNORED_BY_PYTHON or signal.getsignal(number) != signal.SIG_IGN:
                _quick.sigaddset(heard, int(number))
        self.made = _Opaque()
        _check(_quick.posix_spawnattr_init(self.made))
        _check(_quick.posix_spawnattr_setsigdefault(self.made, heard))
        _check(_quick.posix_spawnattr_setflags(self.made, ctypes.c_short(_SETSID | _SETSIGDEF | _CLOEXEC_DEFAULT)))


def spawn(
    path: bytes, argv: Strings, env: Strings, attributes: Attributes, *, cwd: bytes | None, fds: tuple[int, int, int]
) -> int:
    """Start a program, `fds` as its stdin, stdout and stderr and no other descriptor; return its process id.

    The descriptors are above 2; no text holds a null byte. Raises OSError with the number of what
    failed: entering `cwd`, or running `path`, which counts from there.
    """
    pid = ctypes.c_int()
    others = () if _closes_all else tuple(fd for fd in inheritable() if fd >= _FIRST_OTHER)
    actions = _actions(cwd, fds, others)  # held meanwhile: the cache may let go of it
    _check(_posix_spawn(ctypes.byref(pid), path, actions.list, attributes.made, argv, env))
    return pid.value


class _Actions:
    """What a new process does before it runs its program."""

    def __init__(self, cwd: bytes | None, fds: tuple[int, int, int], others: tuple[int, ...]) -> None:
        self.list = _Opaque()
        _check(_quick.posix_spawn_file_actions_init(self.list))
        for target, fd in enumerate(fds):
            _check(_quick.posix_spawn_file_actions_adddup2(self.list, fd, target))
        if _add_close_from is not None:
            _check(_add_close_from(self.list, _FIRST_OTHER))
        for fd in others:  # one that is closed by now does no harm
            _check(_add_close(self.list, fd))
        if cwd is not None:
            _check(_quick.posix_spawn_file_actions_addchdir_np(self.list, cwd))

    def __del__(self, destroy: Any = _destroy_actions) -> None:  # bound: the module may be gone by then
        destroy(self.list)


_actions: Final = lru_cache(_ACTIONS_KEPT)(_Actions)
"""The same few descriptors and directories come up again and again, and each list takes a dozen calls to make."""


def adopt_orphans(*, are_wanted: bool) -> bool:
    """Have descendants whose parents have ended become this process's own children, or no more; whether it can."""
    prctl = getattr(_quick, "prctl", None)
    return prctl is not None and prctl(_SET_CHILD_SUBREAPER, *map(ctypes.c_ulong, (are_wanted, 0, 0, 0))) == 0


def pipe() -> tuple[int, int]:
    """Make a pipe of which the end to read from does not block; raises OSError."""
    ends = _Pair()
    if _pipe2 is None or _pipe2(ends, os.O_CLOEXEC):
        reading, writing = os.pipe()
    else:
        reading, writing = ends
    if _quick.fcntl(reading, fcntl.F_SETFL, os.O_NONBLOCK):
        os.set_blocking(reading, False)
    return reading, writing


def close(fds: Iterable[int]) -> None:
    """Close descriptors that do so at once, such as pipes."""
    for fd in fds:
        if _close(fd):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))  # of such descriptors there is no other failure


def _check(error: int) -> None:
    if error:
        raise OSError(error, os.strerror(error))
