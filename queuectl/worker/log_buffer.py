"""What a worker has to say, gathered until it is printed, without ever waiting for whoever reads it."""

import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate, takewhile
from typing import Final, TextIO

from ..core.job import Job
from . import log_lines
from .log_lines import LogLine

Report = Callable[[Sequence[LogLine]], int | None]
"""Prints lines; gives how many of them it could print, None for all."""

MOST_HELD: Final = 10_000
"""How many lines are kept for later where nobody takes them; more are dropped, and counted."""

LINES_AT_ONCE: Final = 256
AGAIN_S: Final = 0.1
"""How soon it is tried again to print what was not taken."""

PATIENCE_S: Final = 1.0
"""How long a worker that ends waits for its last lines to be taken."""

_PIPE_BYTES: Final = select.PIPE_BUF
"""As much as a pipe that is ready takes without waiting."""


class LogBuffer:
    """Lines for people in their order, until they are printed."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lines: list[LogLine] = []
        self._dropped = 0  # since that was last said
        self._refused = 0
        self._not_before = 0.0

    def say(self, told: str, job: Job | None = None) -> None:
        """Take in a line, with a `job` if that has just come to its state."""
        if len(self._lines) >= MOST_HELD:
            self._dropped += 1
            return
        if self._dropped:
            self._lines.append(LogLine(log_lines.dropped(self._dropped)))
            self._dropped = 0
        self._lines.append(LogLine(told) if job is None else LogLine(told, job.id, job.state))

    def flush(self) -> None:
        """Print what there is, all at once, as far as that is taken."""
        if not self._lines or (self._not_before and time.monotonic() < self._not_before):
            return
        self._not_before = 0.0
        while self._lines and not self._not_before:
            now = self._lines[:LINES_AT_ONCE]
            taken = self._taken(now)
            del self._lines[:taken]
            if taken < len(now):
                self._not_before = time.monotonic() + AGAIN_S

    def close(self) -> None:
        """Print what is left, as far as it is taken soon, and say how much was not where somebody may see it."""
        give_up_at = time.monotonic() + PATIENCE_S
        self.flush()
        while self._lines and time.monotonic() < give_up_at:
            time.sleep(AGAIN_S)
            self.flush()
        if lost := len(self._lines) + self._dropped + self._refused:
            with suppress(BrokenPipeError):
                write_lines(sys.stderr, [log_lines.dropped(lost)])

    def _taken(self, lines: list[LogLine]) -> int:
        try:
            taken = self._report(lines)
        except Exception:  # whatever is wrong with it is no reason to leave the jobs
            self._refused += len(lines)
            return len(lines)
        return len(lines) if taken is None else taken


def can_take(stream: TextIO | None) -> bool:
    """Whether a stream takes some more without waiting; one that is broken does, by an error."""
    poll = select.poll()
    try:
        poll.register(stream.fileno() if stream is not None else -1, select.POLLOUT)
    except (OSError, ValueError):  # it is none of the system's
        return True
    return bool(poll.poll(0))


def write_lines(stream: TextIO | None, lines: Sequence[str]) -> int:
    """Print lines as far as that does not wait for whoever reads them; returns how many were printed.

    Past the stream's own buffer, which would keep what failed, and fail with it once more at the end.
    Raises BrokenPipeError where nobody reads them any more.
    """
    if stream is None:
        return len(lines)
    try:
        fd = stream.fileno()
        stream.flush()
    except (OSError, ValueError):
        print("\n".join(lines), file=stream)
        return len(lines)
    encoded = [_encoded(line, stream) for line in lines]
    printed = 0
    while printed < len(encoded) and can_take(stream):
        count = _fitting(encoded[printed:])
        try:
            os.write(fd, b"".join(encoded[printed : printed + count]))
        except BrokenPipeError:
            raise
        except OSError:  # a full disk, say
            break
        printed += count
    return printed


def _encoded(line: str, stream: TextIO) -> bytes:
    data = line.encode(stream.encoding or "utf-8", "backslashreplace")
    return data[: _PIPE_BYTES - 1] + b"\n"


def _fitting(lines: Sequence[bytes]) -> int:
    """Count the lines that a pipe takes at one time: one at the least."""
    sizes = accumulate(map(len, lines))
    return sum(1 for _ in takewhile(lambda size: size <= _PIPE_BYTES, sizes))
