"""A verb on a pseudo-terminal, and what a person would see there."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from types import TracebackType

import pyte

from tests.waiting import PATIENCE_S

from .conftest import CommandLine


class Terminal:
    """Runs a verb on a terminal of its own; `screen` is what it shows, `sent` all that it was sent."""

    def __init__(self, cli: CommandLine, *words: str, columns: int = 80, rows: int = 24, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        self._resize(theirs, columns, rows)
        self.before = termios.tcgetattr(theirs)
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.sent = b""
        plain = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
        self._theirs = theirs
        self.process = subprocess.Popen(
            cli.words(*words),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=plain | {"TERM": "xterm-256color"} | environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        self.screen.resize(rows, columns)
        self._resize(self._ours, columns, rows)

    def text(self) -> str:
        """Return what is on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def read(self, patience_s: float = 0.05) -> None:
        """Take in what was sent."""
        while select.select([self._ours], [], [], patience_s)[0]:
            try:
                chunk = os.read(self._ours, 65536)
            except OSError:
                return
            self.sent += chunk
            self._stream.feed(chunk)

    def wait_for(self, is_there: str | Callable[[str], object], patience_s: float = PATIENCE_S) -> str:
        """Wait until a text is on the screen, or what is there fits; returns the screen."""
        deadline = time.monotonic() + patience_s
        while True:
            self.read()
            shown = self.text()
            if is_there in shown if isinstance(is_there, str) else is_there(shown):
                return shown
            assert time.monotonic() < deadline, f"{is_there} is not on the screen:\n{shown}"
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{shown}"

    def end(self) -> int:
        """Wait until it has ended and give its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            self.read()
            assert time.monotonic() < deadline, f"it has not ended:\n{self.text()}"
        self.read()
        return self.process.returncode

    def is_sane(self) -> bool:
        """Return whether the terminal is as it was: its modes, a cursor, the screen that scrolls, no mouse."""
        modes = all(self._last(mode) in (b"", b"l") for mode in MODES)
        plain = all(self._last(mode) in (b"", b"h") for mode in (25, 7))
        return modes and plain and termios.tcgetattr(self._theirs) == self.before

    def _last(self, mode: int) -> bytes:
        return (re.findall(rb"\x1b\[\?%d([hl])" % mode, self.sent) or [b""])[-1]

    @staticmethod
    def _resize(descriptor: int, columns: int, rows: int) -> None:
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


MODES = (1049, 1000, 1002, 1003, 1006, 1015, 1004, 2004, 2026, 2048)
"""The other screen, mouse, focus, pasting, updates in one go, sizes: what a full-screen program turns on."""
