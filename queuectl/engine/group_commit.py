"""Lets threads of a program that write at once share a commit: whoever has the turn does the work of all who wait.

A commit is two flushes of the disk, whatever is in it, and flushes are nearly all that one enqueue costs. So while one
thread's are under way the others' work gathers, and the next commit takes all of it. Each thread returns once what it
asked for is on disk. Work that is refused leaves no trace: what was to go with it is done again without it.
A trap closed here: a signal's handler, which may raise anywhere, runs in the main thread. So that one does nobody
else's work. Whether a piece is done its unit says, so nobody has to be told, and nothing is done twice.
"""

from collections.abc import Callable
from threading import get_ident, main_thread
from typing import TYPE_CHECKING, Any, TypeVar

from .engine import Engine

if TYPE_CHECKING:
    from .unit_of_work import Unit

_Value = TypeVar("_Value")


class _Asked:
    """A piece of work, whether it is still waited for, and what came of it."""

    __slots__ = ("error", "is_wanted", "reason", "unit", "value", "work")

    def __init__(self, work: "Callable[[Unit], Any]", reason: str | None) -> None:
        self.work = work
        self.reason = reason
        self.is_wanted = True
        self.unit: Unit | None = None
        self.value: Any = None
        self.error: Exception | None = None

    @property
    def is_over(self) -> bool:
        """Whether it failed, or what the last unit that it was done in appended is kept: so nobody needs to be told."""
        return self.error is not None or (self.unit is not None and self.unit.is_kept)


class GroupCommit:
    """The work of a program's threads on one queue, in as few transactions as they leave time for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[_Asked] = []

    def run(self, work: "Callable[[Unit], _Value]", *, reason: str | None) -> _Value:
        """Do work in a unit, perhaps in another thread's, and return its value once it is on disk.

        Raises what the work raises, and then nothing of it is there; of a shared log, what it appended before.
        """
        asked = _Asked(work, reason)
        try:
            self._waiting.append(asked)
            with self._engine.store.turn():
                if not asked.is_over:
                    self._do(asked, self._take_with(asked))
        finally:
            asked.is_wanted = False
        if asked.error is not None:
            try:
                raise asked.error
            finally:
                asked.error = None  # the error names this frame
        return asked.value  # type: ignore[no-any-return]

    def _take_with(self, asked: _Asked) -> list[_Asked]:
        """Take a piece of work out of those that wait, and return others to go with it: of one reason, for the log.

        Those that nobody waits for any more go as well.
        """
        most = 0 if get_ident() == main_thread().ident else self._engine.writer.works_at_once - 1
        others: list[_Asked] = []
        for each in list(self._waiting):
            is_with = len(others) < most and each.reason == asked.reason
            if each in self._waiting and (each is asked or is_with or not each.is_wanted):
                self._waiting.remove(each)
                if each is not asked and each.is_wanted:
                    others.append(each)
        return others

    def _do(self, asked: _Asked, others: list[_Asked]) -> None:
        """Do a piece of work together with others; where one of them fails, each by itself."""
        try:
            self._commit([asked, *others])
        except Exception:
            if asked.is_over or not others:
                raise
        else:
            return
        for each in others:
            try:
                self._commit([each])
            except Exception as error:
                if not each.is_over:
                    each.error = error
        self._commit([asked])

    def _commit(self, taken: list[_Asked]) -> None:
        with self._engine.unit(reason=taken[0].reason, rings=True) as unit:
            for each in taken:
                each.value = each.work(unit)
                each.unit = unit
                unit.views.flush()  # the next piece of work finds what this one did
