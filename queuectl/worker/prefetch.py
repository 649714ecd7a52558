"""How many jobs a worker claims ahead of slots that come free: where runs are brief, some.

A slot that comes free then goes on without waiting for a commit, and a commit carries more results.
"""

from collections.abc import Iterable
from typing import Final

from ..core.results import Result

WAIT_S: Final = 0.05
"""How long a job claimed ahead of a free slot is expected to wait for one."""

GIVE_BACK_S: Final = 0.25
"""How long after it was claimed a job that still waits is given back."""

MOST_AHEAD: Final = 96

BRIEF_S: Final = 0.03
"""Runs that take no longer are left alone for a moment: what they print is read when they are over."""

TOGETHER: Final = 48
"""How many ends are recorded together at the most: each is of a run that would be done again were the worker killed."""


class Ahead:
    """Learns how long runs take, and tells how many more jobs are worth claiming."""

    def __init__(self) -> None:
        self._run_s: float | None = None  # how long runs take of late, once that is known

    def forget(self) -> None:
        """Claim no more ahead until a run has ended."""
        self._run_s = None

    def note(self, ended: Iterable[Result]) -> None:
        """Learn how long runs take."""
        for result in ended:
            run_s = (result.duration_ms or 0) / 1000
            self._run_s = run_s if self._run_s is None else self._run_s + (run_s - self._run_s) / 8

    @property
    def patience_s(self) -> float:
        """Return how long most runs take at the most, 0 where it is not worth it to leave them alone for that."""
        return 2 * self._run_s if self._run_s is not None and self._run_s <= BRIEF_S else 0.0

    def wanted(self, free: int, *, waiting: int, slots: int) -> int:
        """Return how many jobs to claim where some wait already: one a free slot, and some for those about to be.

        `slots` is how many may be taken now.
        """
        ahead = 0
        if self._run_s is not None:
            ahead = min(MOST_AHEAD, int(slots * WAIT_S / max(self._run_s, 0.001)))
        return max(0, free + ahead - waiting)
