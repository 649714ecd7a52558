"""What a worker does while the queue's disk is full: it tries again each second, and says when that begins and ends.

Knows nothing of what is to be written.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ..errors import WriteFailed
from . import log_lines
from .attempt import NEVER

TRY_EVERY_S: Final = 1.0


class FullDisk:
    """Whether there was room for the last write; `is_there` while there was none, and `error` says what it met."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.error: WriteFailed | None = None
        self.try_at = -NEVER

    @property
    def is_there(self) -> bool:
        """Whether the disk is full, as far as is known."""
        return self.error is not None

    def is_waiting(self, now: float) -> bool:
        """Whether it is too early to try again."""
        return self.is_there and now < self.try_at

    @contextmanager
    def noticing(self, now: float) -> Iterator[None]:
        """Take note where a write finds no room; raises every other error."""
        try:
            yield
        except WriteFailed as error:
            if not error.is_full:
                raise
            if not self.is_there:
                self._say(log_lines.disk_full(error))
            self.error, self.try_at = error, now + TRY_EVERY_S

    def note_room(self) -> None:
        """Take note of a write that found room."""
        if self.is_there:
            self.error = None
            self._say(log_lines.room_again())
