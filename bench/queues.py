"""What many queues cost: one claim over all of them and from a few by name, and looks at them, beside one queue."""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.working import new_directory
from queuectl import JobRequest, Queue
from queuectl.core.job_filter import filter_of

A_QUEUE = 3
"""Jobs in each of the many queues."""

CLAIMS = 200
NAMED = 8
LOOKS = 5
AIM_MS = 1.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench queues", description=__doc__)
    parser.add_argument("--queues", type=int, default=20_000)
    parser.add_argument("--dir", type=Path, help="where the stores are made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    names = [f"q{n:05d}" for n in range(options.queues)]
    with (
        new_directory(options.dir) as home,
        Queue.open(home / "one") as one,
        Queue.open(home / "many") as many,
    ):
        one.enqueue_many([JobRequest("true", queue=names[0])] * (A_QUEUE * len(names)))
        many.enqueue_many([JobRequest("true", queue=name) for name in names * A_QUEUE])
        print(f"{'median, and of the processor':34s}{'1 queue':>18}{len(names):>12,} queues")
        some = names[:: len(names) // NAMED or 1][:NAMED]
        print_times(f"exchange of 1 (aim {AIM_MS:g} ms)", CLAIMS, one, many, partial(exchanged, queues=None))
        print_times(
            f"the same, {len(some)} queues by name", NAMED * A_QUEUE // 2, one, many, partial(exchanged, queues=some)
        )
        print_times("status", LOOKS, one, many, Queue.status)
        print_times("overview", LOOKS, one, many, lambda queue: queue.ui.overview())
        print_times("backlog", LOOKS, one, many, Queue.backlog)
        print_times("count", LOOKS, one, many, lambda queue: queue.ui.count(filter_of(state="pending")))
        print_times("list, 20 pending", LOOKS, one, many, lambda queue: queue.jobs(state="pending", limit=20))
        print_times("list, 20 of a queue", LOOKS, one, many, lambda queue: queue.jobs(queue=names[0], limit=20))
    return 0


def exchanged(queue: Queue, *, queues: list[str] | None) -> None:
    if len(queue.worker("bench").exchange([], want=1, lease_s=3600, queues=queues).claimed) != 1:
        raise SystemExit("there was nothing left to claim, so its time means nothing")


def print_times(name: str, rounds: int, one: Queue, many: Queue, do: Callable[[Queue], object]) -> None:
    shown = [timed(rounds, queue, do) for queue in (one, many)]
    print(f"{name:34s}" + "".join(f"{wall:>10.2f} {own:>6.2f} ms" for wall, own in shown), flush=True)


def timed(rounds: int, queue: Queue, do: Callable[[Queue], object]) -> tuple[float, float]:
    """Return the median of the time taken, and of the processor's: the first has the disk in it."""
    wall, own = [], []
    for _ in range(rounds):
        begun, begun_own = time.perf_counter(), time.process_time()
        do(queue)
        wall.append((time.perf_counter() - begun) * 1000)
        own.append((time.process_time() - begun_own) * 1000)
    return statistics.median(wall), statistics.median(own)
