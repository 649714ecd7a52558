"""What the benchmarks of the worker share: stores full of jobs, and worker processes as their users start them.

Full sync, as everywhere. A worker prints its lines into the null device.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from queuectl import JobRequest, Queue

ROOT = Path(__file__).parents[1]
BATCH = 1_000


class Process(NamedTuple):
    """A process as /proc shows it; `ran_s` is its processor time so far."""

    pid: int
    parent: int
    ran_s: float
    words: str


@contextmanager
def new_directory(parent: Path | None) -> Iterator[Path]:
    """Yield a directory that is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="queuectl-bench-", dir=parent))
    try:
        yield home
    finally:
        shutil.rmtree(home)


def fill(path: Path, jobs: int, command: str = "true") -> None:
    """Enqueue so many jobs."""
    with Queue.open(path) as queue:
        for first in range(0, jobs, BATCH):
            queue.enqueue_many([JobRequest(command)] * min(BATCH, jobs - first))


def start_worker(path: Path, *options: str) -> "subprocess.Popen[bytes]":
    """Start a worker as a user does."""
    words = [sys.executable, "-m", "queuectl", "--db", str(path), "worker", "start", *options]
    return subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


@contextmanager
def working(path: Path, slots: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Have a worker at work, that is stopped afterwards."""
    worker = start_worker(path, "--count", str(slots))
    try:
        yield worker
    finally:
        worker.terminate()
        if worker.wait(60) != 0:
            raise SystemExit(f"the worker ended with {worker.returncode}, so its figures mean nothing")


def seconds_of(*processes: Sequence[str], feed: bytes = b"") -> float:
    """Return how long commands take side by side, each ending with 0."""
    begun = time.perf_counter()
    started = [subprocess.Popen(each, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT) for each in processes]
    for process in started:
        process.communicate(feed)
    seconds = time.perf_counter() - begun
    if failed := [process.args for process in started if process.returncode != 0]:
        raise SystemExit(f"these failed, so their speed means nothing: {failed}")
    return seconds


def draining(path: Path, slots: int) -> list[str]:
    """Return the command of a worker that ends once all is done."""
    return [
        *(sys.executable, "-m", "queuectl", "--db", str(path)),
        *("worker", "start", "--count", str(slots), "--drain"),
    ]


def must_be_completed(path: Path, jobs: int) -> None:
    """Stop the benchmark where not all jobs completed."""
    with Queue.open(path, create=False) as queue:
        counts = {str(state): count for state, count in queue.status().jobs.items() if count}
    if counts != {"completed": jobs}:
        raise SystemExit(f"of {jobs} jobs are {counts}, so the speed means nothing")


def run_apart(name: str, size: int, directory: Path | None) -> dict[str, float]:
    """Have a benchmark measure one size in a process of its own, whose memory nothing else has filled."""
    command = [sys.executable, "-m", "bench", name, "--one", str(size)]
    command += ["--dir", str(directory)] if directory else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def median_and_range(values: Sequence[float], *, decimals: int = 2) -> str:
    """Return a median with its range, for people."""
    middle, least, most = (f"{each:,.{decimals}f}" for each in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({least} to {most})"


def family(pid: int) -> list[Process]:
    """Return a process and all that descend from it."""
    everyone = list(_processes())
    found = [each for each in everyone if each.pid == pid]
    for member in found:  # grows while it is walked
        found += [each for each in everyone if each.parent == member.pid]
    return found


def _processes() -> Iterator[Process]:
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile
            stat = (directory / "stat").read_text().rpartition(")")[2].split()
            words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            # In nanoseconds: `stat` counts the ticks at which a process was caught running, and an idle one is never.
            ran_ns = sum(int(path.read_text().split()[0]) for path in directory.glob("task/*/schedstat"))
            yield Process(int(directory.name), int(stat[1]), ran_ns / 1e9, words)
