"""How runs ended, collected from the slots and kept until that is recorded.

They are gathered for a moment, so that one commit carries several.
"""

from collections.abc import Iterable
from typing import Final

from ..core.results import Result
from . import log_lines
from .attempt import NEVER, Attempt
from .log_buffer import LogBuffer
from .outcome import spared
from .prefetch import TOGETHER, Ahead
from .slots import Slots

GATHER_S: Final = 0.002
"""How long a result waits for others to be recorded along with it: a commit costs about as much, for one or for ten."""

GATHER_AHEAD_S: Final = 0.05
"""The same where slots that come free have jobs to go on with."""


class Collector:
    """The results that are not recorded yet, in `unrecorded`."""

    def __init__(self, slots: Slots, ahead: Ahead, lines: LogBuffer) -> None:
        self._slots = slots
        self._ahead = ahead
        self._say = lines.say
        self._gathering_since = 0.0
        self.unrecorded: list[Result] = []
        self.interrupted_at = -NEVER
        """When this process was last interrupted from a terminal, and its commands perhaps too."""

    def __bool__(self) -> bool:
        return bool(self.unrecorded)

    def collect(self, moved: Iterable[Attempt], now: float) -> None:
        """Move on the runs in the slots, say which have begun, and keep how the others ended.

        Raises what went wrong in there that is no fault of a command's.
        """
        was_short = self._slots.is_short
        begun, ended = self._slots.step(moved, now=now)
        for job in begun:
            self._say(log_lines.picked_up(job), job)
        if ended:
            self._take(ended, now)
        if now > self._slots.valid_until:
            self.give_back("its worker's slots were busy")
        if self._slots.error is not None:
            raise self._slots.error
        if self._slots.is_short and not was_short:
            self._say(log_lines.short_of_means())

    def give_back(self, why: str) -> None:
        """Have the jobs that wait for a slot released, with no others waited for."""
        withdrawn = self._slots.withdraw()
        self.unrecorded += [Result(job, "released", error=why) for job in withdrawn]
        if withdrawn:
            self._gathering_since = -NEVER
        self._ahead.forget()

    def are_gathered(self, now: float) -> bool:
        """Whether no others are waited for, if there are any."""
        if not self.unrecorded or now >= self.gather_until:
            return True
        return len(self.unrecorded) >= (TOGETHER if self._slots.lined_up else self._slots.running)

    @property
    def gather_until(self) -> float:
        """Return the moment until which others are waited for."""
        return self._gathering_since + (GATHER_AHEAD_S if self._slots.lined_up else GATHER_S)

    def _take(self, ended: list[Result], now: float) -> None:
        if not self.unrecorded:
            self._gathering_since = now
        if any(result.job.is_last_attempt for result in ended):
            # Done again these would be dead, whatever came of them: no others are waited for.
            self._gathering_since = min(self._gathering_since, now + GATHER_S - GATHER_AHEAD_S)
        self.unrecorded += [spared(result, now=now, interrupted_at=self.interrupted_at) for result in ended]
        self._ahead.note(ended)
        self._slots.patience_s = self._ahead.patience_s
