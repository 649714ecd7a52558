"""From an enqueue to the start of its command, by a worker that was idle, and what such a worker costs.

The time runs from the return of Queue.enqueue to the moment at which this process sees a byte in a
named pipe that the command writes: `echo > PIPE`, run by a shell. So it has in it the worker's waking, its
durable transaction, the start of /bin/sh and one write. Spawning the same line right here, by turns,
tells how much of it any launcher pays.
"""

import argparse
import os
import random
import select
import statistics
import time
from contextlib import closing
from pathlib import Path

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


class Pipe:
    """A named pipe that is held open, so that a writer never waits."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.line = f"echo > {path}"
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def heard_at(self) -> float:
        """Wait for a byte and give the moment at which it was there."""
        if not self._poll.poll(TOO_LONG_S * 1000):
            raise SystemExit(f"no command started within {TOO_LONG_S:g} s")
        moment = time.perf_counter()
        os.read(self._fd, 1)
        return moment

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._fd)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench latency", description=__doc__)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--idle", type=float, default=10, help="seconds for which the idle worker is watched")
    parser.add_argument("--dir", type=Path, help="where the store is made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    with new_directory(options.dir) as home:
        with (
            Queue.open(home / "db") as queue,
            closing(Pipe(home / "pipe")) as pipe,
            working(queue.path, SLOTS) as worker,
        ):
            measure(queue, pipe, FIRST_JOBS)
            enqueues, starts, spawns = measure(queue, pipe, options.jobs)
            idle = idle_percent(worker.pid, options.idle)
        must_be_completed(home / "db", options.jobs + FIRST_JOBS)
    print_row("enqueue returns", enqueues, {})
    print_row("then command starts", starts, AIM_MS)
    print_row("the same line spawned", spawns, {})
    print(f"{'ratio of the medians':24s}{statistics.median(starts) / statistics.median(spawns):>8.2f}")
    print(f"{'idle worker':24s}{idle:>8.2f} % of a processor   aim {AIM_IDLE_PERCENT:g} %")
    return 0


def measure(queue: Queue, pipe: Pipe, jobs: int) -> tuple[list[float], list[float], list[float]]:
    """Give the seconds of each enqueue, from there to its command, and of a spawn of the same."""
    chance = random.Random(jobs)
    enqueues, starts, spawns = [], [], []
    for _ in range(jobs):
        time.sleep(chance.uniform(*PAUSE_S))
        begun = time.perf_counter()
        queue.enqueue(pipe.line)
        returned = time.perf_counter()
        enqueues.append(returned - begun)
        starts.append(pipe.heard_at() - returned)
        time.sleep(chance.uniform(*PAUSE_S))
        spawns.append(spawned(pipe))
    return enqueues, starts, spawns


def spawned(pipe: Pipe) -> float:
    begun = time.perf_counter()
    pid = os.posix_spawn("/bin/sh", ["/bin/sh", "-c", pipe.line], os.environ)
    moment = pipe.heard_at()
    os.waitpid(pid, 0)
    return moment - begun


def idle_percent(worker: int, seconds: float) -> float:
    """Give the share of a processor that an idle worker takes, with all its children."""
    time.sleep(SETTLE_S)
    before = {each.pid: each.ran_s for each in family(worker)}
    time.sleep(seconds)
    return 100 * sum(each.ran_s - before.get(each.pid, 0) for each in family(worker)) / seconds


def print_row(name: str, seconds: list[float], aims: dict[str, float]) -> None:
    cuts = statistics.quantiles(seconds, n=100)
    found = {"p50": cuts[49], "p99": cuts[98], "max": max(seconds)}
    cells = [f"{key} {value * 1000:6.2f} ms" for key, value in found.items()]
    aim = "   aim " + ", ".join(f"{key} {value:g} ms" for key, value in aims.items()) if aims else ""
    print(f"{name:24s}" + "   ".join(cells) + aim)
