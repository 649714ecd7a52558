"""From an enqueue to the start of its command, by a worker that was idle, and what such a worker costs.

The command is `echo > PIPE`, run by a copy of the shell. Two moments are seen from here, both counted
from the return of Queue.enqueue: the kernel opening the shell to execute it (inotify), which is the start
of the command, and the byte in the named pipe, its first output: the shell's own start lies between. The
same command spawned right here, by turns, tells how much of it any launcher pays.

Whoever watches must be woken to see: where the machine lets it, it watches with real-time priority, for
on a busy processor its own turn comes half a millisecond late otherwise.
"""

import argparse
import ctypes
import os
import random
import select
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.working import family, must_be_completed, new_directory, working
from queuectl import Queue

SLOTS = 8
PAUSE_S = (0.005, 0.030)
AIM_MS = {"p50": 2.0, "p99": 10.0}
AIM_IDLE_PERCENT = 1.0
FIRST_JOBS = 5
"""Not counted: the worker may still be starting."""

TOO_LONG_S = 10.0
SETTLE_S = 2.0

IN_OPEN = 0x20
EVENT_BYTES = 4096


class Moments(NamedTuple):
    """When a command was started, and when it was first heard of."""

    started_at: float
    heard_at: float


class Observed:
    """A command whose start and first output can be waited for."""

    def __init__(self, home: Path) -> None:
        program, pipe = home / "sh", home / "pipe"
        shutil.copy("/bin/sh", program)
        os.mkfifo(pipe)
        self.words = (str(program), "-c", f"echo > {pipe}")
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # held open, so that a writer never waits
        libc = ctypes.CDLL(None, use_errno=True)
        self._opened = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._opened < 0 or libc.inotify_add_watch(self._opened, os.fsencode(program), IN_OPEN) < 0:
            raise SystemExit("this benchmark needs inotify, to see when a program is executed")

    def moments(self) -> Moments:
        """Wait for a start and an output, and give their moments."""
        with _watchful():
            started_at = _readable_at(self._opened)
            heard_at = _readable_at(self._pipe)
        os.read(self._opened, EVENT_BYTES)
        os.read(self._pipe, 1)
        return Moments(started_at, heard_at)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._opened)
        os.close(self._pipe)


@contextmanager
def _watchful() -> Iterator[None]:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _is_watchful() -> bool:
    with _watchful():
        return os.sched_getscheduler(0) == os.SCHED_FIFO


def _readable_at(fd: int) -> float:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    if not poll.poll(TOO_LONG_S * 1000):
        raise SystemExit(f"no command started within {TOO_LONG_S:g} s")
    return time.perf_counter()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench latency", description=__doc__)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--idle", type=float, default=10, help="seconds for which the idle worker is watched")
    parser.add_argument("--dir", type=Path, help="where the store is made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    with new_directory(options.dir) as home:
        with (
            Queue.open(home / "db") as queue,
            closing(Observed(home)) as command,
            working(queue.path, SLOTS) as worker,
        ):
            measure(queue, command, FIRST_JOBS)
            found = measure(queue, command, options.jobs)
            idle = idle_percent(worker.pid, options.idle)
        must_be_completed(home / "db", options.jobs + FIRST_JOBS)
    if not _is_watchful():
        print("watched without real-time priority: starts include the watcher's own waking")
    print_row("enqueue returns", found.enqueues, {})
    print_row("then the command starts", found.starts, AIM_MS)
    print_row("and is heard of", found.outputs, {})
    print_row("spawned here, it starts", found.spawn_starts, {})
    print_row("and is heard of", found.spawn_outputs, {})
    print_ratio("ratio, start to start", found.starts, found.spawn_starts)
    print_ratio("ratio, output to output", found.outputs, found.spawn_outputs)
    print(f"{'idle worker':26s}{idle:>8.2f} % of a processor   aim {AIM_IDLE_PERCENT:g} %")
    return 0


class Times(NamedTuple):
    """Seconds of each enqueue, from its return to the command, and from a spawn of the same to it."""

    enqueues: list[float]
    starts: list[float]
    outputs: list[float]
    spawn_starts: list[float]
    spawn_outputs: list[float]


def measure(queue: Queue, command: Observed, jobs: int) -> Times:
    chance = random.Random(jobs)
    times = Times([], [], [], [], [])
    for _ in range(jobs):
        time.sleep(chance.uniform(*PAUSE_S))
        begun = time.perf_counter()
        queue.enqueue(command.words)
        returned = time.perf_counter()
        seen = command.moments()
        times.enqueues.append(returned - begun)
        times.starts.append(seen.started_at - returned)
        times.outputs.append(seen.heard_at - returned)
        time.sleep(chance.uniform(*PAUSE_S))
        begun = time.perf_counter()
        pid = os.posix_spawn(command.words[0], command.words, os.environ)
        seen = command.moments()
        os.waitpid(pid, 0)
        times.spawn_starts.append(seen.started_at - begun)
        times.spawn_outputs.append(seen.heard_at - begun)
    return times


def idle_percent(worker: int, seconds: float) -> float:
    """Return the share of a processor that an idle worker takes, with all its children."""
    time.sleep(SETTLE_S)
    before = {each.pid: each.ran_s for each in family(worker)}
    time.sleep(seconds)
    return 100 * sum(each.ran_s - before.get(each.pid, 0) for each in family(worker)) / seconds


def print_row(name: str, seconds: list[float], aims: dict[str, float]) -> None:
    cuts = statistics.quantiles(seconds, n=100)
    found = {"p50": cuts[49], "p99": cuts[98], "max": max(seconds)}
    cells = [f"{key} {value * 1000:6.2f} ms" for key, value in found.items()]
    aim = "   aim " + ", ".join(f"{key} {value:g} ms" for key, value in aims.items()) if aims else ""
    print(f"{name:26s}" + "   ".join(cells) + aim)


def print_ratio(name: str, ours: list[float], theirs: list[float]) -> None:
    print(f"{name:26s}{statistics.median(ours) / statistics.median(theirs):>8.2f}")
