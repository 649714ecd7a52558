"""When a worker leaves off: it was asked to, by a signal or through the queue, was replaced, or has drained its queues.

Asked once it finishes what runs, asked again it gives that back, and the third time it waits for nothing.
"""

import signal
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from ..errors import InvalidInput
from ..liveness.lock_file import LockFile
from ..queue import Queue
from . import log_lines
from .attempt import NEVER
from .exchange import Exchanger
from .full_disk import FullDisk
from .lines import Lines
from .options import Options
from .outcome import Stop
from .signals import STOPPING
from .slots import Slots
from .systemd import Notifier

TELL_OF_WAITING_S: Final = 5.0
"""How far off the next job of a queue that is being drained must be to be worth a line."""


class Halt(IntEnum):
    """How urgently a worker was asked to stop."""

    NO = 0
    FINISH = 1
    GIVE_BACK = 2
    KILL = 3


class Halting:
    """Whether a worker is to stop, which is never taken back, and what follows at once; true while it is to."""

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
        lines: Lines,
        notifier: Notifier,
    ) -> None:
        self._queue = queue
        self._leases = queue.worker(worker)
        self._options = options
        self._lock = lock
        self._slots = slots
        self._exchanger = exchanger
        self._results = exchanger.results
        self._full_disk = full_disk
        self._lines = lines
        self._notifier = notifier
        self._halt = Halt.NO
        self._heard = 0  # signals that ask to stop
        self._why = ""
        self._is_waiting = False  # for a job that is due later, and that was said

    def __bool__(self) -> bool:
        return self._halt is not Halt.NO

    def why_to_leave(self) -> str:
        """Return why the worker ends now; nothing while it does not, also where it has something to finish yet."""
        if self._halt is Halt.KILL and self._full_disk.error and not self._slots:
            raise self._full_disk.error  # asked three times not to wait for room
        if self._slots or self._results:
            self._is_waiting = False
            return ""
        return self._why or self._drained()

    def heed(self, signals: Collection[int], now: float) -> None:
        """Stop as urgently as there were signals so far that ask for it."""
        heard = sum(number in STOPPING for number in signals)
        if not heard:
            return
        self._heard += heard
        if signal.SIGINT in signals:
            self._results.interrupted_at = now
        self.stop(Halt(min(self._heard, Halt.KILL)), now)

    def replaced(self, now: float) -> None:
        """Finish, since this program was replaced, unless the worker is stopping already."""
        if not self:
            self._lines.say(log_lines.replaced())
            self.stop(Halt.FINISH, now, why="its program was replaced")

    def stop(self, halt: Halt, now: float, *, why: str = "asked to stop", is_recorded: bool = False) -> None:
        """Stop, unless the worker does so at least as urgently already; records it where it is not yet."""
        if halt <= self._halt:
            return
        self._why = why
        if not is_recorded and self._halt < Halt.GIVE_BACK:
            # Refused where somebody has taken this worker for gone.
            with suppress(InvalidInput), self._lock.writing(), self._full_disk.survived(now):
                self._leases.stop(now=halt > Halt.FINISH, actor=self._leases.id)
        if not self:
            self._notifier.stopping()
        self._halt = halt
        self._results.give_back("its worker was told to stop")
        self._end_runs(now)

    def _end_runs(self, now: float) -> None:
        running = self._slots.running
        if self._halt is Halt.FINISH:
            self._lines.say(log_lines.stopping(running))
            return
        self._lines.say(log_lines.giving_back(running))
        self._slots.stop_all(Stop.RELEASED, now=now)
        if self._halt is Halt.KILL:
            self._slots.kill_all(now=now)

    def _drained(self) -> str:
        if not self._options.drain or self._exchanger.is_hungry:
            return ""
        if left := self._queue.backlog(self._options.queues):
            self._tell_of_waiting(left)
            return ""
        return "drained"

    def _tell_of_waiting(self, left: int) -> None:
        due_s = self._exchanger.due_at - time.monotonic()
        if TELL_OF_WAITING_S < due_s < NEVER and not self._is_waiting:
            self._is_waiting = True
            due_at = datetime.now() + timedelta(seconds=due_s + 0.5)  # told to the second, and not the one before
            self._lines.say(log_lines.waiting(left, due_at))
            self._lines.flush()
