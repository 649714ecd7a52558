"""The end of a worker's work: it was asked to stop, by a signal or through the queue, was replaced, or has drained.

Asked to stop once it finishes what runs, asked again it gives that back, and the third time it kills it.
"""

import signal
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from ..errors import InvalidInput, WriteFailed
from ..liveness.lock_file import LockFile
from ..queue import Queue
from . import log_lines
from .attempt import NEVER
from .exchanger import Exchanger
from .full_disk import FullDisk
from .log_buffer import LogBuffer
from .options import Options
from .outcome import Stop
from .signals import STOPPING
from .slots import Slots
from .systemd import Notifier

TELL_OF_WAITING_S: Final = 5.0
"""How far off the next job of a queue that is being drained must be to be worth a line."""


WAIT_FOR_ROOM_S: Final = 30.0
"""How long a worker that was asked to stop waits for room to record how its runs ended, once they have."""


class Urgency(IntEnum):
    """How urgently a worker was asked to stop."""

    NO = 0
    FINISH = 1
    GIVE_BACK = 2
    KILL = 3


class Shutdown:
    """Stops a worker when it was asked to, and knows when it may leave; true once it is to stop, and from then on."""

    def __init__(
        self,
        queue: Queue,
        worker: str,
        options: Options,
        *,
        lock: LockFile,
        slots: Slots,
        exchanger: Exchanger,
        full_disk: FullDisk,
        lines: LogBuffer,
        notifier: Notifier,
    ) -> None:
        self._queue = queue
        self._leases = queue.worker(worker)
        self._options = options
        self._lock = lock
        self._slots = slots
        self._exchanger = exchanger
        self._collector = exchanger.collector
        self._full_disk = full_disk
        self._lines = lines
        self._notifier = notifier
        self._urgency = Urgency.NO
        self._heard = 0  # signals that ask to stop
        self._why = ""
        self._is_waiting = False  # for a job that is due later, and that was said
        self._room_by = NEVER  # when it leaves without having recorded what ended, once that was said

    def __bool__(self) -> bool:
        return self._urgency is not Urgency.NO

    def why_to_leave(self) -> str:
        """Return why the worker ends now, in a line; "" where it does not, or has something to finish first."""
        if self and self._full_disk.error and not self._slots:
            self._wait_for_room(self._full_disk.error)
        if self._slots or self._collector:
            self._is_waiting = False
            return ""
        return self._why or self._drained()

    def heed(self, signals: Collection[int], now: float) -> None:
        """Stop where `signals` ask for it, the more urgently the more of them there were so far."""
        heard = sum(number in STOPPING for number in signals)
        if not heard:
            return
        self._heard += heard
        if signal.SIGINT in signals:
            self._collector.interrupted_at = now
        self.stop(Urgency(min(self._heard, Urgency.KILL)), now)

    def replaced(self, now: float) -> None:
        """Finish what runs and stop, since this program was replaced; does nothing if the worker stops already."""
        if not self:
            self._lines.say(log_lines.replaced())
            self.stop(Urgency.FINISH, now, why="its program was replaced")

    def stop(self, urgency: Urgency, now: float, *, why: str = "asked to stop", is_recorded: bool = False) -> None:
        """Stop, if the worker does not do so as urgently already; recorded unless it `is_recorded`, `why` in a line."""
        if urgency <= self._urgency:
            return
        self._why = why
        if not is_recorded and self._urgency < Urgency.GIVE_BACK:
            # Refused where somebody has taken this worker for gone.
            with suppress(InvalidInput), self._lock.writing(), self._full_disk.noticing(now):
                self._leases.stop(now=urgency > Urgency.FINISH, actor=self._leases.id)
        if not self:
            self._notifier.stopping()
        self._urgency = urgency
        self._collector.give_back("its worker was told to stop")
        self._end_runs(now)

    def _wait_for_room(self, error: WriteFailed) -> None:
        """Raise `error` where the worker has waited for room long enough, or was asked three times to stop."""
        now = time.monotonic()
        if self._urgency is Urgency.KILL or now >= self._room_by:
            raise error
        if self._room_by == NEVER and self._collector:
            self._room_by = now + WAIT_FOR_ROOM_S
            self._lines.say(log_lines.waiting_for_room(len(self._collector.unrecorded), WAIT_FOR_ROOM_S))

    def _end_runs(self, now: float) -> None:
        running = self._slots.running
        if self._urgency is Urgency.FINISH:
            self._lines.say(log_lines.stopping(running))
            for job in self._slots.frozen():  # it would never end
                self._slots.stop(job, Stop.FROZEN, now=now)
            return
        self._lines.say(log_lines.giving_back(running))
        self._slots.stop_all(Stop.RELEASED, now=now)
        if self._urgency is Urgency.KILL:
            self._slots.kill_all(now=now)

    def _drained(self) -> str:
        if not self._options.drain or self._exchanger.is_hungry:
            return ""
        if left := self._queue.backlog(self._options.queues):
            held = self._queue.ui.held_back(
                self._options.queues
            )  # read after it: what was resumed since is not in both
            if left > held:
                self._tell_of_waiting(left - held)
                return ""
            self._lines.say(log_lines.held_back(left))
        return "drained"

    def _tell_of_waiting(self, left: int) -> None:
        due_s = self._exchanger.due_at - time.monotonic()
        if TELL_OF_WAITING_S < due_s < NEVER and not self._is_waiting:
            self._is_waiting = True
            due_at = datetime.now() + timedelta(seconds=due_s + 0.5)  # told to the second, and not the one before
            self._lines.say(log_lines.waiting(left, due_at))
            self._lines.flush()
