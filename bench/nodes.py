"""Nodes that share a log: what they enqueue, claim and complete a second, and how many claims come too late.

The stream is in memory, and so costs nothing but what it is told to wait for each append. Nodes are threads with
directories of their own, all at once; each does one job after the other, and claims the one that is first everywhere,
so that most races that there can be are run. Threads take turns in one interpreter: what several nodes do together is
the less the more processors they wake each other on (`taskset -c 0` spares them that), and less than machines would do.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.working import median_and_range, new_directory
from queuectl import Job, Queue, Result
from queuectl.events.event_stream import Message, Outrun, Published
from tests.streams import MemoryStream

NODES = (1, 2, 4)
APPEND_MS = (0.0, 1.0)
LEASE_S = 3600.0


class SlowStream(MemoryStream):
    """A stream as far away as it is told: those who append wait side by side."""

    def __init__(self, append_ms: float) -> None:
        super().__init__()
        self._append_s = append_ms / 1000

    def publish(self, batch: Sequence[Message], *, whole: bool) -> list[Published | Outrun]:
        """Publish messages, after the wait."""
        if self._append_s:
            time.sleep(self._append_s)
        return super().publish(batch, whole=whole)


class Rates(NamedTuple):
    """What a round came to: jobs a second, and claims that came too late for one that was won."""

    enqueued: float
    done: float
    lost: float


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench nodes", description=__doc__)
    parser.add_argument("--jobs", type=int, default=400, help="in each round, of all nodes together")
    parser.add_argument("--rounds", type=int, default=3, help="of each number of nodes, by turns")
    parser.add_argument("--want", type=int, default=1, help="how many jobs a node claims at a time")
    parser.add_argument("--dir", type=Path, help="where the stores are made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    print(f"{'nodes':>5s}{'an append':>11s}{'enqueue/s':>26s}{'claim + complete/s':>26s}{'lost claims per won':>26s}")
    for append_ms in APPEND_MS:
        measure = partial(measured, append_ms=append_ms, jobs=options.jobs, want=options.want, directory=options.dir)
        rounds = [[measure(count) for count in NODES] for _ in range(options.rounds)]
        for at, count in enumerate(NODES):
            print_row(count, append_ms, [row[at] for row in rounds])
    return 0


def print_row(count: int, append_ms: float, rounds: list[Rates]) -> None:
    enqueued, done, lost = zip(*rounds, strict=True)
    shown = [median_and_range(enqueued, decimals=0), median_and_range(done, decimals=0), median_and_range(lost)]
    print(f"{count:5d}{append_ms:8g} ms" + "".join(f"{each:>26s}" for each in shown), flush=True)


def measured(count: int, *, append_ms: float, jobs: int, want: int, directory: Path | None) -> Rates:
    with new_directory(directory) as home, ExitStack() as opened:
        stream = SlowStream(append_ms)
        nodes = [opened.enter_context(Queue.open(home / f"node{n}", stream=stream)) for n in range(count)]
        enqueue_s = seconds_side_by_side(nodes, partial(enqueue, jobs=jobs // count))
        for node in nodes:
            node._engine.writer.catch_up()
        done_s = seconds_side_by_side(nodes, partial(work, want=want))
        jobs = jobs // count * count
        for node in nodes:
            node._engine.writer.catch_up()
            if node.status().jobs.get("completed") != jobs:
                raise SystemExit(f"of {jobs} jobs are {node.status().jobs}, so the speed means nothing")
        return Rates(jobs / enqueue_s, jobs / done_s, stream.outrun / jobs)


def seconds_side_by_side(nodes: list[Queue], do: Callable[[Queue], None]) -> float:
    """Return how long all nodes take to do something at once."""
    with ThreadPoolExecutor(len(nodes)) as threads:
        begun = time.perf_counter()
        list(threads.map(do, nodes))
        return time.perf_counter() - begun


def enqueue(node: Queue, *, jobs: int) -> None:
    for _ in range(jobs):
        node.enqueue("true")


def work(node: Queue, *, want: int) -> None:
    """Claim and complete until nothing is left to claim."""
    worker = node.worker(node.path.name)
    held: list[Job] = []
    while True:
        results = [Result(job, "completed", 0) for job in held]
        held = worker.exchange(results, want=want, lease_s=LEASE_S).claimed
        if not held:
            return
