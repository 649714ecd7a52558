"""The worker's loop: one thread, one place to wait, and one durable transaction a tick for all that happened.

A tick waits, collects what ended, exchanges results for new jobs with the queue, and lines those up for the slots.
How a command runs is not known here; what a job may do next is the queue's to say.
"""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from importlib import import_module
from typing import Final

from ..answers import Exchange, Result
from ..clock import worker_id
from ..doorbell import Doorbell, ring
from ..errors import InvalidInput, JobNotFound, NoQueue, shown
from ..escaping import escape
from ..job import Job, JobState
from ..lockfile import LockFile, can_have_one
from ..queue import Queue
from ..surroundings import processors
from . import report
from .ahead import GIVE_BACK_S, TOGETHER, Ahead
from .attempt import NEVER
from .full_disk import FullDisk
from .lines import Lines, Report
from .notify import Notifier
from .presence import Presence
from .process import starting, with_descriptors
from .signals import STOPPING, Signals
from .slots import Slots, places
from .spawner import quick_switches
from .upkeep import Upkeep
from .verdict import Stop, spared
from .waiting import News, Waiting

LOOK_EVERY_S: Final = 0.05
"""How soon after one look at the queue a ring may cause the next: rings can come by the thousand."""

GATHER_S: Final = 0.002
"""How long a result waits for others to be recorded along with it: a commit costs about as much, for one or for ten."""

GATHER_AHEAD_S: Final = 0.05
"""The same where slots that come free have jobs to go on with."""

TICK_S: Final = 0.01
"""How soon one tick follows another where slots have jobs to go on with, unless one wants for more."""

PACE_S: Final = 0.001
"""How soon one tick may follow another where there are more slots than processors, and so enough to do meanwhile."""

TELL_OF_WAITING_S: Final = 5.0
"""How far off the next job of a queue that is being drained must be to be worth a line."""

LIVE_EVERY_S: Final = 0.05

_LOADED_LATER: Final = ("heapq", "shlex")
"""Modules that work may come to need, and that the queue loads when it does."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a worker works: `drain` ends it once its queues (None: all) have nothing left to do.

    `is_sole`: nothing else in its process has children.
    """

    slots: int
    queues: tuple[str, ...] | None
    drain: bool
    poll_s: float
    lease_s: float
    grace_s: float
    reason: str | None = None
    is_sole: bool = False


class Halt(IntEnum):
    """How urgently a worker was asked to stop."""

    NO = 0
    FINISH = 1
    GIVE_BACK = 2
    KILL = 3


