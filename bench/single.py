"""One enqueue at a time, each on disk before the next: by one thread, and by several of one program.

Beside it, in turn with it, the yardstick of this machine at this moment: bare LMDB that commits as many rows of the
same sizes in as many tables as one enqueue writes, with nothing decided, typed or checked.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import lmdb

from bench.working import median_and_range, new_directory
from queuectl import Queue

TABLES: Final = (("log", 8, 150), ("streams", 8, 8), ("jobs", 8, 130), ("ids", 12, 12), ("ready", 22, 4))
"""What an enqueue adds a row to: the bytes of a key and of a value."""

CHANGED: Final = (("marks", 13, 12), ("marks", 7, 12))
"""What has one row, that an enqueue changes: a queue's counts, and how far the views are."""

MAP_SIZE: Final = 16 << 30


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench single", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2_000, help="a round, by each way")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=8, help="a divisor of the jobs")
    parser.add_argument("--dir", type=Path, help="where the stores are made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    if options.jobs % options.threads:
        parser.error(f"{options.jobs} jobs are not as many for each of {options.threads} threads")
    rates: dict[str, list[float]] = {"bare": [], "one thread": [], f"{options.threads} threads": []}
    with new_directory(options.dir) as home, Queue.open(home / "q") as queue:
        env = lmdb.open(str(home / "bare"), map_size=MAP_SIZE, max_dbs=8, lib_version=0)
        tables = {name: env.open_db(name.encode()) for name, *_ in (*TABLES, *CHANGED)}
        for turn in range(options.rounds):
            begin = turn * options.jobs
            rates["bare"].append(rate(options.jobs, lambda begin=begin: write_bare(env, tables, begin, options.jobs)))
            rates["one thread"].append(rate(options.jobs, lambda: enqueue(queue, options.jobs)))
            several = f"{options.threads} threads"
            rates[several].append(rate(options.jobs, lambda: enqueue_by(queue, options.jobs, options.threads)))
        if queue.log.head() != 2 * options.rounds * options.jobs:
            raise SystemExit("jobs are missing, so the speed means nothing")
    for name, found in rates.items():
        print(f"{name:12s}{median_and_range(found)} a second")
    bare, one, more = rates.values()
    print(f"one thread / bare       {statistics.median(a / b for a, b in zip(one, bare, strict=True)):.2f}")
    print(f"several / one thread    {statistics.median(a / b for a, b in zip(more, one, strict=True)):.2f}")
    return 0


def rate(count: int, work: Callable[[], object]) -> float:
    """Return how many of a number are done in a second."""
    begun = time.perf_counter()
    work()
    return count / (time.perf_counter() - begun)


def enqueue(queue: Queue, count: int) -> None:
    """Enqueue jobs one after the other."""
    for _ in range(count):
        queue.enqueue("true")


def enqueue_by(queue: Queue, count: int, threads: int) -> None:
    """Enqueue jobs by several threads, each one after the other."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: enqueue(queue, count // threads), range(threads)))


def write_bare(env: lmdb.Environment, tables: dict[str, object], begin: int, count: int) -> None:
    """Commit as many rows as enqueues would."""
    for number in range(begin, begin + count):
        with env.begin(write=True) as txn:
            for name, key, value in TABLES:
                txn.put(number.to_bytes(key, "big"), bytes(value), db=tables[name])
            for name, key, value in CHANGED:
                txn.put(bytes(key), number.to_bytes(value, "big"), db=tables[name])
