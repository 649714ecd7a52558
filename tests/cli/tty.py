"""A program on a pseudo-terminal of its own, which it is the master of: Ctrl-C reaches it as it would a user's."""

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.processes import stat_fields
from tests.waiting import PATIENCE_S

IDLE_S = 0.5
IDLE_TICKS = 1
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>])")
INTERRUPT = "\x03"


class Terminal:
    """Types, and reads what is shown, until the program has ended."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._ours, self._theirs = pty.openpty()
        self.before = self.attributes()
        self.sent = ""
        self._seen = 0
        environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **(environment or {})}
        self.process = subprocess.Popen(
            words,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env=environ,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *about: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def attributes(self) -> Any:
        """Return the terminal's settings: echo, line mode and so on."""
        return termios.tcgetattr(self._theirs)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    @property
    def shown(self) -> str:
        """What was shown so far, without escape sequences."""
        return ESCAPES.sub("", self.sent)

    def expect(self, text: str) -> str:
        """Wait until something is shown behind what was expected before, and give what is, up to it."""
        deadline = time.monotonic() + PATIENCE_S
        while (at := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.shown[self._seen :]!r}"
            is_over = self.process.poll() is not None
            assert self._read(0.05) or not is_over, f"it ended without {text!r}: {self.shown[self._seen :]!r}"
        found = self.shown[self._seen : at + len(text)]
        self._seen += len(found)
        return found

    def until_idle(self) -> None:
        """Wait until the program waits: until it has used no processor for a while."""
        deadline = time.monotonic() + PATIENCE_S
        used, since = -1, time.monotonic()
        while time.monotonic() - since < IDLE_S:
            now = self._ticks()
            if now - used > IDLE_TICKS:
                used, since = now, time.monotonic()
            assert time.monotonic() < deadline, "it did not come to rest"
            time.sleep(0.02)

    def _ticks(self) -> int:
        fields = stat_fields(self.process.pid)
        return int(fields[11]) + int(fields[12])

    def end(self) -> int:
        """Wait for the end, and give the exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it did not end: {self.sent!r}"
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._ours], [], [], timeout_s)[0]:
            return False
        self.sent += os.read(self._ours, 65536).decode(errors="replace")
        return True
