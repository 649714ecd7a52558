"""The worker's loop: one thread, one place to wait, and one durable transaction a tick for all that happened.

A tick waits, collects what ended, exchanges results for new jobs with the queue, and lines those up for the slots.
How a command runs is not known here; what a job may do next is the queue's to say.
"""

import signal
import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from ..core.job import Job, JobState
from ..core.results import Result
from ..errors import InvalidInput
from ..liveness.lock_file import LockFile
from ..queue import Queue
from ..system.host import processors
from . import log_lines
from .attempt import NEVER
from .exchange import Exchanger
from .full_disk import FullDisk
from .lines import Lines
from .maintenance import Upkeep
from .options import Halt, Options
from .outcome import Stop
from .poller import News, Waiting
from .signals import STOPPING
from .slots import Slots
from .systemd import Notifier

LOOK_EVERY_S: Final = 0.05
"""How soon after one look at the queue a ring may cause the next: rings can come by the thousand."""

TICK_S: Final = 0.01
"""How soon one tick follows another where slots have jobs to go on with, unless one wants for more."""

PACE_S: Final = 0.001
"""How soon one tick may follow another where there are more slots than processors, and so enough to do meanwhile."""

TELL_OF_WAITING_S: Final = 5.0
"""How far off the next job of a queue that is being drained must be to be worth a line."""

LIVE_EVERY_S: Final = 0.05

STARTS_FIRST_S: Final = 0.05
"""For how long what is done from time to time gives way to threads that wait for their turn to start a command."""


