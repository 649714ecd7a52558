"""The worker's side of an exchange: one transaction hands in results, says that the worker is there, and claims jobs.

Decides when an exchange is worth a transaction and how many jobs to claim, and lines up those claimed for the
slots. `engine/exchange.py` is the other side.
"""

import time
from collections.abc import Sequence

from ..core.job import Job
from ..core.results import Exchange, Result
from ..liveness.lock_file import LockFile
from ..queue import Queue
from ..system.wakeup import ring
from . import log_lines
from .attempt import NEVER
from .collector import Collector
from .full_disk import FullDisk
from .log_buffer import LogBuffer
from .options import Options
from .outcome import Stop
from .prefetch import GIVE_BACK_S, Ahead
from .presence_clock import PresenceClock
from .slots import Slots


class Exchanger:
    """Exchanges one worker's results for new jobs of its queue."""

    def __init__(
        self,
        queue: Queue,
        worker: str,
        options: Options,
        *,
        lock: LockFile,
        slots: Slots,
        full_disk: FullDisk,
        lines: LogBuffer,
    ) -> None:
        self._path = queue.path
        self._leases = queue.worker(worker)
        self._options = options
        self._lock = lock
        self._slots = slots
        self._full_disk = full_disk
        self._say = lines.say
        self._ahead = Ahead()
        self._presence = PresenceClock(options.lease_s)
        self.collector = Collector(slots, self._ahead, lines)
        self.is_hungry = True
        """Whether there may be jobs to claim."""
        self.due_at = NEVER
        """When the next delayed job becomes due, as the queue said last."""

    def wake_at(self) -> float:
        """Return the moment at which the worker is to say that it is there."""
        return self._presence.wake_at(holds=bool(self._slots))

    def step(self, now: float, *, claims: bool) -> None:
        """Hand in results and, if it `claims`, take jobs, in one transaction; none where there is nothing to do."""
        if self._full_disk.is_waiting(now):
            return
        is_trial = self._full_disk.is_there  # what is at hand is tried, and no job is claimed
        free = self._slots.free if claims and not self._slots.lined_up else 0
        has_more = bool(self.collector or (free and self.is_hungry))
        holds = bool(self._slots)
        hold = is_trial or self._presence.is_due(holds=holds, now=now, along=has_more)
        if not (has_more or hold):
            return
        want = self._wanted() if claims and not is_trial else 0
        # On disk before the log says that there is such output.
        results = self.collector.unrecorded = self._slots.finished.flushed(self.collector.unrecorded)
        answer: Exchange | None = None
        with self._lock.writing(), self._full_disk.noticing(now):
            answer = self._leases.exchange(
                results,
                want=want,
                free=max(0, self._slots.free - self._slots.lined_up),
                queues=self._options.queues,
                lease_s=self._options.lease_s,
                hold=hold,
                held=self._slots.jobs() if hold else (),
            )
        if answer is None:
            return
        self._full_disk.note_room()
        self.collector.unrecorded = []
        if want:
            self.is_hungry = len(answer.claimed) == want
        self.due_at = NEVER if answer.next_due_s is None else now + answer.next_due_s
        if hold or not holds:
            self._presence.note_written(now=now)
        self._tell(results, answer, now)
        self._take(answer.claimed, begun_at=now)
        if answer.frees or any(result.kind == "released" for result in results):
            ring(self._path)  # for the other workers

    def abandon(self, job: Job, now: float) -> None:
        """Kill the run of a job that is another worker's by now."""
        if self._slots.stop(job, Stop.ABANDONED, now=now):
            self._say(log_lines.taken_away(job))

    def freeze(self, job: Job, now: float) -> None:
        """Have the run of a job stand still that was paused."""
        if self._slots.freeze(job, now=now):
            self._say(log_lines.frozen(), job)

    def thaw(self, job: Job, now: float) -> None:
        """Let the run of a job go on that was resumed."""
        if self._slots.thaw(job, now=now):
            self._say(log_lines.thawed(), job)

    def _wanted(self) -> int:
        slots = self._slots
        return self._ahead.wanted(slots.free, waiting=slots.lined_up, slots=slots.cap)

    def _take(self, claimed: Sequence[Job], *, begun_at: float) -> None:
        done_at = time.monotonic()
        if done_at - begun_at > self._options.lease_s:  # this process was frozen: others may run them by now
            self.collector.unrecorded += [Result(job, "released", error="its worker was frozen") for job in claimed]
        else:
            self._line_up(claimed, done_at)

    def _line_up(self, claimed: Sequence[Job], now: float) -> None:
        """Line up jobs for the slots: those for which none is free are given back if they are not started soon."""
        free = max(0, self._slots.free - self._slots.lined_up)
        self._slots.line_up(claimed[:free], now=now, until=now + self._options.lease_s / 2)
        self._slots.line_up(claimed[free:], now=now, until=now + GIVE_BACK_S)

    def _tell(self, results: list[Result], answer: Exchange, now: float) -> None:
        after = {job.number: job for job in answer.settled}
        recorded = [result for result in results if result.job.number in after]
        self._slots.finished.recorded(recorded)
        for result in recorded:
            job = after[result.job.number]
            self._say(log_lines.ended(result, job), job)
            if result.output.output_error:
                self._say(log_lines.not_kept(result))
        for job, error in answer.refused:
            self._say(log_lines.refused(job, error))
            self.abandon(job, now)
