"""Jobs of the shell line `true` a second, by a worker process with full sync, beside `xargs -P`.

The worker's whole life is timed, its start included; enqueueing is done before. xargs, which keeps nothing, runs as
many `sh -c true` in the same round. Where GNU parallel, task-spooler and nq are installed, they
run fewer jobs, once, all of them enqueued before the time is taken where that can be.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.working import draining, fill, median_and_range, must_be_completed, new_directory, seconds_of

SLOTS = (2, 8, 32)
AIM = {8: 0.9}
PEER_SLOTS = 8
PEER_JOBS = {"parallel": 1_000, "tsp": 500, "nq": 200}
"""nq looks at all earlier jobs before each, and task-spooler keeps a process for each that waits."""

NQ_CLEANS_UP_S = 5.0
"""How long at most it takes nq to remove a job's file, behind the moment at which it counts as done."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench shell", description=__doc__)
    parser.add_argument("--jobs", type=int, default=5_000, help="in each drain")
    parser.add_argument("--rounds", type=int, default=5, help="of queuectl and xargs by turns")
    parser.add_argument("--slots", type=int, nargs="+", default=list(SLOTS), help="commands at a time")
    parser.add_argument("--dir", type=Path, help="where the stores are made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    print(f"{'slots':>5s}{'queuectl':>12s}{'xargs':>12s}   ratio, median and range of {options.rounds} rounds")
    rates = {slots: compare(slots, options.jobs, options.rounds, options.dir) for slots in options.slots}
    with new_directory(options.dir) as home:
        print_peers(home, rates.get(PEER_SLOTS))
    return 0


def compare(slots: int, jobs: int, rounds: int, directory: Path | None) -> float:
    """Measure both by turns, print a row, and give the rate of xargs."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        turns: list[Callable[[], None]] = [
            lambda: ours.append(drained(slots, jobs, directory)),
            lambda: theirs.append(spawned(slots, jobs)),
        ]
        for turn in turns if number % 2 else reversed(turns):
            turn()
    ratios = [own / their for own, their in zip(ours, theirs, strict=True)]
    aim = f"   aim {AIM[slots]}" if slots in AIM else ""
    mine, xargs = statistics.median(ours), statistics.median(theirs)
    print(f"{slots:>5}{mine:>10,.0f}/s{xargs:>10,.0f}/s   {median_and_range(ratios)}{aim}", flush=True)
    return xargs


def drained(slots: int, jobs: int, directory: Path | None) -> float:
    with new_directory(directory) as home:
        fill(home / "db", jobs)
        seconds = seconds_of(draining(home / "db", slots))
        must_be_completed(home / "db", jobs)
    return jobs / seconds


def spawned(slots: int, jobs: int) -> float:
    numbers = "".join(f"{number}\n" for number in range(jobs)).encode()
    return jobs / seconds_of(["xargs", f"-P{slots}", "-n1", "sh", "-c", "true"], feed=numbers)


def print_peers(home: Path, xargs: float | None) -> None:
    peers = {"parallel": parallel, "tsp": task_spooler, "nq": nq}
    for name, measure in peers.items():
        if shutil.which(name) is None:
            print(f"{name} is not installed")
            continue
        jobs = PEER_JOBS[name]
        rate = jobs / measure(home, jobs)
        ratio = "" if xargs is None else f", {rate / xargs:.2f} of xargs -P{PEER_SLOTS}"
        slots = "one at a time" if name == "nq" else f"{PEER_SLOTS} slots"
        print(f"{name} ({slots}, {jobs} jobs): {rate:,.0f}/s{ratio}", flush=True)


def parallel(home: Path, jobs: int) -> float:
    numbers = "".join(f"{number}\n" for number in range(jobs)).encode()
    return seconds_of(["parallel", f"-j{PEER_SLOTS}", "true"], feed=numbers)


def task_spooler(home: Path, jobs: int) -> float:
    """Enqueue behind a job that waits in the only slot; the last one needs all the slots, so it ends last."""
    env = {**os.environ, "TS_SOCKET": str(home / "socket"), "TS_SLOTS": "1", "TMPDIR": str(home)}
    gate = home / "tsp-gate"
    os.mkfifo(gate)
    try:
        run(env, "tsp", "-n", "sh", "-c", f"read line < {gate}")
        for _ in range(jobs):
            run(env, "tsp", "-n", "sh", "-c", "true")
        run(env, "tsp", "-n", "-N", str(PEER_SLOTS), "true")
        begun = time.perf_counter()
        gate.write_text("go\n")
        run(env, "tsp", "-S", str(PEER_SLOTS))
        run(env, "tsp", "-w", str(jobs + 1))
        seconds = time.perf_counter() - begun
        if (done := run(env, "tsp", "-l").count(" finished ")) != jobs + 2:
            raise SystemExit(f"tsp finished {done} jobs of {jobs + 2}")
        return seconds
    finally:
        subprocess.run(["tsp", "-K"], env=env, check=False)


def nq(home: Path, jobs: int) -> float:
    """Enqueue behind a job that waits; nq runs one at a time."""
    env = {**os.environ, "NQDIR": str(home / "nq")}
    gate = home / "nq-gate"
    os.mkfifo(gate)
    run(env, "nq", "-q", "-c", "sh", "-c", f"read line < {gate}")
    for _ in range(jobs):
        run(env, "nq", "-q", "-c", "sh", "-c", "true")
    begun = time.perf_counter()
    gate.write_text("go\n")
    run(env, "nq", "-w")
    seconds = time.perf_counter() - begun
    give_up_at = time.monotonic() + NQ_CLEANS_UP_S
    while left := list((home / "nq").iterdir()):  # -c removes what is done
        if time.monotonic() > give_up_at:
            raise SystemExit(f"nq left {len(left)} jobs of {jobs + 1}")
        time.sleep(0.01)
    return seconds


def run(env: Mapping[str, str], *words: str) -> str:
    done = subprocess.run(words, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout
