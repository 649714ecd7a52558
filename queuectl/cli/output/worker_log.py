"""What a worker in the foreground says: a line for each happening, or a bar until its queue is empty."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, strftime
from typing import TYPE_CHECKING

from ...core.job import ENDED, JobState
from ...worker.log_buffer import can_take, write_lines
from .format import escape, plural
from .progress import Shown, can_show, progress
from .sanitize import tame
from .table import STATE_COLOURS, coloured, note, on_terminal, paint

if TYPE_CHECKING:
    from ...queue import Queue
    from ...worker.log_lines import LogLine

LOOK_EVERY_S = 0.5
"""How often the jobs left are counted: other workers and new jobs change their number too."""


def print_lines(told: "Sequence[LogLine]") -> int:
    """Print a line for each happening, in the colour of its job's state, as far as they are taken; returns how many."""
    if not can_take(sys.stdout):
        return 0
    now = strftime("%H:%M:%S")
    shown = _with_colours if coloured() else _plain  # asked once: it is a call of the system's
    return write_lines(sys.stdout, [tame(shown(each, now)) for each in told])


def _plain(line: "LogLine", now: str) -> str:
    return f"{now} {escape(line.text)}"


def _with_colours(line: "LogLine", now: str) -> str:
    """Return a line with its time dimmed, and what it says of a job in the colour of the job's state."""
    told = escape(line.told)
    if line.job_id is not None and line.state is not None:
        told = f"{escape(line.job_id)}: {paint(told, STATE_COLOURS[line.state])}"
    return f"{paint(now, None, dim=True)} {told}"


class DrainBar:
    """Counts what has ended, and shows it as a bar; what did not go well is printed above that."""

    def __init__(self, queue: "Queue", queues: Sequence[str] | None, shown: Shown) -> None:
        self._queue = queue
        self._queues = queues
        self._shown = shown
        self._ended = self._failures = self._total = 0
        self._look_at = 0.0

    def report(self, told: "Sequence[LogLine]") -> int | None:
        """Count and print a worker's lines; returns 0 while nobody takes what is printed (Ctrl-S, say)."""
        if not (can_take(sys.stderr) and can_take(sys.stdout)):
            return 0
        for each in told:
            self._ended += each.state in ENDED
            self._failures += each.state in (JobState.FAILED, JobState.DEAD)
        worth_telling = [each for each in told if each.state not in (JobState.PROCESSING, JobState.COMPLETED)]
        if worth_telling and on_terminal():
            now = strftime("%H:%M:%S")
            self._shown.above("\n".join(_with_colours(each, now) for each in worth_telling))
        elif worth_telling:
            print_lines(worth_telling)
        if (now_s := monotonic()) >= self._look_at:
            self._look_at = now_s + LOOK_EVERY_S
            self._count()
        return None

    def summary(self) -> str:
        """Return what this worker got done."""
        failures = plural(self._failures, "failed attempt") if self._failures else "nothing failed"
        return f"Ended {plural(self._ended, 'job')}, {failures}"

    def _count(self) -> None:
        left = self._queue.backlog(self._queues)
        self._total = max(self._total, left + self._ended)
        failed = f", {self._failures:,} failed" if self._failures else ""
        self._shown.done(self._total - left, self._total, f"{left:,} left{failed}")


@contextmanager
def draining(queue: "Queue", queues: Sequence[str] | None) -> "Iterator[DrainBar | None]":
    """Show a bar until a queue is empty; None where stderr is no terminal to show it on."""
    if not can_show():
        yield None
        return
    with progress("Draining") as shown:
        draining = DrainBar(queue, queues, shown)
        yield draining
    note(draining.summary())
