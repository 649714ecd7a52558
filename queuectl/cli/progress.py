"""A progress bar on stderr, where that is a terminal; elsewhere nothing is shown or imported."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from .render import note

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID


class Shown:
    """How far a piece of work is."""

    def __init__(self, bar: "Progress | None", task: "TaskID | None") -> None:
        self._bar = bar
        self._task = task
        self._done = 0

    def done(self, done: int, total: int | None = None, title: str | None = None) -> None:
        """Say how much is done, of how much where that is known, and of what where that is another than before."""
        self._done = done
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, description=title)

    def stage(self, what: str, done: int, total: int | None) -> None:
        """Say what goes on, and how much of it is done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=what)
        self.done(done, total)

    def interrupted(self, what: str) -> None:
        """Say how far it got before Ctrl-C."""
        note(f"Interrupted: {self._done:,} {what}")


class Unfolding:
    """A bar that shows up only once there is something to say, and goes when that is done."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._opened = ExitStack()
        self._shown: Shown | None = None

    def __enter__(self) -> "Unfolding":
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def done(self, done: int, total: int) -> None:
        """Say how much is done, and of how much."""
        if self._shown is None:
            self._shown = self._opened.enter_context(progress(self._title, total))
        self._shown.done(done, total)
        if done >= total:
            self._opened.close()


@contextmanager
def progress(title: str, total: int | None = None, *, in_bytes: bool = False) -> Iterator[Shown]:
    """Show a bar while something goes on, which is counted, in bytes or by the piece."""
    if not sys.stderr.isatty():
        yield Shown(None, None)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """How much is done in a second."""

        def render(self, task: "Task") -> "Text":
            """Give it, once it is known."""
            return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")

    count, rate = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (MofNCompleteColumn(), Rate())
    columns = (TextColumn("{task.description}"), BarColumn(), count, rate, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Shown(bar, bar.add_task(title, total=total))
