"""The one place where a worker waits: for its commands' pipes, the doorbell, signals, its slots, its guardian."""

import select
from typing import Final, NamedTuple, Protocol

from ..outputs.frames import STDERR, STDOUT, OutputStream
from ..system.wakeup import Doorbell
from .attempt import Attempt
from .signals import Signals

_LONGEST_S: Final = 3600.0


class Source(Protocol):
    """Something to wait on."""

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something."""


class News(NamedTuple):
    """What a wait brought: whether the doorbell was rung, which signals came, which attempts have something to do.

    `ready` holds the descriptors of other sources that have something.
    """

    is_rung: bool
    signals: list[int]
    moved: list[Attempt]
    ready: list[int]


class Waiter:
    """Waits on everything at once, and reads the pipes while at it.

    Over poll(2), which every platform has and for which beginning and ceasing to wait on a descriptor
    costs nothing: epoll takes a call for each, three a command.
    """

    def __init__(self, doorbell: Doorbell, signals: Signals) -> None:
        self._poll = select.poll()
        self._doorbell = doorbell
        self._signals = signals
        self._watched: dict[int, tuple[Attempt, OutputStream]] = {}
        self.add_source(doorbell)
        self.add_source(signals)

    def add_source(self, source: Source) -> None:
        """Wait on a source too; whoever added it looks at it after each wait."""
        self._poll.register(source, select.POLLIN)

    def remove_source(self, source: Source) -> None:
        """Wait on a source no more; call it before its descriptor is closed."""
        self._poll.unregister(source)

    def add(self, attempt: Attempt) -> None:
        """Watch a run's pipes."""
        for stream in (STDOUT, STDERR):
            fd = attempt.process.pipes[stream]
            self._watched[fd] = attempt, stream
            self._poll.register(fd, select.POLLIN)

    def remove(self, attempt: Attempt) -> None:
        """Watch a run no more, if it was; call it before its descriptors are closed."""
        for fd in attempt.process.pipes.values():
            if fd in self._watched:
                self._ignore(fd)

    def wait(self, *, until: float, now: float) -> News:
        """Wait until something happens, or until that moment."""
        timeout_s = min(max(until - now, 0.0), _LONGEST_S)
        moved: list[Attempt] = []
        ready: list[int] = []
        for fd, _ in self._poll.poll(timeout_s * 1000):
            if (watched := self._watched.get(fd)) is None:
                ready.append(fd)
                continue
            attempt, stream = watched
            if not attempt.read(stream):
                self._ignore(fd)  # it would be ready for ever from now on
            elif attempt.is_hiding:
                moved.append(attempt)
        signals = self._signals.take() if self._signals.fileno() in ready else []
        return News(self._doorbell.fileno() in ready and self._doorbell.clear(), signals, moved, ready)

    def _ignore(self, fd: int) -> None:
        del self._watched[fd]
        self._poll.unregister(fd)
