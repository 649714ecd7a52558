"""What `queuectl verify` costs at 1M events: all of it, and of that the file, the log, the outputs and the views.

As the command does it: in processes of its own, which work beside each other, in short read transactions.
A store is made once, a third of its events being enqueues. Beside it the yardstick of this machine at this moment.
"""

import argparse
import statistics
import time
from hashlib import sha256
from itertools import islice
from pathlib import Path
from zlib import crc32

import msgpack

from bench.engine import drain
from bench.working import fill, median_and_range, new_directory
from queuectl import Queue
from queuectl.integrity.verify import verify
from queuectl.store.store import Store

AIM_S = 5.0
AIM_EVENTS = 1_000_000
BARE_EVENTS = 300_000
COUNTED = {"file": "bytes", "log": "events", "outputs": "runs", "views": "events", "all": "events"}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench verify", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--log-only", action="store_true", help="leave out the file, the outputs and the views")
    parser.add_argument("--dir", type=Path, help="where the store is made (default: the temporary directory)")
    options = parser.parse_args(arguments)
    bare: list[float] = []
    with new_directory(options.dir) as home:
        make(home / "q", options.events)
        rounds = []
        for _ in range(options.rounds):
            bare.append(bare_rate(home / "q"))
            rounds.append(measure(home / "q", log_only=options.log_only))
    for part, (count, _) in rounds[0].items():
        seconds = [each[part][1] for each in rounds]
        rate = count / statistics.median(seconds)
        aim = f"   aim {AIM_S * options.events / AIM_EVENTS:.1f}" if part == "log" else ""
        print(
            f"{part:8s}{count:>14,} {COUNTED[part]:7s}{statistics.median(seconds):>8.2f} s"
            f" ({min(seconds):.2f} to {max(seconds):.2f}){rate:>15,.0f}/s{aim}"
        )
    print(f"bare    a scan, CRC-32, msgpack and SHA-256, and nothing else: {median_and_range(bare)} million events/s")
    return 0


def bare_rate(path: Path) -> float:
    """Return the yardstick of this machine at this moment, in millions of events a second."""
    digest, begun, count = bytes(32), time.perf_counter(), 0
    with Store.open(path, create=False, read_only=True) as store, store.read() as txn:
        for key, value in islice(txn.scan("log"), BARE_EVENTS):
            payload = value[4:]
            crc32(payload, crc32(key))
            msgpack.unpackb(payload, use_list=False)
            digest = sha256(digest + value).digest()
            count += 1
    return count / (time.perf_counter() - begun) / 1e6


def make(path: Path, events: int) -> None:
    jobs = events // 3
    fill(path, jobs)
    with Queue.open(path) as queue:
        drain(queue, jobs, 1_000)


def measure(path: Path, *, log_only: bool) -> dict[str, tuple[int, float]]:
    begun = time.perf_counter()
    found = verify(path, log_only=log_only)
    took_s = time.perf_counter() - begun
    if not found.is_sound:
        raise SystemExit(f"the queue is wrong, so the speed means nothing: {found.problems[:3]}")
    parts = {part: figures for part, figures in found.parts.items() if figures[COUNTED[part]]}
    told = {part: (figures[COUNTED[part]], figures["seconds"]) for part, figures in parts.items()}
    return told | {"all": (found.parts["log"]["events"], took_s)}
