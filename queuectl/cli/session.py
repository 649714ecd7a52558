"""What every verb is given: the queue named by --db, opened when first asked for."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from ..errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from .. import Shrunk
    from ..core.progress import Progress
    from ..history.past import Past
    from ..queue import Queue
    from .input.param_types import LogPoint
    from .output.progress import Shown


_LEFT = (
    "{:,} events of the views of an older release made anew; the store is as it was; the next command begins that "
    "anew, as queuectl migrate does"
)


class Session:
    """One run of the command line."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._queue: Queue | None = None
        self._opened = ExitStack()

    def existing(self) -> "Queue":
        """Return the queue. Raises NoQueue where there is none."""
        return self._open(create=False)

    def reading(self) -> "Queue":
        """Return the queue for a verb that changes nothing, and so waits for nobody. Raises NoQueue."""
        return self._open(create=False, read_only=True)

    def seen(self, as_of: "LogPoint | None") -> "Queue | Past":
        """Return the queue as it is, or as it was. Raises NoQueue, InvalidInput or Archived."""
        return self.reading() if as_of is None else self.past(as_of)

    def past(self, as_of: "LogPoint") -> "Past":
        """Return the queue as it was. Raises NoQueue, InvalidInput or Archived."""
        queue = self.reading()
        from .output.progress import LazyBar

        shown = self._opened.enter_context(LazyBar("Going back"))
        try:
            past = queue.as_of(as_of.position, at_us=as_of.at_us, progress=shown.done)
        except InvalidInput as error:  # the option is typed with another sign than the method is
            raise type(error)("as-of", error.found, error.expected, hint=error.hint) from None
        return self._opened.enter_context(past)

    def created(self) -> "Queue":
        """Return the queue, made now where there is none; for verbs that bring something into being."""
        return self._open(create=True)

    def acting(self, actor: str, *, read_only: bool) -> "Queue":
        """Return the queue, made now where there is none and it may be changed, for changes in another's name."""
        return self._open(create=True, read_only=read_only, actor=actor)

    def directory(self) -> "Path":
        """Return where the queue lies or would lie, for verbs that do not open it here."""
        from ..system.host import absolute, default_path

        return absolute(self.path if self.path is not None else default_path())

    def check_alone(self) -> None:
        """Refuse where anybody has the queue open: it is to be shrunk. Raises NoQueue or StoreError."""
        from ..queue import Queue

        Queue.shrink(self.path, check=True)

    def shrunk(self) -> "Shrunk":
        """Close the queue and shrink it. Raises NoQueue or StoreError."""
        from ..queue import Queue

        self.close()
        return Queue.shrink(self.path)

    def close(self) -> None:
        """Close what was opened."""
        self._opened.close()
        if self._queue is not None:
            self._queue.close()
            self._queue = None

    def _open(self, *, create: bool, read_only: bool = False, actor: str | None = None) -> "Queue":
        if self._queue is None:
            from ..queue import Queue

            with ExitStack() as shown:
                self._queue = Queue.open(
                    self.path, create=create, read_only=read_only, actor=actor, progress=_migration(shown)
                )
        return self._queue


def _migration(shown: ExitStack) -> "Progress":
    """Return what shows that the views of an older release are made anew, from the moment when that begins."""
    bar: Shown | None = None

    def done(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            from .output.progress import progress

            bar = shown.enter_context(progress("Making the views", left=_LEFT.format))
        bar.done(done, total)

    return done


pass_session = click.make_pass_decorator(Session)