class Loop:
    """What one worker does between its start and its end, tick by tick."""

    def __init__(
        self,
        queue: Queue,
        worker: str,
        options: Options,
        *,
        lock: LockFile,
        waiting: Waiting,
        slots: Slots,
        exchanger: Exchanger,
        upkeep: Upkeep,
        full_disk: FullDisk,
        lines: Lines,
        notifier: Notifier,
    ) -> None:
        self._queue = queue
        self._leases = queue.worker(worker)
        self._options = options
        self._lock = lock
        self._waiting = waiting
        self._slots = slots
        self._exchanger = exchanger
        self._results = exchanger.results
        self._upkeep = upkeep
        self._full_disk = full_disk
        self._lines = lines
        self._say = lines.say
        self._notifier = notifier
        self._halt = Halt.NO
        self._heard = 0  # signals that ask to stop
        self._is_waiting = False  # for a job that is due later, and that was said
        self._seen_head = -1
        self._is_asked = False  # by somebody, to stop
        self._looked_at = self._look_at = self._live_at = self._kept_at = 0.0
        self._pace_s = PACE_S if options.slots > processors() else 0.0
        self._ticked_at = -NEVER

    def run(self) -> str:
        """Work until there is a reason to leave, and return that."""
        while not (cause := self._reason_to_leave()):
            self._tick()
        return cause

    def _reason_to_leave(self) -> str:
        if self._halt is Halt.KILL and self._full_disk.error and not self._slots:
            raise self._full_disk.error  # asked three times not to wait for room
        if self._slots or self._results:
            return ""
        if self._halt:
            return "asked to stop" if self._is_asked else "its program was replaced"
        if self._options.drain and not self._exchanger.is_hungry:
            left = self._queue.backlog(self._options.queues)
            if not left:
                return "drained"
            self._tell_of_waiting(left)
        return ""

    def _tell_of_waiting(self, left: int) -> None:
        due_s = self._exchanger.due_at - time.monotonic()
        if TELL_OF_WAITING_S < due_s < NEVER and not self._is_waiting:
            self._is_waiting = True
            due_at = datetime.now() + timedelta(seconds=due_s + 0.5)  # told to the second, and not the one before
            self._say(log_lines.waiting(left, due_at))
            self._lines.flush()

    def _tick(self) -> None:
        self._pause()
        now = time.monotonic()
        news = self._waiting.wait(until=now if self._slots.go_alone else self._wake_at(), now=now)
        now = self._ticked_at = time.monotonic()
        if now >= self._live_at:
            self._lock.live()
            self._live_at = now + LIVE_EVERY_S
        self._heed(news, now)
        was_short = self._slots.is_short
        begun, ended = self._slots.step(news.moved, now=now)
        for job in begun:
            self._is_waiting = False
            self._say(log_lines.picked_up(job), JobState.PROCESSING)
        if ended:
            self._results.take(ended, now)
        if now > self._slots.valid_until:
            self._results.give_back("its worker's slots were busy")
        if self._slots.failure is not None:
            raise self._slots.failure
        if self._slots.is_short and not was_short:
            self._say(log_lines.short_of_means())
        if self._halt or self._results.are_gathered(now):
            self._exchanger.step(now, claims=not self._halt)
        if not self._slots.are_starting or now >= self._kept_at + STARTS_FIRST_S:
            self._keep_time(now)
        if not self._results or self._full_disk.is_there:  # what has ended is told, with all else, once it is recorded
            self._lines.flush()

    def _pause(self) -> None:
        """Let a little more happen before the next look, for each look takes the processor from a command."""
        since_s = time.monotonic() - self._ticked_at
        if self._slots.go_alone:
            self._slots.pause(max(0.0, TICK_S - since_s))
        elif since_s < self._pace_s:
            time.sleep(self._pace_s - since_s)

    def _wake_at(self) -> float:
        wants = not self._halt and self._slots.free and not self._slots.lined_up
        if self._full_disk.is_there:
            return min(self._slots.wake_at(), self._look_at, self._upkeep.wake_at(), self._full_disk.try_at)
        if self._results and not self._halt:
            return self._results.gather_until
        if self._results or (wants and self._exchanger.is_hungry):
            return 0.0
        due_at = self._exchanger.due_at if wants else self._slots.valid_until
        hold_at = self._exchanger.wake_at()
        return min(self._slots.wake_at(), self._look_at, self._upkeep.wake_at(), due_at, hold_at)

    def _heed(self, news: News, now: float) -> None:
        heard = sum(number in STOPPING for number in news.signals)
        if heard:
            self._heard += heard
            if signal.SIGINT in news.signals:
                self._results.interrupted_at = now
            self._stop(Halt(min(self._heard, Halt.KILL)), now)
        if news.is_rung:
            self._exchanger.is_hungry = True
            self._look_at = min(self._look_at, self._looked_at + LOOK_EVERY_S)
        self._upkeep.heed(news.ready)

    def _keep_time(self, now: float) -> None:
        self._kept_at = now
        if now >= self._look_at:
            self._look(now)
        if now >= self._exchanger.due_at:
            self._exchanger.is_hungry = True
        with self._full_disk.survived(now):
            self._exchanger.is_hungry |= self._upkeep.step(running=self._slots.running, now=now)
        if self._upkeep.has_left_off and not self._halt:
            self._say(log_lines.replaced())
            self._stop(Halt.FINISH, now)
            self._is_asked = False

    def _look(self, now: float) -> None:
        """See what others did: new jobs, cancelled ones, the wish that this worker stops."""
        self._looked_at, self._look_at = now, now + self._options.poll_s
        head = self._queue.log.head()
        if head == self._seen_head:
            return
        self._seen_head = head
        self._exchanger.is_hungry = True
        self._slots.output_limit_bytes = self._queue.admin.settings().output_limit_bytes
        held = self._slots.jobs()
        for job, found in zip(held, self._leases.refresh(held), strict=True):
            self._check(job, found, now)
        asked = self._leases.stop_requested()
        if asked:
            self._stop(Halt.GIVE_BACK if asked == "now" else Halt.FINISH, now, is_recorded=True)

    def _check(self, job: Job, found: Job | None, now: float) -> None:
        """Heed what others did to a job of ours; one that waits for a slot is given up where it was cancelled."""
        lease = None if found is None else found.lease
        is_ours = lease is not None and job.lease is not None and lease.token == job.lease.token
        is_cancelled = lease is not None and lease.cancel_requested
        if is_ours and not is_cancelled:
            if found is not None and found.spec != job.spec:
                self._slots.edited(found)
            return
        if self._slots.withdraw(job):
            self._results.unrecorded += [Result(job, "cancelled")] if is_ours else []
        elif is_ours:
            self._slots.stop(job, Stop.CANCELLED, now=now)
        else:
            self._exchanger.abandon(job, now)

    def _stop(self, halt: Halt, now: float, *, is_recorded: bool = False) -> None:
        if halt <= self._halt:
            return
        self._is_asked = True
        if not is_recorded and self._halt < Halt.GIVE_BACK:
            # Refused where somebody has taken this worker for gone.
            with suppress(InvalidInput), self._lock.writing(), self._full_disk.survived(now):
                self._leases.stop(now=halt > Halt.FINISH, actor=self._leases.id)
        if not self._halt:
            self._notifier.stopping()
        self._halt = halt
        self._results.give_back("its worker was told to stop")
        if halt is Halt.FINISH:
            self._say(log_lines.stopping(self._slots.running))
            return
        self._say(log_lines.giving_back(self._slots.running))
        self._slots.stop_all(Stop.RELEASED, now=now)
        if halt is Halt.KILL:
            self._slots.kill_all(now=now)
