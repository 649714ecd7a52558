"""What runs leave behind, to be looked after: orphans, commands that cannot be ended, pipes that are printed to."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from .attempt import Attempt
from .drainer_process import DrainerHandle
from .process import Process
from .run_processes import Looks, RunProcesses
from .subreaper import Subreaper

TIDY_EVERY_S: Final = 0.5
"""How long a dead orphan may be there: nobody but the loop looks, which is awake once a second at the least."""


class Leftovers:
    """What is left of a worker's runs, while they go on and after; `commands` returns the ids of those that go on.

    `is_sole`: nothing else in this process has children.
    """

    def __init__(self, commands: Callable[[], Collection[int]], *, is_sole: bool) -> None:
        self._commands = commands
        self._drainer = DrainerHandle()
        self._subreaper = Subreaper(is_sole=is_sole)
        self._looks = Looks(self._subreaper, self._children)
        self._undead: dict[Attempt, None] = {}  # runs that are over though their commands could not be ended
        self._tidy_at = 0.0

    def finder(self, mark: str) -> Callable[[Process], RunProcesses]:
        """Return what finds the processes of a run, which bear a mark."""
        return partial(RunProcesses, looks=self._looks, mark=mark)

    def take(self, attempt: Attempt) -> None:
        """Look after what there still is of a run that is finished."""
        if not attempt.has_exited:
            self._undead[attempt] = None
        if attempt.unread:
            self._drainer.take(attempt.unread)

    def exited(self, attempt: Attempt) -> None:
        """Take note that the command of a run has, which could not be ended while the run was on."""
        if attempt in self._undead:
            attempt.process.reap()
            del self._undead[attempt]

    def tidy(self, now: float) -> None:
        """Reap orphans that have ended, and go on with the pipes, if it is time to."""
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_EVERY_S
            self._subreaper.living_orphans(self._children())
            self._drainer.tidy()

    def close(self) -> None:
        """Leave the pipes to their drainer, and orphans to others."""
        self._drainer.close()
        self._subreaper.close()

    def _children(self) -> set[int]:
        """Return the ids of the commands that are this process's children: how they end is not to be lost."""
        return {*self._commands(), *(attempt.process.pid for attempt in self._undead)}
