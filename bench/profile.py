"""Where the engine's time goes: calls and own time by function, of one enqueue at a time, in bulk, and of claims.

Each workload runs once by itself, for the time a job takes, and once under Python's own profiler, which makes calls
dearer than they are: so the shares tell, and not the sums. In memory where the machine has /dev/shm: without the disk.
"""

import argparse
import cProfile
import pstats
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from queuectl import Queue

SHOWN: Final = 15
IN_MEMORY: Final = Path("/dev/shm")


def single(queue: Queue, jobs: int) -> None:
    """Enqueue one job after the other."""
    for _ in range(jobs):
        queue.enqueue("true")


def bulk(queue: Queue, jobs: int) -> None:
    """Enqueue jobs by the ten thousand."""
    for start in range(0, jobs, 10_000):
        queue.enqueue_many(["true"] * min(10_000, jobs - start))


def claims(queue: Queue, jobs: int) -> None:
    """Claim and complete jobs by the thousand, which are there."""
    worker = queue.worker("w")
    for _ in range(0, jobs, 1_000):
        worker.complete_many(worker.claim(1_000))


WORKLOADS: Final[dict[str, tuple[Callable[[Queue, int], None], int]]] = {
    "single": (single, 5_000),
    "bulk": (bulk, 50_000),
    "claims": (claims, 20_000),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench profile", description=__doc__)
    parser.add_argument("workloads", nargs="*", choices=[[], *WORKLOADS], help="which (default: all)")
    options = parser.parse_args(arguments)
    for name in options.workloads or WORKLOADS:
        home = Path(tempfile.mkdtemp(dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
        try:
            with Queue.open(home / "q") as queue:
                show(name, queue)
        finally:
            shutil.rmtree(home)
    return 0


def show(name: str, queue: Queue) -> None:
    """Run a workload twice, and print what a job takes and where that goes."""
    work, jobs = WORKLOADS[name]
    bulk(queue, 3 * jobs)
    begun = time.perf_counter()
    work(queue, jobs)
    took_us = (time.perf_counter() - begun) / jobs * 1e6
    profile = cProfile.Profile()
    profile.runcall(work, queue, jobs)
    found = pstats.Stats(profile).get_stats_profile()
    calls = sum(int(str(each.ncalls).split("/")[0]) for each in found.func_profiles.values())
    print(f"{name}: {took_us:.1f} us and {calls / jobs:.0f} calls a job")
    rows = sorted(found.func_profiles.items(), key=lambda row: -row[1].tottime)
    for function, each in rows[:SHOWN]:
        where = f"{Path(each.file_name).parent.name}/{Path(each.file_name).name}:{each.line_number}"
        print(f"  {each.tottime / found.total_tt:6.1%}  {function[:40]:40s} {where if each.line_number else ''}")
