"""Starts commands in threads of its own, so that the loop goes on while the kernel makes their processes.

Half a millisecond of a spawn is spent waiting in the kernel: with two threads that time is used by the
loop, and by each other. What came of each order is collected with take(), when fileno() is readable.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import SimpleQueue
from typing import Final, NamedTuple

from ..job import Job
from ..surroundings import processors
from .process import Launcher, Process

THREADS: Final = 4
"""How many spawns at a time are worth it, where there are as many processors and slots."""


class Order(NamedTuple):
    """A command to be started for a job; `started` is called with its process id, in the thread that started it."""

    job: Job
    env: Mapping[str, str]
    started: Callable[[int], None]


class Landed(NamedTuple):
    """What came of an order, begun at a moment of the monotonic clock: a process, or why there is none."""

    job: Job
    begun_at: float
    process: Process | None
    error: BaseException | None


class Spawner:
    """A few threads that start commands."""

    def __init__(self, base_env: Mapping[bytes, bytes], *, slots: int) -> None:
        self._out, self._in = os.pipe()
        try:
            self._launcher = Launcher(base_env)
        except BaseException:
            os.close(self._out)
            os.close(self._in)
            raise
        for fd in (self._out, self._in):
            os.set_blocking(fd, False)
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._landed: deque[Landed] = deque()
        self._is_rung = False  # since the last take()
        self._threads = [
            threading.Thread(target=self._run, name="spawner", daemon=True)
            for _ in range(min(slots, processors(), THREADS))
        ]
        for thread in self._threads:
            thread.start()

    def fileno(self) -> int:
        """Give the descriptor that is readable when there is something to take."""
        return self._out

    def order(self, order: Order) -> None:
        """Have a command started."""
        self._orders.put(order)

    def take(self) -> list[Landed]:
        """Give what has come of orders since the last time."""
        with suppress(BlockingIOError):
            os.read(self._out, 65536)  # also where nothing has landed: it may be rung for what was taken already
        self._is_rung = False  # before they are taken: what lands from now on rings again
        return [self._landed.popleft() for _ in range(len(self._landed))]

    def close(self) -> None:
        """End the threads, once they have carried out what was ordered."""
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join()
        self._launcher.close()
        os.close(self._out)
        os.close(self._in)

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            self._landed.append(self._carry_out(order))
            if not self._is_rung:
                self._is_rung = True
                os.write(self._in, b"!")

    def _carry_out(self, order: Order) -> Landed:
        spec = order.job.spec
        begun_at = time.monotonic()
        try:
            process = self._launcher.spawn(spec.command, cwd=spec.cwd, env=order.env)
        except BaseException as error:  # whatever it is, it is the loop's to deal with
            return Landed(order.job, begun_at, None, error)
        order.started(process.pid)
        return Landed(order.job, begun_at, process, None)
