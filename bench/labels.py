"""What a label finds among many jobs: list and cancel by a label that few have, enqueues with and without labels."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from bench.working import new_directory
from queuectl import JobRequest, Queue
from queuectl.core.job_filter import Filter, filter_of

FEW = 10
AIM_MS = 100.0
AT_ONCE = 50_000


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench labels", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--dir", type=Path, help="where the stores are made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    with new_directory(options.dir) as home:
        sample = min(options.jobs, AT_ONCE)
        for name, labels in (("without labels", None), ("with two labels", {"team": "a", "release": "7"})):
            with Queue.open(home / name) as queue:
                _, own_ms = timed(lambda queue=queue, labels=labels: fill(queue, sample, labels))
                print(f"{'enqueue ' + name:34s}{own_ms / sample * 1000:>10.1f} us of the processor a job", flush=True)
        with Queue.open(home / "many") as queue:
            fill(queue, options.jobs - FEW, None)
            fill(queue, FEW, {"release": "7"})
            where = filter_of(labels="release=7")
            print(f"{f'{FEW} of {options.jobs:,} jobs':34s}{'taken':>10}{'of the processor':>20}")
            print_time("list by label", lambda: found(queue, where))
            print_time("list by label, pending", lambda: found(queue, filter_of(labels="release", state="pending")))
            print_time(f"cancel by label (aim {AIM_MS:g} ms)", lambda: cancelled(queue, where))
            print_time("list by label, cancelled", lambda: found(queue, filter_of(labels="release", state="cancelled")))
    return 0


def fill(queue: Queue, count: int, labels: dict[str, str] | None) -> None:
    for start in range(0, count, AT_ONCE):
        queue.enqueue_many([JobRequest("true", labels=labels)] * min(AT_ONCE, count - start))


def found(queue: Queue, where: Filter) -> None:
    if len(queue.jobs(where)) != FEW:
        raise SystemExit("it did not find the jobs that have the label, so its time means nothing")


def cancelled(queue: Queue, where: Filter) -> None:
    if len(queue.ui.act_on_all(queue.ui.choose("cancel", where)).ids) != FEW:
        raise SystemExit("it did not cancel the jobs that have the label, so its time means nothing")


def print_time(name: str, do: Callable[[], object]) -> None:
    wall_ms, own_ms = timed(do)
    print(f"{name:34s}{wall_ms:>7.2f} ms{own_ms:>17.2f} ms", flush=True)


def timed(do: Callable[[], object]) -> tuple[float, float]:
    begun, begun_own = time.perf_counter(), time.process_time()
    do()
    return (time.perf_counter() - begun) * 1000, (time.process_time() - begun_own) * 1000
