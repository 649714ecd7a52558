"""The one place where a worker waits: for its commands' pipes and ends, the doorbell, signals, spawns, its guardian."""

import select
import signal
from typing import Final, NamedTuple, Protocol

from ..doorbell import Doorbell
from .attempt import Attempt
from .process import STDERR, STDOUT, Stream
from .signals import Signals

_LONGEST_S: Final = 3600.0
_CHILD: Final = signal.SIGCHLD


class Source(Protocol):
    """Something to wait on."""

    def fileno(self) -> int:
        """Give the descriptor that is readable when there is something."""


class News(NamedTuple):
    """What a wait brought: was the bell rung, which signals came, which runs have something to do.

    `ready` holds the descriptors of other sources that have something.
    """

    is_rung: bool
    signals: list[int]
    moved: list[Attempt]
    ready: list[int]


class Waiting:
    """Waits on everything at once, and reads the pipes while at it.

    Over poll(2), which every platform has and for which beginning and ceasing to wait on a descriptor
    costs nothing: epoll takes a call for each, three a command.
    """

    def __init__(self, doorbell: Doorbell, signals: Signals) -> None:
        self._poll = select.poll()
        self._doorbell = doorbell
        self._signals = signals
        self._watched: dict[int, tuple[Attempt, Stream | None]] = {}
        self._unwatched: set[Attempt] = set()  # whose ends nothing is waited on for
        self.add_source(doorbell)
        self.add_source(signals)

    def add_source(self, source: Source) -> None:
        """Wake up for a source too; whoever added it looks at it after each wait."""
        self._poll.register(source, select.POLLIN)

    def remove_source(self, source: Source) -> None:
        """Wake up for a source no more; call it before its descriptor is closed."""
        self._poll.unregister(source)

    def add(self, run: Attempt) -> None:
        """Watch a run's pipes, whose ends mostly tell of its own."""
        self._watch(run.process.pipes[STDOUT], run, STDOUT)
        self._watch(run.process.pipes[STDERR], run, STDERR)
        self._unwatched.add(run)

    def add_exit(self, run: Attempt) -> bool:
        """Watch a run's end too, which has not been noticed yet; tells whether it will be told of.

        Raises OSError where no descriptor is left.
        """
        if run in self._unwatched:
            run.process.watch_exit()
            if run.process.exit_fd is not None:
                self._watch(run.process.exit_fd, run, None)
                self._unwatched.remove(run)
        return run not in self._unwatched or self._signals.hears_ends

    def remove(self, run: Attempt) -> None:
        """Watch a run no more; call it before its descriptors are closed."""
        for fd in (*run.process.pipes.values(), run.process.exit_fd):
            if fd in self._watched:
                self._ignore(fd)
        self._unwatched.discard(run)

    def wait(self, *, until: float, now: float) -> News:
        """Wait until something happens, or until that moment."""
        timeout_s = min(max(until - now, 0.0), _LONGEST_S)
        moved: list[Attempt] = []
        ready: list[int] = []
        for fd, happened in self._poll.poll(timeout_s * 1000):
            if (watched := self._watched.get(fd)) is None:
                ready.append(fd)
                continue
            run, stream = watched
            if stream is not None and happened & select.POLLIN and run.read(stream):
                if run.is_hiding:
                    moved.append(run)
                continue
            self._ignore(fd)  # it would be ready for ever from now on
            if stream is not None:
                run.end(stream)  # most commands print nothing: this is all that ever comes from them
            if not (stream and run.is_flowing):
                moved.append(run)
        signals = self._signals.take() if self._signals.fileno() in ready else []
        if _CHILD in signals:  # the platform does not say whose
            moved += self._unwatched
        return News(self._doorbell.fileno() in ready and self._doorbell.clear(), signals, moved, ready)

    def _watch(self, fd: int, run: Attempt, stream: Stream | None) -> None:
        self._watched[fd] = run, stream
        self._poll.register(fd, select.POLLIN)

    def _ignore(self, fd: int) -> None:
        del self._watched[fd]
        self._poll.unregister(fd)