class Worker:
    """Runs the queue's jobs until it is stopped, or drained."""

    def __init__(self, queue: Queue, options: Options, say: Report, notifier: Notifier) -> None:
        self.id = worker_id(os.uname().nodename, os.getpid())
        self._queue = queue
        self._options = options
        self._notifier = notifier
        self._lines = Lines(say)
        self._say = self._lines.say
        self._results: list[Result] = []
        self._ahead = Ahead()
        self._halt = Halt.NO
        self._heard = 0  # signals that ask to stop
        self._interrupted_at = -NEVER
        self._is_hungry = True  # there may be jobs to claim
        self._is_waiting = False  # for a job that is due later, and that was said
        self._seen_head = -1
        self._due_at = NEVER
        self._is_asked = False  # by somebody, to stop
        self._looked_at = self._look_at = self._live_at = 0.0
        self._gathering_since = 0.0
        self._pace_s = PACE_S if options.slots > processors() else 0.0
        self._ticked_at = -NEVER
        self._presence = Presence(options.lease_s)
        self._full_disk = FullDisk(self._say)

    def run(self) -> int:
        """Work until there is a reason to stop; gives the exit code, 1 where this program was replaced meanwhile.

        Whatever goes wrong is raised once the commands are killed and, where the queue still takes
        it, given back.
        """
        with ExitStack() as opened:
            with starting("a worker"):
                self._open(opened)
            try:
                with with_descriptors():
                    self._work()
            except Exception as error:
                if not self._upkeep.is_replaced():
                    raise
                self._say(report.failed_as_replaced(error))
            finally:
                self._lines.close()
            return int(self._upkeep.is_replaced())

    def _open(self, opened: ExitStack) -> None:
        options, path = self._options, self._queue.path
        if not can_have_one(self.id):
            raise InvalidInput("worker id", shown(self.id), "a name that a file can have; give the host another name")
        signals = opened.enter_context(Signals(is_sole=options.is_sole))
        opened.enter_context(quick_switches())
        self._lock = opened.enter_context(
            closing(LockFile(path, self.id, slots=places(options.slots), lease_s=options.lease_s))
        )
        doorbell = opened.enter_context(closing(Doorbell(path, self.id)))
        self._waiting = Waiting(doorbell, signals)
        self._slots = opened.enter_context(closing(self._make_slots()))
        self._upkeep = opened.enter_context(closing(self._make_upkeep()))
        self._slots.fit(now=time.monotonic())
        for name in _LOADED_LATER:  # while there is a descriptor to read them with
            import_module(name)

    def _work(self) -> None:
        options, queue = self._options, self._queue
        with self._lock.writing():
            queue.worker_started(
                self.id,
                host=os.uname().nodename,
                pid=os.getpid(),
                slots=options.slots,
                queues=options.queues,
                reason=options.reason,
            )
        self._say(report.worker_started(self.id, options.slots, options.queues))
        if self._slots.cap < options.slots:
            self._say(report.fewer_slots(self._slots.cap, options.slots))
        self._notifier.ready()
        try:
            while not (cause := self._reason_to_leave()):
                self._tick()
        except BaseException as error:
            self._abort(error)
            raise
        with self._lock.writing(), self._full_disk.survived(time.monotonic()):  # found gone, where it has no room
            queue.worker_stopped(self.id, cause)
        ring(queue.path)  # for those that drain too: what they wait for may have been our last job
        self._say(report.worker_stopped(self.id, cause))

    def _make_slots(self) -> Slots:
        options, queue = self._options, self._queue
        return Slots(
            options.slots,
            self._waiting,
            self._lock,
            worker=self.id,
            db_path=queue.path,
            output_path=queue.output_path,
            inherited_env=queue.inherited_env,
            grace_s=options.grace_s,
            output_limit_bytes=queue.settings().output_limit_bytes,
            is_sole=options.is_sole,
        )

    def _make_upkeep(self) -> Upkeep:
        return Upkeep(
            self._queue,
            self.id,
            slots=self._options.slots,
            lock=self._lock,
            waiting=self._waiting,
            notifier=self._notifier,
            say=self._say,
        )

    def _reason_to_leave(self) -> str:
        if self._halt is Halt.KILL and self._full_disk.error and not self._slots:
            raise self._full_disk.error  # asked three times not to wait for room
        if self._slots or self._results:
            return ""
        if self._halt:
            return "asked to stop" if self._is_asked else "its program was replaced"
        if self._options.drain and not self._is_hungry:
            left = self._queue.backlog(self._options.queues)
            if not left:
                return "drained"
            self._tell_of_waiting(left)
        return ""

    def _tell_of_waiting(self, left: int) -> None:
        due_s = self._due_at - time.monotonic()
        if TELL_OF_WAITING_S < due_s < NEVER and not self._is_waiting:
            self._is_waiting = True
            self._say(report.waiting(left, datetime.now() + timedelta(seconds=due_s)))
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
            self._say(report.picked_up(job), JobState.PROCESSING)
        if ended:
            self._take_note(ended, now)
        if now > self._slots.valid_until:
            self._give_back("its worker's slots were busy")
        if self._slots.failure is not None:
            raise self._slots.failure
        if self._slots.is_short and not was_short:
            self._say(report.short_of_means())
        if not self._is_gathering(now):
            self._exchange(now)
        self._keep_time(now)  # last: a new job's start does not wait for it
        if not self._results or self._full_disk.is_there:  # what has ended is told, with all else, once it is recorded
            self._lines.flush()

    def _pause(self) -> None:
        """Let a little more happen before the next look, for each look takes the processor from a command."""
        since_s = time.monotonic() - self._ticked_at
        if self._slots.go_alone:
            self._slots.pause(max(0.0, TICK_S - since_s))
        elif since_s < self._pace_s:
            time.sleep(self._pace_s - since_s)

    def _take_note(self, ended: list[Result], now: float) -> None:
        if not self._results:
            self._gathering_since = now
        if any(result.job.is_last_attempt for result in ended):
            # Done again these would be dead, whatever came of them: no others are waited for.
            self._gathering_since = min(self._gathering_since, now + GATHER_S - GATHER_AHEAD_S)
        self._results += [spared(result, now=now, interrupted_at=self._interrupted_at) for result in ended]
        self._ahead.note(ended)
        self._slots.patience_s = self._ahead.patience_s

    def _give_back(self, why: str) -> None:
        """Release the jobs that wait for a slot."""
        withdrawn = self._slots.withdraw()
        self._results += [Result(job, "released", error=why) for job in withdrawn]
        if withdrawn:
            self._gathering_since = -NEVER
        self._ahead.forget()

    def _is_gathering(self, now: float) -> bool:
        if not self._results or self._halt or now >= self._gather_until:
            return False
        return len(self._results) < (TOGETHER if self._slots.lined_up else self._slots.running)

    @property
    def _gather_until(self) -> float:
        return self._gathering_since + (GATHER_AHEAD_S if self._slots.lined_up else GATHER_S)

    def _wake_at(self) -> float:
        wants = not self._halt and self._slots.free and not self._slots.lined_up
        if self._full_disk.is_there:
            return min(self._slots.wake_at(), self._look_at, self._upkeep.wake_at(), self._full_disk.try_at)
        if self._results and not self._halt:
            return self._gather_until
        if self._results or (wants and self._is_hungry):
            return 0.0
        due_at = self._due_at if wants else self._slots.valid_until
        hold_at = self._presence.wake_at(holds=bool(self._slots))
        return min(self._slots.wake_at(), self._look_at, self._upkeep.wake_at(), due_at, hold_at)

    def _heed(self, news: News, now: float) -> None:
        heard = sum(number in STOPPING for number in news.signals)
        if heard:
            self._heard += heard
            if signal.SIGINT in news.signals:
                self._interrupted_at = now
            self._stop(Halt(min(self._heard, Halt.KILL)), now)
        if news.is_rung:
            self._is_hungry = True
            self._look_at = min(self._look_at, self._looked_at + LOOK_EVERY_S)
        self._upkeep.heed(news.ready)

    def _keep_time(self, now: float) -> None:
        if now >= self._look_at:
            self._look(now)
        if now >= self._due_at:
            self._is_hungry = True
        with self._full_disk.survived(now):
            self._is_hungry |= self._upkeep.step(running=self._slots.running, now=now)
        if self._upkeep.has_left_off and not self._halt:
            self._say(report.replaced())
            self._stop(Halt.FINISH, now)
            self._is_asked = False

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
        """Heed what others did to a job of ours; one that waits for a slot is given up where it was cancelled."""
        try:
            found = self._queue.job(job.id)
        except JobNotFound:
            found = None
        lease = None if found is None else found.lease
        is_ours = lease is not None and job.lease is not None and lease.token == job.lease.token
        is_cancelled = lease is not None and lease.cancel_requested
        if is_ours and not is_cancelled:
            if found is not None and found.spec != job.spec:
                self._slots.edited(found)
            return
        if self._slots.withdraw(job):
            self._results += [Result(job, "cancelled")] if is_ours else []
        elif is_ours:
            self._slots.stop(job, Stop.CANCELLED, now=now)
        else:
            self._abandon(job, now)

    def _abandon(self, job: Job, now: float) -> None:
        if self._slots.stop(job, Stop.ABANDONED, now=now):
            self._say(report.taken_away(job))

    def _stop(self, halt: Halt, now: float, *, is_recorded: bool = False) -> None:
        if halt <= self._halt:
            return
        self._is_asked = True
        if not is_recorded and self._halt < Halt.GIVE_BACK:
            # Refused where somebody has taken this worker for gone.
            with suppress(InvalidInput), self._lock.writing(), self._full_disk.survived(now):
                self._queue.worker_stopping(self.id, now=halt > Halt.FINISH, actor=self.id)
        if not self._halt:
            self._notifier.stopping()
        self._halt = halt
        self._give_back("its worker was told to stop")
        if halt is Halt.FINISH:
            self._say(report.stopping(self._slots.running))
            return
        self._say(report.giving_back(self._slots.running))
        self._slots.stop_all(Stop.RELEASED, now=now)
        if halt is Halt.KILL:
            self._slots.kill_all(now=now)

    def _exchange(self, now: float) -> None:
        """Hand in what ended and take what is to run, in one transaction, where there is anything of either."""
        if self._full_disk.is_waiting(now):
            return
        is_trial = self._full_disk.is_there  # of what is at hand, and of no more
        free = 0 if self._halt or self._slots.lined_up else self._slots.free
        has_more = bool(self._results or (free and self._is_hungry))
        holds = bool(self._slots)
        hold = is_trial or self._presence.is_due(holds=holds, now=now, along=has_more)
        if not (has_more or hold):
            return
        want = 0 if self._halt or is_trial else self._wanted()
        results = self._results = self._slots.flushed(self._results)  # before it is recorded that there is such output
        answer: Exchange | None = None
        with self._lock.writing(), self._full_disk.survived(now):
            answer = self._queue.exchange(
                self.id,
                results,
                want=want,
                queues=self._options.queues,
                lease_s=self._options.lease_s,
                hold=hold,
            )
        if answer is None:
            return
        self._full_disk.over()
        self._results = []
        if want:
            self._is_hungry = len(answer.claimed) == want
        self._due_at = NEVER if answer.next_due_s is None else now + answer.next_due_s
        if hold or not holds:
            self._presence.said(now=now)
        self._tell(results, answer, now)
        done_at = time.monotonic()
        if done_at - now > self._options.lease_s:  # this process was frozen: others may run them by now
            self._results += [Result(job, "released", error="its worker was frozen") for job in answer.claimed]
        else:
            self._line_up(answer.claimed, done_at)
        if any(result.kind == "released" for result in results):
            ring(self._queue.path)  # for the other workers

    def _wanted(self) -> int:
        slots = self._slots
        return self._ahead.wanted(slots.free, waiting=slots.lined_up, slots=slots.cap)

    def _line_up(self, claimed: Sequence[Job], now: float) -> None:
        """Have jobs started; only those ahead of a free slot are given back soon, whatever holds up the others."""
        free = max(0, self._slots.free - self._slots.lined_up)
        self._slots.line_up(claimed[:free], now=now, until=now + self._options.lease_s / 2)
        self._slots.line_up(claimed[free:], now=now, until=now + GIVE_BACK_S)

    def _tell(self, results: list[Result], answer: Exchange, now: float) -> None:
        after = {job.number: job for job in answer.settled}
        recorded = [result for result in results if result.job.number in after]
        self._slots.recorded(recorded)
        for result in recorded:
            job = after[result.job.number]
            self._say(report.ended(result, job), job.state)
        for job, error in answer.refused:
            self._say(report.refused(job, error))
            self._abandon(job, now)

    def _abort(self, error: BaseException) -> None:
        held = self._slots.abandon_all()
        results = self._results + [Result(job, "released", error=f"its worker failed: {error}") for job in held]
        try:
            self._queue.exchange(self.id, results, want=0, lease_s=self._options.lease_s)
            self._queue.worker_stopped(self.id, escape(f"failed: {error}")[:900])
            ring(self._queue.path)  # for the other workers
        except NoQueue:  # nothing is left that an end could be recorded in, and the first error says so
            pass
        except Exception as refusal:  # the first error is the one to raise, whatever this one is
            for result in results:
                self._say(report.not_recorded(result, refusal))
