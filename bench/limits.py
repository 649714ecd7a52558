"""What limits cost a claim and its end: one key, many, and a limit that all share over these, beside jobs without.

All stores are made once and measured by turns; what a turn took out is enqueued again behind it.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

from bench.working import BATCH, median_and_range, new_directory
from queuectl import JobRequest, Queue, Result

KEYS = 10_000
WANTS = (1, 8, 64)
JOBS_A_ROUND = 2_000
ROOM = 128
"""Units of each limit: more than one exchange takes, so that it is never a limit that makes one cheap."""
AIM_KEYS = 1.5
AIM_LIMITS = 1.5


class Kind(NamedTuple):
    """What the jobs of a store use, by their place in line, and beside which other store it is measured, if any."""

    use: Callable[[int], list[str]]
    beside: str = ""
    aim: float | None = None


class Took(NamedTuple):
    """How long something took by the clock, and of the processor, in microseconds."""

    wall_us: float
    own_us: float


KINDS = {
    "no limits": Kind(lambda at: []),
    "one plain limit": Kind(lambda at: ["api"], "no limits", AIM_LIMITS),
    "1 key": Kind(lambda at: ["user:0"], "no limits", AIM_LIMITS),
    f"{KEYS:,} keys": Kind(lambda at: [f"user:{at % KEYS}"], "1 key", AIM_KEYS),
    f"{KEYS:,} keys, a limit over them": Kind(lambda at: [f"user:{at % KEYS}", "api"], "no limits", AIM_LIMITS),
}


class Filled:
    """A queue with so many jobs of a kind, to which as many are added as are taken out."""

    def __init__(self, path: Path, kind: Kind, jobs: int) -> None:
        self.queue = Queue.open(path)
        self._places = count()
        self._kind = kind
        for name in ("user", "api"):
            self.queue.limits.set(name, running=ROOM)
        self.add(jobs)

    def add(self, jobs: int) -> None:
        """Enqueue jobs behind those there are."""
        for start in range(0, jobs, BATCH):
            places = islice(self._places, min(BATCH, jobs - start))
            self.queue.enqueue_many([JobRequest("true", use=self._kind.use(at)) for at in places])

    def round_us(self, want: int) -> Took:
        """Return how long a job's claim and its end take, in exchanges of so many."""
        results: list[Result] = []
        worker, rounds = self.queue.worker("bench"), JOBS_A_ROUND // want
        begun, begun_own = time.perf_counter(), time.process_time()
        for _ in range(rounds):
            answer = worker.exchange(results, want=want, free=want, lease_s=3600)
            if len(answer.claimed) < want or len(answer.settled) < len(results):
                raise SystemExit(f"{len(answer.claimed)} claimed of {want}, and {len(answer.refused)} refused")
            results = [Result(job, "completed", 0) for job in answer.claimed]
        wall_s, own_s = time.perf_counter() - begun, time.process_time() - begun_own
        worker.exchange(results, want=0, free=0, lease_s=3600)
        self.add(rounds * want)
        return Took(wall_s / (rounds * want) * 1_000_000, own_s / (rounds * want) * 1_000_000)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench limits", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="that wait in each store")
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement, by turns")
    parser.add_argument("--dir", type=Path, help="where the stores are made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    with new_directory(options.dir) as home:
        stores = {name: Filled(home / str(at), kind, options.jobs) for at, (name, kind) in enumerate(KINDS.items())}
        print(f"claim + complete with {options.jobs:,} jobs waiting; ratios: median and range, and of the processor")
        for want in WANTS:
            print(f"exchanges of {want}")
            took = {name: list[Took]() for name in stores}
            for _ in range(options.rounds):
                for name, store in stores.items():
                    took[name].append(store.round_us(want))
            for name in stores:
                print_row(name, took)
        for store in stores.values():
            store.queue.close()
    return 0


def print_row(name: str, took: Mapping[str, Sequence[Took]]) -> None:
    kind = KINDS[name]
    wall_us = statistics.median(each.wall_us for each in took[name])
    line = f"  {name:32s}{wall_us:>8.1f} us{1_000_000 / wall_us:>9,.0f}/s"
    if kind.beside:
        pairs = list(zip(took[name], took[kind.beside], strict=True))
        ratio = median_and_range([mine.wall_us / theirs.wall_us for mine, theirs in pairs])
        own = statistics.median(mine.own_us / theirs.own_us for mine, theirs in pairs)
        line += f"   {ratio}, {own:.2f}, of {kind.beside} (aim {kind.aim})"
    print(line, flush=True)
