"""`python -m tests.soak`: workers are killed and frozen at random under load, and the checker looks for what broke."""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from queuectl import Queue
from queuectl.events.types import Enqueued
from tests.soak.chaos import BLOWS, Chaos
from tests.soak.checker import Evidence, parse, runs_of, violations
from tests.soak.processes import all_of
from tests.waiting import wait_until

DRAIN_S: Final = 40.0
VANISH_S: Final = 6.0
"""Longer than what a command that has ended well may leave behind goes on."""

SHOWN: Final = 50


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long the blows fall")
    parser.add_argument("--seed", type=int, help="what the choices are made from")
    parser.add_argument("--keep", action="store_true", help="leave the directory, as is done where something broke")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 20) if options.seed is None else options.seed
    home = Path(tempfile.mkdtemp(prefix="queuectl-soak-"))
    print(f"seed {seed}, {options.seconds:g} s, in {home}", flush=True)
    begun = time.monotonic()
    chaos = Chaos(home, seed)
    evidence = soak(chaos, options.seconds)
    found = violations(evidence)
    print_summary(chaos, evidence, time.monotonic() - begun)
    print_violations(found)
    if not (found or options.keep):
        shutil.rmtree(home)
    return 1 if found else 0


def soak(chaos: Chaos, seconds: float) -> Evidence:
    """Let it rage, let it calm down, and gather what can be known of it."""
    Queue.open(chaos.db_path).close()
    try:
        chaos.rage(seconds)
        chaos.calm(drain_s=DRAIN_S)
        leftovers = those_left_over(chaos.db_path)
    finally:
        chaos.end()
        put_down_all(chaos.db_path)
    with Queue.open(chaos.db_path, create=False) as queue:
        events = list(queue.events())
        differences = queue.admin.replay(check=True).differences
    lines = [parse(line) for path in chaos.journals.iterdir() for line in path.read_text().splitlines()]
    # The last line of one who was killed may be half of one.
    acknowledged = [
        line for path in chaos.acknowledged.iterdir() for line in path.read_text().rpartition("\n")[0].splitlines()
    ]
    return Evidence(acknowledged, events, lines, differences, leftovers, chaos.troubles)


def those_left_over(db_path: Path) -> list[str]:
    """Return the processes of a queue that do not go away."""
    with suppress(AssertionError):
        wait_until(lambda: not all_of(db_path), timeout_s=VANISH_S)
    return [f"process {each.pid}: {each.words}" for each in all_of(db_path)]


def put_down_all(db_path: Path) -> None:
    """Leave nothing behind, whatever went wrong."""
    for each in all_of(db_path):
        with suppress(ProcessLookupError):
            os.kill(each.pid, signal.SIGKILL)


def print_summary(chaos: Chaos, evidence: Evidence, seconds: float) -> None:
    runs = runs_of(evidence.events)
    ends = [run.end for run in runs.values()]
    rows = {
        "jobs": sum(isinstance(each.event, Enqueued) for each in evidence.events),
        "jobs acknowledged": len(evidence.acknowledged),
        "attempts": len(runs),
        **{f"attempts {end or 'open'}": ends.count(end) for end in sorted(set(ends))},
        "events": len(evidence.events),
        "workers started": chaos.counts["workers started"],
        **{("frozen" if blow == "freeze" else f"killed: {blow}"): chaos.counts[blow] for blow in BLOWS},
    }
    for name, number in rows.items():
        print(f"{name:24s}{number:>8,}")
    print(f"{'seconds':24s}{seconds:>8.0f}")


def print_violations(found: list[str]) -> None:
    for each in found[:SHOWN]:
        print(f"VIOLATION: {each}")
    print(f"{len(found)} violations" if found else "No violations.")


if __name__ == "__main__":
    sys.exit(main())
