"""The signals a worker hears, as something to wait on; knows nothing of what they lead to.

A handler runs between two instructions of whatever is going on, a commit included. So the handlers
do nothing, and the signal's number arrives through a pipe that the loop reads when it is ready.
"""

import os
import signal
import sys
import threading
from itertools import pairwise
from types import FrameType, TracebackType
from typing import Any, Final

STOPPING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_TAKES_ANY_NUMBER: Final = 0x04
"""In a function's flags, as `inspect` has it, whose import takes long."""


class Signals:
    """While entered, catches the signals that stop a worker; outside the main thread it hears none.

    What a program does about its children is left alone, but where the worker `is_sole` in it.
    """

    def __init__(self, *, is_sole: bool = True) -> None:
        self._is_sole = is_sole
        self._out, self._in = os.pipe()
        for fd in (self._out, self._in):
            os.set_blocking(fd, False)
        self._restore: dict[int, Any] = {}
        self._old_wakeup = -1
        self._is_hearing = threading.current_thread() is threading.main_thread()

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._out

    def take(self) -> list[int]:
        """Return the signals that came since the last time."""
        try:
            return list(os.read(self._out, 4096))
        except BlockingIOError:
            return []

    def __enter__(self) -> "Signals":
        if self._is_hearing:
            self._old_wakeup = signal.set_wakeup_fd(self._in, warn_on_full_buffer=False)
            for number in _caught():
                self._restore[number] = signal.signal(number, _ignore)
            if self._is_sole and signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
                # Inherited: how commands end would be lost.
                self._restore[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._restore.items():
            signal.signal(number, handler)
        if self._is_hearing:
            signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._out)
        os.close(self._in)


def is_in_handler() -> bool:
    """Whether this is called, however deep, from a handler of a signal that is written in Python."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if _is_handler(frame):
            return True
        frame = frame.f_back
    return False


def _is_handler(frame: FrameType) -> bool:
    """Whether a function was called with a number and the frame that it interrupted, which is below it on the stack.

    Nothing else is called so, and what is set as a handler now need not be what is running.
    """
    if frame.f_back is None:
        return False
    code, values = frame.f_code, frame.f_locals
    named = code.co_varnames[: code.co_argcount]
    given = [values.get(name) for name in named]
    if code.co_flags & _TAKES_ANY_NUMBER:
        rest = values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
        given += rest if isinstance(rest, tuple) else ()
    return any(second is frame.f_back and isinstance(first, int) for first, second in pairwise(given))


def _caught() -> list[int]:
    # A hangup that is ignored already (nohup) stays ignored. An interrupt does not: shells ignore it
    # for what they start in the background, and yet a worker there is to be stopped like any other.
    wanted: list[int] = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    return wanted


def _ignore(number: int, frame: object) -> None:
    """Let the wakeup descriptor tell."""
