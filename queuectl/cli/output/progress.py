"""A progress bar on stderr, where that is a terminal; elsewhere nothing is shown or imported."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from .. import Terminated
from .format import duration, escape
from .table import note

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID

SPEED_OVER_S = 10.0
"""How far back the rate looks: long enough to stand still, short enough to notice a change."""


class Shown:
    """How far a piece of work is."""

    def __init__(self, bar: "Progress | None", task: "TaskID | None") -> None:
        self._bar = bar
        self._task = task
        self._done = 0

    def done(self, done: int, total: int | None = None, title: str | None = None) -> None:
        """Show how much is done, of how much if that is known, and of what if that is another than before."""
        self._done = done
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, description=title)

    def stage(self, what: str, done: int, total: int | None) -> None:
        """Show what goes on, and how much of it is done."""
        self.done(done, total, what)

    def above(self, text: str) -> None:
        """Print a line above the bar, colours and all; on stderr, as the bar is."""
        if self._bar is not None:
            from rich.text import Text

            from .sanitize import tame

            self._bar.console.print(Text.from_ansi(tame(text)), soft_wrap=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    @property
    def count(self) -> int:
        """Return how much is done."""
        return self._done


class LazyBar:
    """A bar that shows up only once something is done, and goes when all is."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._opened = ExitStack()
        self._shown: Shown | None = None

    def __enter__(self) -> "LazyBar":
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def done(self, done: int, total: int) -> None:
        """Show how much is done, and of how much."""
        if self._shown is None:
            self._shown = self._opened.enter_context(progress(self._title, total))
        self._shown.done(done, total)
        if done >= total:
            self._opened.close()


def can_show() -> bool:
    """Return whether there is a terminal to show a bar on, and one that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def progress(
    title: str, total: int | None = None, *, in_bytes: bool = False, left: Callable[[int], str] | None = None
) -> Iterator[Shown]:
    """Show a bar while something goes on, which is counted, in bytes or by the piece: its rate, and the time left.

    `left` returns, of how much was done, what is to be said where Ctrl-C or SIGTERM breaks it off: what there is now,
    and what to do next. That is said whether there is a terminal or not.
    """
    with _ending_on_term(), _bar(title, total, in_bytes=in_bytes) as shown:
        try:
            yield shown
        except KeyboardInterrupt:
            if left is not None:
                shown.close()
                note(f"Interrupted: {left(shown.count)}")
            raise


def unwritten(name: str) -> str:
    """Return what there is of a file that is written whole or not at all, of which the writing was broken off."""
    if name == "-":
        return "what went to stdout is not all of it"
    return f"{escape(name)} {'is as it was' if Path(name).exists() else 'was not made'}"


@contextmanager
def _bar(title: str, total: int | None, *, in_bytes: bool) -> Iterator[Shown]:
    if not can_show():
        yield Shown(None, None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Told(TextColumn):
        """How much is done, how fast that goes and how long it still takes, as far as the screen is wide enough."""

        def render(self, task: "Task") -> "Text":
            """Return it."""
            return Text(_told(task, in_bytes=in_bytes, narrow=console.width < NARROW), style="progress.remaining")

    console = Console(stderr=True)
    told = Told("", table_column=Column(no_wrap=True))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=None), told)
    bar = Progress(*columns, console=console, transient=True, expand=True, speed_estimate_period=SPEED_OVER_S)
    with bar:  # it hides the cursor
        yield Shown(bar, bar.add_task(title, total=total))


NARROW = 70
"""Columns below which the bar would leave no room for the rate."""


def _told(task: "Task", *, in_bytes: bool, narrow: bool) -> str:
    """Return how far a task is: `12,345/50,000  2,345/s  16s left`."""
    count = _bytes if in_bytes else "{:,.0f}".format
    done = count(task.completed) + (f"/{count(task.total)}" if task.total is not None else "")
    speed, left = task.finished_speed or task.speed, task.time_remaining
    rate = "" if speed is None or narrow else f"{count(speed)}/s" if speed >= 10 or in_bytes else f"{speed:.1f}/s"
    remaining = "" if left is None or task.finished else f"{duration(max(1, int(left)))} left"
    return "  ".join(filter(None, (done, rate, remaining)))


def _bytes(count: float) -> str:
    from rich.filesize import decimal

    return decimal(int(count))


@contextmanager
def _ending_on_term() -> Iterator[None]:
    """End by SIGTERM as by Ctrl-C, so that what there is now is said, and what was done to the terminal is undone."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
