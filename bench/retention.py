"""What retention costs: events let go a second, how long it makes others wait, a worker's rate beside it, and space.

As `queuectl compact` does it, beside nothing else; as workers do it by themselves (`retention_s`), beside
their work, by turns with workers that do not; and under churn, many rounds of jobs that come, end and go.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.engine import drain
from bench.working import draining, fill, median_and_range, must_be_completed, new_directory, seconds_of
from queuectl import JobRequest, Queue
from queuectl.store.store import Store, Transaction

BATCH = 1_000
CHURN_ROUNDS = 40
CHURN_JOBS = 2_000
ENDED_BEFORE = 20_000
"""Jobs that had ended before the worker beside whom they go begins."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench retention", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="of ended jobs, that a compact lets go")
    parser.add_argument("--jobs", type=int, default=10_000, help="`true` jobs in each drain; a worker looks every 5 s")
    parser.add_argument("--rounds", type=int, default=3, help="of workers with and without, by turns")
    parser.add_argument("--dir", type=Path, help="where the stores are made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    with new_directory(options.dir) as home:
        compacted(home / "q", options.events)
    with new_directory(options.dir) as home:
        beside_work(home, options.jobs, options.rounds)
    with new_directory(options.dir) as home:
        churned(home / "q")
    return 0


@contextmanager
def timed_writes(took: list[float]) -> Iterator[None]:
    """Note how long each write transaction of this process takes, its commit included."""
    write = Store.write

    @contextmanager
    def timed(store: Store) -> Iterator[Transaction]:
        begun = time.perf_counter()
        with write(store) as txn:
            yield txn
        took.append(time.perf_counter() - begun)

    Store.write = timed  # type: ignore[method-assign]
    try:
        yield
    finally:
        Store.write = write  # type: ignore[method-assign]


def compacted(path: Path, events: int) -> None:
    """Compact a queue in which everything has ended."""
    fill(path, events // 3)
    took: list[float] = []
    with Queue.open(path) as queue:
        drain(queue, events // 3, BATCH)
        begun = time.perf_counter()
        with timed_writes(took):
            done = queue.admin.compact(older_than_s=0)
        seconds = time.perf_counter() - begun
    archived = sum(Path(each).stat().st_size for each in done.segments)
    print(
        f"compact  {done.events:,} events in {seconds:.1f} s: {done.events / seconds:,.0f}/s;"
        f" {len(took):,} transactions, the longest {max(took) * 1e3:.0f} ms,"
        f" the median {sorted(took)[len(took) // 2] * 1e3:.0f} ms"
    )
    print(
        f"archive  {archived / done.events:.1f} bytes an event of {done.bytes / done.events:.1f} in the log,"
        f" {len(done.segments)} segments"
    )


def beside_work(home: Path, jobs: int, rounds: int) -> None:
    """Compare a worker that lets old jobs go beside its work with one that does not."""
    rates: dict[bool, list[float]] = {True: [], False: []}
    gone = 0
    for number in range(rounds):
        for retains in (True, False) if number % 2 else (False, True):
            path = home / f"{number}-{retains}"
            left, seconds = drained(path, jobs, retains=retains)
            rates[retains].append(jobs / seconds)
            gone += ENDED_BEFORE - left if retains else 0
    ratios = [beside / alone for beside, alone in zip(rates[True], rates[False], strict=True)]
    print(
        f"worker   {median_and_range(rates[True])} jobs/s with retention, {median_and_range(rates[False])} without;"
        f" ratio {median_and_range(ratios)}; {gone // rounds:,} of {ENDED_BEFORE:,} old jobs went meanwhile"
    )


def drained(path: Path, jobs: int, *, retains: bool) -> tuple[int, float]:
    """Return how many old jobs a worker has left, and how long it took for its jobs."""
    fill(path, ENDED_BEFORE)
    with Queue.open(path) as queue:
        drain(queue, ENDED_BEFORE, BATCH)
        if retains:
            queue.admin.config_set("retention_s", 1)
    fill(path, jobs)
    time.sleep(1)  # until what ended is old enough
    seconds = seconds_of(draining(path, 8))
    with Queue.open(path) as queue:
        left = queue.status().jobs["completed"]  # type: ignore[index]
    if not retains:
        must_be_completed(path, jobs + ENDED_BEFORE)
    return max(0, left - jobs), seconds


def churned(path: Path) -> None:
    """Let jobs come, end and go, round after round, and see that the file stays as large as it was."""
    sizes: list[float] = []
    with Queue.open(path) as queue:
        for _ in range(CHURN_ROUNDS):
            for _ in range(CHURN_JOBS // BATCH):
                queue.enqueue_many([JobRequest("true")] * BATCH)
            drain(queue, CHURN_JOBS, BATCH)
            queue.admin.compact(older_than_s=0)
            sizes.append((path / "data.mdb").stat().st_size / 1e6)
    shown = " ".join(f"{size:.1f}" for size in sizes[:: CHURN_ROUNDS // 8])
    print(f"churn    {CHURN_ROUNDS} rounds of {CHURN_JOBS:,} jobs: {shown}, at the end {sizes[-1]:.1f} MB")
