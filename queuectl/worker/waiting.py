"""The one place where a worker waits: for its commands' pipes and ends, the doorbell and signals."""

import selectors
import signal
from typing import Final, NamedTuple

from ..doorbell import Doorbell
from .attempt import Attempt
from .process import STDERR, STDOUT, Stream
from .signals import Signals

_LONGEST_S: Final = 3600.0
_CHILD: Final = signal.SIGCHLD


class News(NamedTuple):
    """What a wait brought: was the bell rung, which signals came, which runs have something to do."""

    is_rung: bool
    signals: list[int]
    moved: list[Attempt]


class Waiting:
    """Waits on everything at once, and reads the pipes while at it."""

    def __init__(self, doorbell: Doorbell, signals: Signals) -> None:
        self._selector = selectors.DefaultSelector()
        self._doorbell = doorbell
        self._signals = signals
        self._watched: dict[Attempt, list[int]] = {}
        self._selector.register(doorbell, selectors.EVENT_READ)
        self._selector.register(signals, selectors.EVENT_READ)

    def close(self) -> None:
        """Stop waiting for anything."""
        self._selector.close()

    def add(self, run: Attempt) -> None:
        """Watch a run's pipes and its end."""
        fds = [run.process.pipes[STDOUT], run.process.pipes[STDERR]]
        for fd, stream in zip(fds, (STDOUT, STDERR), strict=True):
            self._selector.register(fd, selectors.EVENT_READ, (run, stream))
        if run.process.exit_fd is not None:
            fds.append(run.process.exit_fd)
            self._selector.register(run.process.exit_fd, selectors.EVENT_READ, (run, None))
        self._watched[run] = fds

    def remove(self, run: Attempt) -> None:
        """Watch a run no more; call it before its descriptors are closed."""
        for fd in self._watched.pop(run, ()):
            self._selector.unregister(fd)

    def wait(self, *, until: float, now: float) -> News:
        """Wait until something happens, or until that moment."""
        timeout_s = min(max(until - now, 0.0), _LONGEST_S)
        moved: list[Attempt] = []
        is_rung, signals = False, []
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._doorbell:
                is_rung = self._doorbell.clear()
            elif key.fileobj is self._signals:
                signals = self._signals.take()
            else:
                run, stream = key.data
                moved += self._hear(run, stream, key.fd)
        if _CHILD in signals:  # the platform does not say whose
            moved = list(self._watched)
        return News(is_rung, signals, moved)

    def _hear(self, run: Attempt, stream: Stream | None, fd: int) -> list[Attempt]:
        has_exited = stream is None
        if stream is None or not run.read(stream):  # either would be ready for ever from now on
            self._selector.unregister(fd)
            self._watched[run].remove(fd)
        return [run] if has_exited else []
