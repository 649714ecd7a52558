"""posix_spawn of the C library, called so that the interpreter's other threads run on meanwhile.

Python's own (os.posix_spawn, and fork_exec behind subprocess) keeps the interpreter's lock while the
kernel makes the process, which is most of what starting a command takes; and it knows no directory to
start in. Needs glibc 2.29, musl 1.1.24, macOS 10.15 or later. Knows nothing of commands.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Collection, Sequence
from typing import Any, Final

_OPAQUE_BYTES: Final = 512
"""More than any platform's posix_spawnattr_t (glibc: 336) or sigset_t (128) takes."""

_SETSIGDEF: Final = 0x04
_SETSID: Final = 0x400 if sys.platform == "darwin" else 0x80

_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)
"""What a command would inherit as ignored."""

_quick: Final = ctypes.PyDLL(None)
"""Calls that keep the interpreter's lock: giving it up for a microsecond's work could cost a thread's turn."""

_posix_spawn: Final = ctypes.CDLL(None).posix_spawn


def spawn(
    path: bytes, argv: Sequence[bytes], env: Collection[bytes], *, cwd: bytes | None, fds: tuple[int, int, int]
) -> int:
    """Start a program as the leader of a new session, `fds` as its stdin, stdout and stderr; give its process id.

    `env` are entries NAME=VALUE. The descriptors are above 2; no text holds a null byte. Raises OSError
    with the number of what failed: entering `cwd`, or running `path`, which counts from there.
    """
    pid = ctypes.c_int()
    actions = ctypes.create_string_buffer(_OPAQUE_BYTES)
    _check(_quick.posix_spawn_file_actions_init(actions))
    try:
        for target, fd in enumerate(fds):
            _check(_quick.posix_spawn_file_actions_adddup2(actions, fd, target))
        if cwd is not None:
            _check(_quick.posix_spawn_file_actions_addchdir_np(actions, cwd))
        _check(_posix_spawn(ctypes.byref(pid), path, actions, _ATTRIBUTES, _strings(argv), _strings(env)))
    finally:
        _quick.posix_spawn_file_actions_destroy(actions)
    return pid.value


def _strings(texts: Collection[bytes]) -> Any:
    return (ctypes.c_char_p * (len(texts) + 1))(*texts, None)


def _check(error: int) -> None:
    if error:
        raise OSError(error, os.strerror(error))


def _attributes() -> Any:
    defaults = ctypes.create_string_buffer(_OPAQUE_BYTES)
    _quick.sigemptyset(defaults)
    for number in _IGNORED_BY_PYTHON:
        _quick.sigaddset(defaults, int(number))
    made = ctypes.create_string_buffer(_OPAQUE_BYTES)
    _check(_quick.posix_spawnattr_init(made))
    _check(_quick.posix_spawnattr_setsigdefault(made, defaults))
    _check(_quick.posix_spawnattr_setflags(made, ctypes.c_short(_SETSID | _SETSIGDEF)))
    return made


_ATTRIBUTES: Final = _attributes()
