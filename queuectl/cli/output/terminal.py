"""The whole screen of a terminal, redrawn in place; however it ends, the terminal is left as it was found."""

import os
import select
import signal
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from .sanitize import tame

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
"""The other screen, without a cursor, its lines cut rather than wrapped; and back."""

_BEGIN, _HOME, _REST_OF_LINE, _REST, _END = "\x1b[?2026h", "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[?2026l"
END = b"\x04"
"""What Ctrl-D sends."""

KILLED = 128
"""What the exit code of a process that a signal ended begins from."""


@contextmanager
def ending_on(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """End as on Ctrl-C when told to by a signal, so that what was done to the terminal is undone."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(KILLED + number)

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Screen:
    """Draws frames one over the other; what a frame does not change does not flicker."""

    def __init__(self) -> None:
        self._shown: tuple[os.terminal_size, Sequence[str]] | None = None

    def draw(self, lines: Sequence[str]) -> None:
        """Show lines, as many as fit; the last says how many do not."""
        size = os.get_terminal_size(sys.stdout.fileno())
        if (size, lines) == self._shown:
            return
        self._shown = size, lines
        fitting = lines
        if len(lines) > size.lines:
            left_out = len(lines) - size.lines + 1
            fitting = [*lines[: size.lines - 1], f"... and {left_out} more; make the window taller"]
        body = f"{_REST_OF_LINE}\r\n".join(map(tame, fitting))
        self._send(f"{_BEGIN}{_HOME}{body}{_REST_OF_LINE}{_REST if len(fitting) < size.lines else ''}{_END}")

    def has_another_size(self) -> bool:
        """Return whether the window is no longer as large as when it was drawn."""
        return self._shown is not None and os.get_terminal_size(sys.stdout.fileno()) != self._shown[0]

    def enter(self) -> None:
        """Go to the other screen."""
        self._shown = None
        self._send(ENTER)

    def leave(self) -> None:
        """Come back."""
        self._send(LEAVE)

    def _send(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def pressed(timeout_s: float) -> bytes:
    """Wait for keys, at most so long, and give them; END once there will be no more."""
    if select.select([sys.stdin], [], [], timeout_s)[0]:
        return os.read(sys.stdin.fileno(), 64) or END
    return b""


@contextmanager
def whole_screen() -> Iterator[Screen]:
    """Take the terminal over: keys come one by one and unseen, and Ctrl-Z, TERM and HUP find it as it was."""
    screen = Screen()
    with ending_on((signal.SIGTERM, signal.SIGHUP)), _quiet_keys() as keys, _stopping(screen, keys):
        screen.enter()
        try:
            yield screen
        finally:
            screen.leave()


@contextmanager
def _quiet_keys() -> Iterator[Callable[[bool], None]]:
    """Switch to keys that come at once and without an echo; yields what turns that on and off."""
    descriptor = sys.stdin.fileno()
    if not sys.stdin.isatty():
        yield lambda quiet: None
        return
    before = termios.tcgetattr(descriptor)
    during = termios.tcgetattr(descriptor)
    during[3] &= ~(termios.ECHO | termios.ICANON)

    def switch(quiet: bool) -> None:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, during if quiet else before)

    switch(True)
    try:
        yield switch
    finally:
        switch(False)


@contextmanager
def _stopping(screen: Screen, keys: Callable[[bool], None]) -> Iterator[None]:
    """Leave the terminal while stopped by Ctrl-Z."""

    def stop(number: int, frame: FrameType | None) -> None:
        screen.leave()
        keys(False)
        os.kill(os.getpid(), signal.SIGSTOP)
        keys(True)
        screen.enter()

    before = signal.signal(signal.SIGTSTP, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)
