"""The worker's loop: one thread, one place to wait, and one durable transaction a tick for all that happened.

A tick heeds what it was woken for, collects what ended, exchanges results for new jobs, lines those up for the
slots, and returns when the next tick is due. How a command runs is not known here; what a job may do
next is the queue's to say.
"""

import time
from typing import Final

from ..liveness.lock_file import LockFile
from ..system.host import processors
from .exchanger import Exchanger
from .full_disk import FullDisk
from .log_buffer import LogBuffer
from .maintenance import Maintenance
from .queue_watch import QueueWatch
from .shutdown import Shutdown
from .slots import Slots
from .waiter import News, Waiter

TICK_S: Final = 0.01
"""How soon one tick follows another where slots have jobs to go on with, unless one wants for more."""

PACE_S: Final = 0.001
"""How soon one tick may follow another where there are more slots than processors, and so enough to do meanwhile."""

LIVE_EVERY_S: Final = 0.05

STARTS_FIRST_S: Final = 0.05
"""For how long what is done from time to time gives way to threads that wait for their turn to start a command."""


class Loop:
    """What one worker does between its start and its end, tick by tick."""

    def __init__(
        self,
        slot_count: int,
        *,
        lock: LockFile,
        waiter: Waiter,
        slots: Slots,
        exchanger: Exchanger,
        shutdown: Shutdown,
        watch: QueueWatch,
        maintenance: Maintenance,
        full_disk: FullDisk,
        lines: LogBuffer,
    ) -> None:
        self._lock = lock
        self._waiter = waiter
        self._slots = slots
        self._exchanger = exchanger
        self._collector = exchanger.collector
        self._shutdown = shutdown
        self._watch = watch
        self._maintenance = maintenance
        self._full_disk = full_disk
        self._lines = lines
        self._live_at = self._upkeep_done_at = 0.0
        self._pace_s = PACE_S if slot_count > processors() else 0.0

    def run(self) -> str:
        """Work until there is a reason to leave, and return it."""
        next_at = 0.0
        while not (why := self._shutdown.why_to_leave()):
            next_at = self._tick(self._waiter.wait(until=next_at, now=time.monotonic()))
        return why

    def _tick(self, news: News) -> float:
        """Do all that there is to do, and return the moment of the next tick, if nothing happens before."""
        now = time.monotonic()
        self._be_seen(now)
        self._heed(news, now)
        self._collector.collect(news.moved, now)
        if self._shutdown or self._collector.are_gathered(now):
            self._exchanger.step(now, claims=not self._shutdown)
        if not self._slots.are_starting or now >= self._upkeep_done_at + STARTS_FIRST_S:
            self._do_upkeep(now)
        if not self._collector or self._full_disk.is_there:
            self._lines.flush()  # what has ended is told, with all else, once it is recorded
        self._pause(now)
        return self._next_at()

    def _be_seen(self, now: float) -> None:
        if now >= self._live_at:
            self._lock.live()
            self._live_at = now + LIVE_EVERY_S

    def _heed(self, news: News, now: float) -> None:
        self._shutdown.heed(news.signals, now)
        if news.is_rung:
            self._watch.rung()
        self._maintenance.heed(news.ready)

    def _do_upkeep(self, now: float) -> None:
        """Do what is done from time to time."""
        self._upkeep_done_at = now
        self._watch.step(now)
        if now >= self._exchanger.due_at:
            self._exchanger.is_hungry = True
        with self._full_disk.noticing(now):
            self._exchanger.is_hungry |= self._maintenance.step(running=self._slots.running, now=now)
        if self._maintenance.has_left_off:
            self._shutdown.replaced(now)

    def _pause(self, now: float) -> None:
        """Let a little more happen before the next tick, for each takes the processor from a command."""
        since_s = time.monotonic() - now
        if self._slots.has_backlog:
            self._slots.pause(max(0.0, TICK_S - since_s))
        elif since_s < self._pace_s:
            time.sleep(self._pace_s - since_s)

    def _next_at(self) -> float:
        if self._slots.has_backlog:
            return 0.0
        upkeep_at = min(self._slots.wake_at(), self._watch.wake_at(), self._maintenance.wake_at())
        wants = not self._shutdown and self._slots.free and not self._slots.lined_up
        if self._full_disk.is_there:
            return min(upkeep_at, self._full_disk.try_at)
        if self._collector and not self._shutdown:
            return self._collector.gather_until
        if self._collector or (wants and self._exchanger.is_hungry):
            return 0.0
        due_at = self._exchanger.due_at if wants else self._slots.valid_until
        return min(upkeep_at, due_at, self._exchanger.wake_at())
