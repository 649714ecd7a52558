"""The worker: one thread, one place to wait, and one durable transaction a tick for all that happened.

A tick waits, collects what ended, exchanges results for new jobs with the queue, and starts those.
How a command runs is not known here; what a job may do next is the queue's to say.
"""

import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ..answers import Exchange, Result
from ..clock import SystemClock, worker_id
from ..doorbell import Doorbell, ring
from ..errors import InvalidInput, JobNotFound
from ..job import Job
from ..queue import Queue
from . import report
from .attempt import NEVER
from .notify import Notifier
from .signals import STOPPING, Signals
from .slots import Slots
from .upkeep import bury_gone
from .verdict import Stop
from .waiting import News, Waiting

HEARTBEAT_S: Final = 5.0
LOOK_EVERY_S: Final = 0.05
"""How soon after one look at the queue a ring may cause the next: rings can come by the thousand."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a worker works: `drain` ends it once its queues (None: all) have nothing left to do."""

    slots: int
    queues: tuple[str, ...] | None
    drain: bool
    poll_s: float
    lease_s: float
    grace_s: float


class Halt(IntEnum):
    """How urgently a worker was asked to stop."""

    NO = 0
    FINISH = 1
    GIVE_BACK = 2
    KILL = 3


class Worker:
    """Runs the queue's jobs until it is stopped, or drained."""

    def __init__(self, queue: Queue, options: Options, say: Callable[[str], None], notifier: Notifier) -> None:
        self.id = worker_id(os.uname().nodename, os.getpid())
        self._queue = queue
        self._options = options
        self._report = say
        self._notifier = notifier
        self._clock = SystemClock()
        self._results: list[Result] = []
        self._claimed: deque[Job] = deque()  # ours, and not yet launched
        self._halt = Halt.NO
        self._heard = 0  # signals that ask to stop
        self._is_hungry = True  # there may be jobs to claim
        self._seen_head = -1
        self._due_at = NEVER
        self._looked_at = self._look_at = self._beat_at = 0.0
        self._watch_at = NEVER if notifier.watchdog_every_s is None else 0.0

    def run(self) -> None:
        """Work until there is a reason to stop.

        Whatever goes wrong is raised once the commands are killed and, where the queue still takes
        it, given back.
        """
        with Signals() as signals, ExitStack() as opened:
            doorbell = opened.enter_context(closing(Doorbell(self._queue.path, self.id)))
            self._waiting = opened.enter_context(closing(Waiting(doorbell, signals)))
            self._slots = opened.enter_context(closing(self._make_slots()))
            self._work()

    def _work(self) -> None:
        options, queue = self._options, self._queue
        queue.worker_started(
            self.id, host=os.uname().nodename, pid=os.getpid(), slots=options.slots, queues=options.queues
        )
        self._say(report.worker_started(self.id, options.slots, options.queues))
        self._notifier.ready()
        try:
            while not (cause := self._reason_to_leave()):
                self._tick()
        except BaseException as error:
            self._abort(error)
            raise
        queue.worker_stopped(self.id, cause)
        self._say(report.worker_stopped(self.id, cause))

    def _make_slots(self) -> Slots:
        options, queue = self._options, self._queue
        return Slots(
            options.slots,
            self._waiting,
            db_path=queue.path,
            output_path=queue.output_path,
            lease_s=options.lease_s,
            grace_s=options.grace_s,
            output_limit_bytes=queue.settings().output_limit_bytes,
        )

    def _say(self, line: str) -> None:
        # Whoever read this may be gone (`| head`): no reason to leave the jobs.
        with suppress(Exception):
            self._report(line)

    def _reason_to_leave(self) -> str:
        if self._slots or self._results:
            return ""
        if self._halt:
            return "asked to stop"
        if self._options.drain and not self._is_hungry and self._queue.backlog(self._options.queues) == 0:
            return "drained"
        return ""

    def _tick(self) -> None:
        news = self._waiting.wait(until=self._wake_at(), now=time.monotonic())
        now = time.monotonic()
        self._heed(news, now)
        self._results += self._slots.step(news.moved, now=now)
        self._exchange(now)
        self._keep_time(now)  # last: a new job's start does not wait for it

    def _wake_at(self) -> float:
        wants = not self._halt and self._slots.free
        if self._results or (wants and self._is_hungry):
            return 0.0
        due_at = self._due_at if wants else NEVER
        return min(self._slots.wake_at(), self._look_at, self._beat_at, self._watch_at, due_at)

    def _heed(self, news: News, now: float) -> None:
        heard = sum(number in STOPPING for number in news.signals)
        if heard:
            self._heard += heard
            self._stop(Halt(min(self._heard, Halt.KILL)), now)
        if news.is_rung:
            self._is_hungry = True
            self._look_at = min(self._look_at, self._looked_at + LOOK_EVERY_S)

    def _keep_time(self, now: float) -> None:
        if now >= self._look_at:
            self._look(now)
        if now >= self._due_at:
            self._is_hungry = True
        if now >= self._watch_at and self._notifier.watchdog_every_s is not None:
            self._notifier.watchdog()
            self._watch_at = now + self._notifier.watchdog_every_s
        if now >= self._beat_at:
            self._beat(now)
            self._is_hungry = True  # a dead worker's leases expire without anybody ringing

    def _beat(self, now: float) -> None:
        self._queue.heartbeat(self.id)
        self._beat_at = now + HEARTBEAT_S
        self._notifier.status(report.at_work(len(self._slots), self._options.slots))
        for worker in bury_gone(self._queue, finder=self.id):
            self._say(report.found_gone(worker))

    def _look(self, now: float) -> None:
        """See what others did: new jobs, cancelled ones, the wish that this worker stops."""
        self._looked_at, self._look_at = now, now + self._options.poll_s
        head = self._queue.head()
        if head == self._seen_head:
            return
        self._seen_head = head
        self._is_hungry = True
        self._slots.output_limit_bytes = self._queue.settings().output_limit_bytes
        for job in self._slots.jobs():
            self._check(job, now)
        asked = self._queue.stop_requested(self.id)
        if asked:
            self._stop(Halt.GIVE_BACK if asked == "now" else Halt.FINISH, now, is_recorded=True)

    def _check(self, job: Job, now: float) -> None:
        try:
            lease = self._queue.job(job.id).lease
        except JobNotFound:
            lease = None
        if lease is None or job.lease is None or lease.token != job.lease.token:
            self._abandon(job, now)
        elif lease.cancel_requested:
            self._slots.stop(job, Stop.CANCELLED, now=now)

    def _abandon(self, job: Job, now: float) -> None:
        if self._slots.stop(job, Stop.ABANDONED, now=now):
            self._say(report.taken_away(job))

    def _stop(self, halt: Halt, now: float, *, is_recorded: bool = False) -> None:
        if halt <= self._halt:
            return
        if not is_recorded and self._halt < Halt.GIVE_BACK:
            with suppress(InvalidInput):  # somebody has taken this worker for gone
                self._queue.worker_stopping(self.id, now=halt > Halt.FINISH, actor=self.id)
        if not self._halt:
            self._notifier.stopping()
        self._halt = halt
        if halt is Halt.FINISH:
            self._say(report.stopping(len(self._slots)))
            return
        self._say(report.giving_back(len(self._slots)))
        self._slots.stop_all(Stop.RELEASED, now=now)
        if halt is Halt.KILL:
            self._slots.kill_all(now=now)

    def _exchange(self, now: float) -> None:
        """Hand in what ended and take what is to run, in one transaction, where there is anything of either."""
        free = 0 if self._halt else self._slots.free
        renew = self._slots.due_renewals(now=now)
        if not (self._results or renew or (free and self._is_hungry)):
            return
        results = self._results
        answer = self._queue.exchange(
            self.id,
            results,
            want=free,
            queues=self._options.queues,
            lease_s=self._options.lease_s,
            renew=renew,
        )
        self._results = []
        self._claimed.extend(answer.claimed)
        if free:
            self._is_hungry = len(answer.claimed) == free
        self._due_at = self._moment_of(answer.next_due_us, now)
        self._slots.renewed(answer.renewed, now=now)
        self._tell(results, answer, now)
        self._launch_claimed()
        if any(result.kind == "released" for result in results):
            ring(self._queue.path)  # for the other workers

    def _moment_of(self, at_us: int | None, now: float) -> float:
        return NEVER if at_us is None else now + (at_us - self._clock.now_us()) / 1_000_000

    def _tell(self, results: list[Result], answer: Exchange, now: float) -> None:
        after = {job.number: job for job in answer.settled}
        recorded = [result for result in results if result.job.number in after]
        self._slots.recorded(recorded)
        for result in recorded:
            self._say(report.ended(result, after[result.job.number]))
        for job, error in answer.refused:
            self._say(report.refused(job, error))
            self._abandon(job, now)

    def _launch_claimed(self) -> None:
        while self._claimed:
            job = self._claimed[0]
            self._say(report.picked_up(job))
            result = self._slots.launch(job, now=time.monotonic())
            self._claimed.popleft()
            if result is None:
                continue
            self._results.append(result)
            if result.kind == "released":
                self._is_hungry = True
                self._say(report.short_of_means(result))

    def _abort(self, error: BaseException) -> None:
        held = [*self._slots.abandon_all(), *self._claimed]
        results = self._results + [Result(job, "released", error=f"its worker failed: {error}") for job in held]
        try:
            self._queue.exchange(self.id, results, want=0, lease_s=self._options.lease_s)
            self._queue.worker_stopped(self.id, f"failed: {error}")
            ring(self._queue.path)  # for the other workers
        except Exception as refusal:  # the first error is the one to raise, whatever this one is
            for result in results:
                self._say(report.not_recorded(result, refusal))
