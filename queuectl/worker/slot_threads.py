"""Starts commands and waits for their ends, in a thread for each slot, beside the loop.

A thread whose command has ended well goes on with the next run that is lined up. So where there are
enough of those, the loop is not asked between two commands, and looks at many ends at once. What
happened is collected with take(), when fileno() is readable or the loop looks anyway.
"""

import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from ..liveness.lock_file import LockFile
from .attempt import LINGER_S, NEVER, Attempt
from .launcher import Invocation, Launcher
from .prefetch import TOGETHER
from .process import Process

SWITCH_S: Final = 0.0005
"""After how long a thread that has started a command gets its turn at the latest (Python's own: 5 ms)."""


class RunOrder(NamedTuple):
    """A run whose command is to be started, though not after `until`."""

    attempt: Attempt
    token: int
    invocation: Invocation
    until: float


class Begun(NamedTuple):
    """What came of an order, begun at a moment of the monotonic clock: a process, or why there is none."""

    attempt: Attempt
    at: float
    process: Process | None
    error: BaseException | None


class Ended(NamedTuple):
    """A run's command has exited, at that moment."""

    attempt: Attempt
    at: float


class SlotThreads:
    """As many threads as there are slots, each made when there is something for it, and the runs lined up for them.

    `entries` is how many runs the lock file has room for: those that run, and those that ended and
    were not let go of yet.
    """

    def __init__(self, launcher: Launcher, lock: LockFile, *, slots: int, entries: int) -> None:
        self._stuck = 0  # threads that wait for what cannot be ended
        self._launcher = launcher
        self._lock = lock
        self._out, self._in = os.pipe()
        for fd in (self._out, self._in):
            os.set_blocking(fd, False)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._mutex = threading.Lock()  # for what follows, up to the news
        self._changed = threading.Condition(self._mutex)
        self._orders: deque[RunOrder] = deque()
        self._cap = slots
        self._busy: set[Attempt] = set()
        self._free_entries = list(range(entries))
        self._entries: dict[Attempt, int] = {}
        self._idle = 0
        self._is_closed = False
        self._news: deque[Begun | Ended] = deque()
        self._is_rung = False  # since the last take()
        self._threads: list[threading.Thread] = []
        self._is_patient = False
        self.error: BaseException | None = None
        """What ended a thread before its time; for the caller to raise."""
        try:
            self._add_thread()
        except RuntimeError:  # there is none to have
            os.close(self._out)
            os.close(self._in)
            raise

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to take that cannot wait."""
        return self._out

    @property
    def busy(self) -> int:
        """Return how many slots are taken."""
        return len(self._busy)

    @property
    def lined_up(self) -> int:
        """Return how many runs wait for a slot."""
        return len(self._orders)

    @property
    def has_backlog(self) -> bool:
        """Whether slots have runs to go on with, so that they need not tell at once how one ended."""
        return self._is_patient and bool(self._orders)

    @property
    def valid_until(self) -> float:
        """Return the moment after which the first of the runs that wait is not begun any more."""
        with self._mutex:
            return self._orders[0].until if self._orders else NEVER

    @property
    def cap(self) -> int:
        """Return how many slots may be taken."""
        return self._cap

    @cap.setter
    def cap(self, cap: int) -> None:
        with self._mutex:
            self._cap = cap
            lacking = len(self._orders) - self._idle
            self._changed.notify_all()
        self._add_threads(lacking)

    def line_up(self, orders: Sequence[RunOrder]) -> None:
        """Have commands started in this order, each as soon as a slot is free."""
        with self._mutex:
            self._orders.extend(orders)
            lacking = len(self._orders) - self._idle
            self._changed.notify(len(orders))
        self._add_threads(lacking)

    def withdraw(self, attempts: Collection[Attempt] | None = None) -> list[Attempt]:
        """Take back runs that wait, some or all; returns those that no slot had taken."""
        with self._mutex:
            withdrawn = [order for order in self._orders if attempts is None or order.attempt in attempts]
            for order in withdrawn:
                self._orders.remove(order)
        if self._news:  # it may not have been rung for while there were others to go on with
            self._ring()
        return [order.attempt for order in withdrawn]

    def set_patient(self, is_patient: bool) -> None:
        """Set whether the loop looks before long by itself, as long as runs are lined up."""
        self._is_patient = is_patient
        if self._news and not is_patient:
            self._ring()

    def pause(self, pause_s: float) -> None:
        """Let the slots go on by themselves for so long, or until something cannot wait."""
        self._poll.poll(pause_s * 1000)

    def take(self) -> list[Begun | Ended]:
        """Return what has happened since the last time."""
        with suppress(BlockingIOError):
            os.read(self._out, 65536)  # also where nothing happened: it may be rung for what was taken already
        self._is_rung = False  # before the news are taken: those from now on ring again
        return [self._news.popleft() for _ in range(len(self._news))]

    def let_go(self, attempt: Attempt, *, is_stuck: bool = False) -> None:
        """Take note that a run is over: its slot is free, if it was not already.

        Where its command goes on and cannot be ended, a thread `is_stuck` with that, and another takes its place.
        """
        if is_stuck:
            self._stuck += 1
            with suppress(RuntimeError):
                self._add_thread()
        with self._mutex:
            if (entry := self._entries.pop(attempt, None)) is not None:
                self._lock.clear(entry)
                self._free_entries.append(entry)
            if attempt in self._busy:
                self._busy.remove(attempt)
                self._changed.notify()

    def close(self) -> bool:
        """End the threads, of which every run must have ended or have been abandoned; returns whether all have.

        One may wait for a command that not even KILL ends, and will ring once it has.
        """
        with self._mutex:
            self._is_closed = True
            self._changed.notify_all()
        give_up_at = time.monotonic() + LINGER_S
        for thread in self._threads:
            thread.join(max(0.0, give_up_at - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            return False
        os.close(self._out)
        os.close(self._in)
        return True

    def _add_threads(self, lacking: int) -> None:
        for _ in range(min(lacking, self._cap + self._stuck - len(self._threads))):
            with suppress(RuntimeError):  # no more threads can be had: those that are there take turns
                self._add_thread()

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._run, name="slot", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _run(self) -> None:
        over: Attempt | None = None
        try:
            while (taken := self._next(over)) is not None:
                over = self._carry_out(*taken)
        except BaseException as error:  # nobody would hear of it in here
            self.error = error
            self._ring()

    def _next(self, over: Attempt | None) -> tuple[RunOrder, int] | None:
        """Free the slot of a run that is over, then wait for one to begin; returns its entry in the lock file too."""
        with self._mutex:
            if over is not None:
                self._busy.discard(over)
            while not self._is_closed:
                if self._may_begin():
                    return self._take_order()
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
        return None

    def _may_begin(self) -> bool:
        is_room = len(self._busy) < self._cap and self._free_entries
        return bool(self._orders and is_room) and time.monotonic() <= self._orders[0].until

    def _take_order(self) -> tuple[RunOrder, int]:
        order = self._orders.popleft()
        self._busy.add(order.attempt)
        entry = self._entries[order.attempt] = self._free_entries.pop()
        self._lock.launching(entry, order.token)
        return order, entry

    def _carry_out(self, order: RunOrder, entry: int) -> Attempt | None:
        """Start a run's command and wait for its end; returns the run where its slot may go on without the loop.

        It may not after a run of which something may be left, nor after a job's last attempt: lost before it
        is recorded, that would be dead.
        """
        attempt = order.attempt
        at = time.monotonic()
        try:
            process = self._launcher.spawn(order.invocation)
        except BaseException as error:  # whatever it is, it is the loop's to deal with
            self._tell(Begun(attempt, at, None, error), is_urgent=True)
            return None
        self._lock.running(entry, order.token, process.pid, born_s=process.born_s)
        self._tell(Begun(attempt, at, process, None))
        may_go_on = process.wait() and not attempt.is_stopped and not attempt.job.is_last_attempt
        self._tell(Ended(attempt, time.monotonic()), is_urgent=not may_go_on)
        return attempt if may_go_on else None

    def _tell(self, news: Begun | Ended, *, is_urgent: bool = False) -> None:
        self._news.append(news)
        if is_urgent or not self.has_backlog or len(self._news) >= 2 * TOGETHER:
            self._ring()

    def _ring(self) -> None:
        if not self._is_rung:
            self._is_rung = True
            os.write(self._in, b"!")


@contextmanager
def quick_switches() -> Iterator[None]:
    """Have threads take turns more quickly than Python lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
