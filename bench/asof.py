"""What a look into the past costs: --as-of at random positions of a long log, as whole processes."""

import argparse
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.working import ROOT, new_directory
from queuectl import JobRequest, Queue, Result

BLOCK = 1_000
AIM_S = 2.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench asof", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="in the log")
    parser.add_argument("--looks", type=int, default=12, help="at random positions, of each verb")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dir", type=Path, help="where the store is made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    with new_directory(options.dir) as home:
        path = home / "queue"
        live(path, options.events)
        begun = time.perf_counter()
        with Queue.open(path) as queue:
            head, job_id = queue.log.head(), queue.jobs(state="completed", limit=1)[0].id
            made = queue.admin.make_snapshots(with_head=False) or []
        seconds, megabytes = time.perf_counter() - begun, sum(each.file_bytes for each in made) / 1e6
        print(
            f"{head:,} events, {(path / 'data.mdb').stat().st_size / 1e6:,.0f} MB;"
            f" {len(made)} snapshots of {megabytes:,.0f} MB in all, made in {seconds:.1f} s"
        )
        dice = random.Random(options.seed)
        verbs = {
            "status": ["status"],
            "list": ["list", "--limit", "20"],
            "list, pending": ["list", "--state", "pending", "--limit", "20"],
            "dlq list": ["dlq", "list", "--limit", "20"],
            "show": ["show", job_id],
        }
        worst = 0.0
        for name, words in verbs.items():
            first = head * 99 // 100 if name == "show" else 1  # that job is a late one
            took = [looked_s(path, words, dice.randint(first, head)) for _ in range(options.looks)]
            worst = max(worst, *took)
            print(f"{name:14s} --as-of: median {statistics.median(took):.2f} s, max {max(took):.2f} s", flush=True)
        print(f"the slowest took {worst:.2f} s (aim {AIM_S:g})")
    return 0


def live(path: Path, events: int) -> None:
    """Return a queue a life of jobs that complete, fail, die and wait."""
    with Queue.open(path) as queue:
        results: list[Result] = []
        while queue.log.head() < events:
            queue.enqueue_many(
                [JobRequest(f"process --part {queue.log.head() + n}", priority=n % 3) for n in range(BLOCK)]
            )
            for _ in range(2):
                claimed = queue.worker("bench").exchange(results, want=BLOCK // 2 - 10, lease_s=60).claimed
                results = [
                    Result(job, "completed", 0, duration_ms=3)
                    if job.number % 50
                    else Result(job, "failed", 1, None, "exit_code", "exit code 1", 3)
                    for job in claimed
                ]


def looked_s(path: Path, words: list[str], position: int) -> float:
    begun = time.perf_counter()
    command = [sys.executable, "-m", "queuectl", "--db", str(path), *words, "--as-of", str(position)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0 and "no job" not in done.stderr:  # it may not have been there then
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return time.perf_counter() - begun
