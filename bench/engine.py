"""The engine alone, fully synced: enqueue_many, claim + complete, replay, bytes and memory.

Each size runs in a process of its own. Beside it, as the yardstick of this machine at this moment,
a bare LMDB loop writes rows of the same sizes into as many tables, with nothing decided, typed or
checked: no Python program on these tables can be faster.
"""

import argparse
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lmdb

from bench.working import run_apart
from queuectl import JobRequest, Queue

SIZES = (10_000, 100_000, 1_000_000)
BATCH = 1_000
MAP_SIZE = 64 << 30


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench engine", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="jobs, one run each")
    parser.add_argument("--dir", type=Path, help="where the stores are made (default: the temporary directory)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.one, options.dir)))
        return 0
    rows = [run_apart("engine", size, options.dir) for size in options.sizes]
    print_table(rows)
    return 0


def measure(size: int, directory: Path | None) -> dict[str, float]:
    home = Path(tempfile.mkdtemp(prefix="queuectl-bench-", dir=directory))
    try:
        found = {"jobs": size, **measure_bare(home / "bare", size), **measure_queue(home / "queue", size)}
    finally:
        shutil.rmtree(home)
    return found


def measure_queue(path: Path, size: int) -> dict[str, float]:
    requests = [JobRequest("true") for _ in range(BATCH)]
    with Queue.open(path) as queue:
        enqueued = rate(size, lambda: [queue.enqueue_many(requests) for _ in range(size // BATCH)])
        hundreds = rate(size // 2, lambda: drain(queue, size // 2, 100))
        thousands = rate(size // 2, lambda: drain(queue, size // 2, 1_000))
        on_disk = queue.admin.sizes()["used"] / size
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        report = queue.admin.replay(check=True)
        if report.differences or queue.status().jobs["completed"] != size:
            raise SystemExit(f"the queue is wrong, so its speed means nothing: {report.differences}")
    return {
        "enqueue": enqueued,
        "claim+complete x100": hundreds,
        "claim+complete x1000": thousands,
        "replay events": report.events / report.duration_s,
        "bytes a job": on_disk,
        "memory MiB": memory,
    }


def drain(queue: Queue, count: int, batch: int) -> None:
    while count > 0:
        claimed = queue.worker("bench").claim(min(batch, count))
        queue.worker("bench").complete_many(claimed)
        count -= len(claimed)


def measure_bare(path: Path, size: int) -> dict[str, float]:
    size = min(size, 100_000)
    env = lmdb.open(str(path), map_size=MAP_SIZE, max_dbs=8, lib_version=0)
    tables = {name: env.open_db(name.encode()) for name in ("log", "streams", "jobs", "ids", "ready", "leases")}
    enqueued = rate(size, lambda: [bare_enqueue(env, tables, n) for n in range(0, size, BATCH)])
    half = size // 2
    hundreds = rate(half, lambda: [bare_drain(env, tables, size, n, 100) for n in range(0, half, 100)])
    thousands = rate(half, lambda: [bare_drain(env, tables, size, n, 1_000) for n in range(half, size, 1_000)])
    env.close()
    return {
        "bare enqueue": enqueued,
        "bare claim+complete x100": hundreds,
        "bare claim+complete x1000": thousands,
    }


def bare_enqueue(env: lmdb.Environment, tables: dict[str, object], first: int) -> None:
    keys = [number.to_bytes(8, "big") for number in range(first + 1, first + BATCH + 1)]
    with env.begin(write=True) as txn:
        txn.cursor(tables["log"]).putmulti([(key, b"e" * 150) for key in keys], append=True)
        txn.cursor(tables["streams"]).putmulti([(key, key) for key in keys])
        txn.cursor(tables["jobs"]).putmulti([(key, b"j" * 110) for key in keys])
        txn.cursor(tables["ids"]).putmulti([(b"0t58" + key, key) for key in keys])
        txn.cursor(tables["ready"]).putmulti([(b"default\0prio" + key, b"") for key in keys])


def bare_drain(env: lmdb.Environment, tables: dict[str, object], size: int, first: int, batch: int) -> None:
    keys = [number.to_bytes(8, "big") for number in range(first + 1, first + batch + 1)]
    for half in (0, 1):
        base = size + 2 * first + half * batch + 1
        with env.begin(write=True) as txn:
            for key in keys:
                txn.get(key, db=tables["jobs"])
                txn.get(key, db=tables["streams"])
            positions = [number.to_bytes(8, "big") for number in range(base, base + batch)]
            txn.cursor(tables["log"]).putmulti([(key, b"e" * 80) for key in positions], append=True)
            txn.cursor(tables["streams"]).putmulti(list(zip(keys, positions, strict=True)))
            txn.cursor(tables["jobs"]).putmulti([(key, b"j" * 130) for key in keys])
            gone, prefix = (tables["leases"], b"expires ") if half else (tables["ready"], b"default\0prio")
            for key in keys:
                txn.delete(prefix + key, db=gone)
            if not half:
                txn.cursor(tables["leases"]).putmulti([(b"expires " + key, b"worker") for key in keys])


def rate(count: int, work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return count / (time.perf_counter() - begun)


def print_table(rows: list[dict[str, float]]) -> None:
    print(f"{'':28s}" + "".join(f"{int(row['jobs']):>14,} jobs" for row in rows))
    for name in rows[0]:
        if name != "jobs":
            unit = "" if name.startswith(("bytes", "memory")) else "/s"
            print(f"{name:28s}" + "".join(f"{row[name]:>17,.0f}{unit:2s}" for row in rows))
    for name in ("enqueue", "claim+complete x100", "claim+complete x1000"):
        print(f"{name + ' / bare':28s}" + "".join(f"{row[name] / row['bare ' + name]:>17.2f}  " for row in rows))
