"""What whole queues are told: that their jobs are not to start for now, and that they may again."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

from typing import TYPE_CHECKING

from ..core.times import time_json, when_us
from ..errors import InvalidInput
from ..system.lazy import Later
from .base import Opened
from .parts import paused, queue_actions

if TYPE_CHECKING:
    from ..core.results import PausedQueue
    from ..core.times import When
    from . import log
else:
    log = Later("api.log")


class Queues(Opened, called="Queue.queues"):
    """`queue.queues`: the queues by their names, paused and resumed."""

    def pause(self, name: str, *, until: When | None = None, reason: str | None = None) -> bool:
        """Let no job of a queue start until a time, None: until it is resumed; what runs goes on.

        Returns whether that is news. Raises InvalidInput, also for a time that is over.
        """
        now_us = self._clock.now_us()
        until_us = None if until is None else when_us(until, now_us=now_us, ahead=True, field="until")
        if until_us is not None and until_us <= now_us:
            raise InvalidInput("until", f"{time_json(until_us)}, which is over", "a time to come, for example in 2h")
        return queue_actions.pause(self._engine, name, until_us=until_us, reason=reason)

    def resume(self, name: str, *, reason: str | None = None) -> bool:
        """Let the jobs of a queue start again; returns whether it was paused. Raises InvalidInput."""
        return queue_actions.resume(self._engine, name, reason=reason)

    def paused(self) -> list[PausedQueue]:
        """Return the queues that are paused, by name."""
        times = log.Log(self._engine).due_times()
        with self._store.read() as txn:
            return paused.queues(txn, times)
