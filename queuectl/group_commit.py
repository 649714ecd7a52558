"""Lets threads of a program that write at once share a commit: whoever has the turn does the work of all who wait.

A commit is two flushes of the disk, whatever is in it, and flushes are nearly all that one enqueue costs. So while one
thread's are under way the others' work gathers, and the next commit takes all of it. Each thread returns once what it
asked for is on disk. Work that is refused leaves no trace: what was to go with it is done again without it.
A trap closed here: what a signal's handler raises can come after the commit, and then nothing may be done again.
"""

from collections.abc import Callable
from threading import RLock
from typing import Any, Final, TypeVar

from .engine import Engine, Unit
from .errors import QueuectlError, WriteFailed
from .events.lmdb_log import LOG
from .store import Row

MOST_AT_ONCE: Final = 200
"""Pieces of work in a transaction: more would keep other processes waiting."""

_Value = TypeVar("_Value")


class _Asked:
    """A piece of work, and what came of it."""

    __slots__ = ("error", "is_over", "reason", "value", "work")

    def __init__(self, work: Callable[[Unit], Any], reason: str | None) -> None:
        self.work = work
        self.reason = reason
        self.value: Any = None
        self.error: BaseException | None = None
        self.is_over = False


class GroupCommit:
    """The work of a program's threads on one queue, in as few transactions as they leave time for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = RLock()
        self._is_taken = False
        self._waiting: list[_Asked] = []

    def run(self, work: Callable[[Unit], _Value], *, reason: str | None) -> _Value:
        """Do work in a unit, perhaps in another thread's, and return its value once it is on disk.

        Raises what the work raises, and then nothing of it is there.
        """
        self._engine.store.check_process()  # the turn may have been a thread's that no forked child has
        asked = _Asked(work, reason)
        self._waiting.append(asked)
        try:
            with self._turn:
                was_taken, self._is_taken = self._is_taken, True  # by this thread: a signal handler interrupted it
                try:
                    if not asked.is_over:
                        self._do_all(self._take_with(asked, most=1 if was_taken else MOST_AT_ONCE))
                finally:
                    self._is_taken = was_taken
        finally:
            if not asked.is_over and asked in self._waiting:  # interrupted while it waited
                self._waiting.remove(asked)
        if asked.error is not None:
            raise asked.error
        return asked.value  # type: ignore[no-any-return]

    def _take_with(self, asked: _Asked, *, most: int) -> list[_Asked]:
        """Take a piece of work out of those that wait, and with it those that the log would say the same reason of."""
        alike = [each for each in list(self._waiting) if each.reason == asked.reason and each is not asked]
        taken = [asked, *alike[: most - 1]]
        for each in taken:
            if each in self._waiting:  # not so where the one who had taken it was interrupted, and nothing was done
                self._waiting.remove(each)
        return taken

    def _do_all(self, taken: list[_Asked]) -> None:
        last: Row | None = None
        try:
            with self._engine.unit(reason=taken[0].reason, rings=True) as unit:
                for each in taken:
                    each.value = each.work(unit)
                    unit.views.flush()  # the next piece of work finds what this one did
                last = unit.log.last()
            _end(taken)
        except QueuectlError as error:  # the work was refused, or cannot be written
            if not isinstance(error, WriteFailed) and self._is_there(last):  # that one says by itself that it is not
                _end(taken)
            elif len(taken) == 1:
                taken[0].error = error
                _end(taken)
            else:
                for each in taken:
                    self._do_all([each])
        except BaseException:  # a signal's handler raised it in this thread, before the commit, in it or after it
            if self._is_there(last):
                _end(taken)  # otherwise the others, which find nothing done, do it themselves
            raise

    def _is_there(self, last: Row | None) -> bool:
        """Whether a transaction was committed, by the last event that it appended, None where it was not complete."""
        if last is None:
            return False
        with self._engine.store.read() as txn:
            return txn.get(LOG, last[0]) == last[1]


def _end(taken: list[_Asked]) -> None:
    for each in taken:
        each.is_over = True
