"""One, two and four worker processes with as many slots in all, draining one store of `true` jobs.

Tells whether several are slower than one, how evenly the jobs fall to them, and whether any job
ran more than once. The whole life of the processes is timed, and beside it the time from the first job's start
to the last one's end, by the log.
"""

import argparse
import statistics
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from bench.working import draining, fill, median_and_range, must_be_completed, new_directory, seconds_of
from queuectl import Queue

PROCESSES = (1, 2, 4)
SLOTS = 8


class Drain(NamedTuple):
    """What one drain came to: jobs a second, and jobs of the least and the most busy worker."""

    rate: float
    rate_at_work: float
    least: int
    most: int
    run_again: int


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench workers", description=__doc__)
    parser.add_argument("--jobs", type=int, default=3_000, help="in each drain")
    parser.add_argument("--rounds", type=int, default=5, help="of each number of processes, by turns")
    parser.add_argument("--dir", type=Path, help="where the stores are made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    rounds = [{count: drain(count, options.jobs, options.dir) for count in PROCESSES} for _ in range(options.rounds)]
    print(f"{'processes x slots':18s}{'whole':>9s}{'at work':>10s}   ratio to one, whole / at work   jobs a worker")
    for count in PROCESSES:
        print_row(count, [each[count] for each in rounds], [each[1] for each in rounds])
    if again := sum(each.run_again for row in rounds for each in row.values()):
        raise SystemExit(f"{again} jobs ran more than once")
    print("no job ran more than once")
    return 0


def drain(processes: int, jobs: int, directory: Path | None) -> Drain:
    with new_directory(directory) as home:
        path = home / "db"
        fill(path, jobs)
        seconds = seconds_of(*[draining(path, SLOTS // processes)] * processes)
        must_be_completed(path, jobs)
        with Queue.open(path, create=False) as queue:
            started = list(queue.events(types=["started"]))
            given_back = {each.event.token for each in queue.events(types=["released"])}
            ended = list(queue.events(types=["completed"]))[-1]
    runs = Counter(each.stream for each in started if each.event.token not in given_back)
    shares = Counter(each.actor for each in started)
    least = min(shares.values()) if len(shares) == processes else 0
    at_work_s = (ended.at_us - started[0].at_us) / 1_000_000
    again = sum(count > 1 for count in runs.values())
    return Drain(jobs / seconds, jobs / at_work_s, least, max(shares.values()), again)


def print_row(processes: int, drains: list[Drain], ones: list[Drain]) -> None:
    whole = [each.rate / one.rate for each, one in zip(drains, ones, strict=True)]
    at_work = [each.rate_at_work / one.rate_at_work for each, one in zip(drains, ones, strict=True)]
    rate = statistics.median(each.rate for each in drains)
    rate_at_work = statistics.median(each.rate_at_work for each in drains)
    shares = f"{min(each.least for each in drains)} to {max(each.most for each in drains)}"
    print(
        f"{processes} x {SLOTS // processes:<14}{rate:>7,.0f}/s{rate_at_work:>8,.0f}/s   "
        f"{median_and_range(whole)} / {median_and_range(at_work)}   {shares}"
    )
