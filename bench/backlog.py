"""What a long backlog costs: claims, a real worker's rate and memory, and a look at the queue, at 10k and 1M pending.

Both stores are made once and measured by turns; what a turn took out is enqueued again behind it.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.working import ROOT, family, fill, median_and_range, new_directory, working
from queuectl import Queue, Result

SMALL = 10_000
WANTS = (8, 64)
CLAIMS = 2_000
SLOTS = 8
WORK_S = 3.0
LONG_WORK_S = 15.0
TOO_LONG_S = 30.0
AIM_RATIO = 0.8
AIM_MIB = 60
LOOKS = (("status",), ("list", "--limit", "20"))


class Work(NamedTuple):
    """What a worker process did: jobs a second, and its anonymous memory at the beginning and the end, in MiB."""

    rate: float
    mib_first: float
    mib_last: float
    mib_guardian: float


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench backlog", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="in the large store")
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement, by turns")
    parser.add_argument("--dir", type=Path, help="where the stores are made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    with new_directory(options.dir) as home:
        small, large = home / "small", home / "large"
        fill(small, SMALL)
        fill(large, options.jobs)
        print(f"{'':28s}{SMALL:>12,}{options.jobs:>12,}   ratio, median and range of {options.rounds} rounds")
        for want in WANTS:
            print_rates(f"exchange of {want}", options.rounds, partial(claimed, want=want), small, large)
        print_rates(
            f"worker, {SLOTS} slots, `true`", options.rounds, lambda path: worked(path, WORK_S).rate, small, large
        )
        print_memory(worked(large, LONG_WORK_S))
        for words in LOOKS:
            print_look(words, options.rounds, small, large)
    return 0


def print_rates(name: str, rounds: int, measure: Callable[[Path], float], small: Path, large: Path) -> None:
    pairs = [(measure(small), measure(large)) for _ in range(rounds)]
    few, many = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratios = median_and_range([each[1] / each[0] for each in pairs])
    print(f"{name:28s}{few:>10,.0f}/s{many:>10,.0f}/s   {ratios}   aim {AIM_RATIO}", flush=True)


def claimed(path: Path, *, want: int) -> float:
    """Return jobs a second through the worker's transaction: as many results in as jobs out."""
    with Queue.open(path, create=False) as queue:
        results: list[Result] = []
        begun = time.perf_counter()
        for _ in range(CLAIMS // want):
            answer = queue.worker("bench").exchange(results, want=want, lease_s=60)
            if len(answer.claimed) < want or len(answer.settled) < len(results):
                raise SystemExit(f"{len(answer.claimed)} claimed of {want}, and {len(answer.refused)} refused")
            results = [Result(job, "completed", 0) for job in answer.claimed]
        seconds = time.perf_counter() - begun
        queue.worker("bench").exchange(results, want=0, lease_s=60)
    count = CLAIMS // want * want
    fill(path, count)
    return count / seconds


def worked(path: Path, seconds: float) -> Work:
    """Have a worker work for a while, and measure it from its first jobs on."""
    with Queue.open(path, create=False) as queue:
        before = completed(queue)
        with working(path, SLOTS) as worker:
            await_more(queue, before)
            first, begun, mib_first = completed(queue), time.perf_counter(), anonymous_mib(worker.pid)
            time.sleep(seconds)
            last, seconds, mib_last = completed(queue), time.perf_counter() - begun, anonymous_mib(worker.pid)
            guardians = [each.pid for each in family(worker.pid) if "queuectl.liveness.guardian" in each.words]
            mib_guardian = sum(anonymous_mib(pid) for pid in guardians)
        done = completed(queue) - before
        if not queue.jobs(state="pending", limit=1):
            raise SystemExit("the worker ran out of jobs, so its rate means nothing")
    fill(path, done)
    return Work((last - first) / seconds, mib_first, mib_last, mib_guardian)


def await_more(queue: Queue, before: int) -> None:
    until = time.monotonic() + TOO_LONG_S
    while completed(queue) == before:
        if time.monotonic() > until:
            raise SystemExit(f"the worker completed nothing within {TOO_LONG_S:g} s")
        time.sleep(0.01)


def completed(queue: Queue) -> int:
    return next(count for state, count in queue.status().jobs.items() if state == "completed")


def anonymous_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) / 1024


def print_memory(work: Work) -> None:
    print(
        f"worker's memory on the larger: {work.mib_first:.1f} MiB anonymous at the beginning,"
        f" {work.mib_last:.1f} after {LONG_WORK_S:g} s (aim {AIM_MIB}), its guardian {work.mib_guardian:.1f}",
        flush=True,
    )


def print_look(words: tuple[str, ...], rounds: int, small: Path, large: Path) -> None:
    pairs = [(looked_ms(small, words), looked_ms(large, words)) for _ in range(rounds)]
    few, many = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratios = median_and_range([each[1] / each[0] for each in pairs])
    print(f"{'queuectl ' + ' '.join(words):28s}{few:>10,.0f}ms{many:>10,.0f}ms   {ratios}", flush=True)


def looked_ms(path: Path, words: tuple[str, ...]) -> float:
    begun = time.perf_counter()
    command = [sys.executable, "-m", "queuectl", "--db", str(path), *words]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1000
