"""What jobs share: limits of how many run at once and how many start in a time, set, looked at and removed."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

import builtins
from typing import TYPE_CHECKING, Literal

from ..core.limits import check_burst, check_counted, check_running, limit_of_rate
from ..system.lazy import Later
from .base import Opened
from .parts import limit_actions, limit_states

if TYPE_CHECKING:
    from ..core.job import Job
    from ..core.results import LimitState
    from . import log
else:
    log = Later("api.log")


class Limits(Opened, called="Queue.limits"):
    """`queue.limits`: what jobs share that say `use`."""

    def set(
        self,
        name: str,
        *,
        running: int | Literal["none"] | None = None,
        rate: str | None = None,
        burst: int | None = None,
        reason: str | None = None,
    ) -> bool:
        """Set a limit, or change one that is set: what is not said stays as it was. Returns whether that is news.

        Args:
            name: NAME for jobs that `use` it; each VALUE of NAME:VALUE by itself, NAME:VALUE for that one alone; or
                queue:NAME for all jobs of a queue.
            running: How many units may be in use at once, 0 for none; `none` is any number.
            rate: How many may start: `100/min`, `5/s`, `10/30s`; `none` is any number.
            burst: How many of these may start at once.
            reason: Kept in the log with the change.

        Raises InvalidInput.
        """
        wanted, kept = limit_of_rate(rate)
        kept += () if running is not None else ("running",)
        kept += () if burst is not None else ("burst",)
        wanted = wanted.but(running=check_running(running), burst=check_burst(burst))
        return limit_actions.set_limit(self._engine, name, wanted, kept=kept, reason=reason)

    def remove(self, name: str, *, force: bool = False, reason: str | None = None) -> None:
        """Remove a limit; jobs that use it wait until it is set again, so one in use is removed by `force` alone.

        Raises InvalidInput.
        """
        limit_actions.remove_limit(self._engine, name, force=force, reason=reason)

    def list(self) -> builtins.list[LimitState]:
        """Return all limits with what is in use of each, by name."""
        times = log.Log(self._engine).due_times()
        with self._store.read() as txn:
            return limit_states.every(txn, times)

    def state(self, name: str) -> LimitState:
        """Return a limit with what is in use of it; raises InvalidInput for one that is not set."""
        check_counted(name)
        found = {state.name: state for state in self.list()}
        if name not in found:
            raise limit_actions.not_set(name, found)
        return found[name]

    def holders(self, name: str) -> builtins.list[Job]:
        """Return the running jobs that use a limit, or a value of it, the longest first; raises InvalidInput."""
        check_counted(name)
        with self._store.read() as txn:
            return limit_states.holders(txn, name)

    def values(self, name: str) -> dict[str, int]:
        """Return how many jobs run of each value of a limit that is in use; raises InvalidInput."""
        check_counted(name)
        with self._store.read() as txn:
            return dict(limit_states.values(txn, name))

    def waiting(self, name: str) -> int:
        """Count the jobs that are due and wait for room of any limit and use this one, up to 100,000.

        Raises InvalidInput.
        """
        check_counted(name)
        with self._store.read() as txn:
            return limit_states.waiting(txn, name)
