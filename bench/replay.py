"""Replay at 1M and 10M events: fold and index rebuild, comparison, and how long the last transaction holds the lock.

Each size runs in a process of its own, over a log of a worker's real life: enqueued, claimed, started,
completed, and one run in twenty failed and tried again. Beside it, in the same run, what no Python
program on these tables can do without: reading, checking and unpacking each event, and appending the
views' rows sorted. A second replay, over the views that the first one put in place, must find no difference.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Final

from bench.working import run_apart
from queuectl.events.append import Append
from queuectl.events.codec import unpack_envelope
from queuectl.events.types import NEW_STREAM, Claimed, Completed, Enqueued, Event, Failed, JobSpec, Recorded, Started
from queuectl.projections import rebuild
from queuectl.store.event_reader import EventReader
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import VIEW_TABLES, Store, no_collection

SIZES: Final = (1_000_000, 10_000_000)
JOBS: Final = 250
"""Jobs that are enqueued, and worked on, together."""

PORTION: Final = 5_000
SPENT: Final = ", a second of processor"
"""Of a row: by the processor's time, which is steadier than the clock's where others share the machine."""

SECOND: Final = 1_000_000


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench replay", description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=list(SIZES), help="events, one run each")
    parser.add_argument(
        "--processors", type=int, help="how many may be used (default: all): with one, one process folds"
    )
    parser.add_argument("--dir", type=Path, help="where the stores are made (default: the temporary directory)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.one, options.dir)))
        return 0
    if options.processors:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.processors])
    print_table([run_apart("replay", size, options.dir) for size in options.events])
    return 0


def measure(size: int, directory: Path | None) -> dict[str, float]:
    home = Path(tempfile.mkdtemp(prefix="queuectl-bench-", dir=directory))
    try:
        with Store.open(home / "queue", create=True) as store:
            begun = time.perf_counter()
            events = make_log(store, size)
            made = events / (time.perf_counter() - begun)
            rebuild.rebuild(store, swap=True)
            held = [memory_mib()]
            begun, spent = time.perf_counter(), spent_s()
            found = rebuild.rebuild(store, swap=True, progress=lambda *_: held.append(memory_mib()))
            whole, spent = events / (time.perf_counter() - begun), spent_s() - spent
            if found.differences:
                raise SystemExit(f"the views are wrong, so the speed means nothing: {found.differences}")
            bare, bare_spent = measure_bare(store, events)
    finally:
        shutil.rmtree(home)
    return {
        "events": events,
        "log made": made,
        "fold and index rebuild": events / found.fold_s,
        "all": whole,
        f"all{SPENT}": events / spent,
        "bare": bare,
        f"bare{SPENT}": bare_spent,
        "last transaction ms": found.held_s * 1000,
        "memory MiB": max(held),
    }


def spent_s() -> float:
    """Return the processor's time of this process and of those that it waited for."""
    return sum(os.times()[:4])


def memory_mib() -> float:
    """Return what this process holds of its own: the mapped file counts with the rest, but is the kernel's to drop."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def make_log(store: Store, size: int) -> int:
    """Append events to the log alone, in large transactions, until there are `size`; returns how many there are."""
    chance = random.Random(1)
    at_us, done = 1_700_000_000 * SECOND, 0
    while done < size:
        with store.write() as txn:
            log = EventWriter(txn)
            for _ in range(20):
                at_us = live(log, at_us, chance)
            done = log.head()
    return done


def live(log: EventWriter, at_us: int, chance: random.Random) -> int:
    """Let some jobs be enqueued and run until all are completed; returns the time after it."""

    def happen(batch: list[Append], actor: str = "worker:host-4711") -> list[Recorded]:
        return log.append(batch, at_us=at_us, actor=actor)

    specs = [spec(log.head() + n) for n in range(JOBS)]
    waiting = happen([Append(NEW_STREAM, 0, (Enqueued(each),)) for each in specs], "someone@host")
    attempt = 0
    while waiting:
        attempt += 1
        at_us += SECOND // 50
        lease = Claimed("host-4711", at_us + 60 * SECOND)
        claimed = happen([Append(each.stream, each.position, (lease,)) for each in waiting])
        batch = [
            Append(each.stream, each.position, (Started(each.position, attempt, "host", 4711),)) for each in claimed
        ]
        started = happen(batch)
        at_us += SECOND // 50
        ends = [end(each, attempt, at_us, chance) for each in claimed]
        ended = happen([Append(each.stream, each.position, (last,)) for each, last in zip(started, ends, strict=True)])
        waiting = [each for each in ended if type(each.event) is Failed]
    return at_us


def spec(number: int) -> JobSpec:
    job_id = f"job{number:010d}"
    return JobSpec(job_id, f"python3 -m work --item {number}", timeout_ms=300_000, cwd="/home/someone/project")


def end(claimed: Recorded, attempt: int, at_us: int, chance: random.Random) -> Event:
    if chance.random() < 0.05:
        return Failed(claimed.position, attempt, "exit_code", "exit code 1", 1, None, 12, at_us + 2 * SECOND)
    return Completed(claimed.position, attempt, 12)


def measure_bare(store: Store, events: int) -> tuple[float, float]:
    """Read, check and unpack each event, then append the rows of the live views to the other, empty ones.

    Gives events a second, and a second of processor.
    """
    begun, worked = time.perf_counter(), spent_s()
    with no_collection():
        for after in range(0, events, rebuild.EVENTS_AT_ONCE):
            with store.read() as txn:
                for key, value in EventReader(txn).stored(after, rebuild.EVENTS_AT_ONCE):
                    unpack_envelope(key, value)
    spent, busy = time.perf_counter() - begun, spent_s() - worked
    for table in VIEW_TABLES:
        start = b""
        while True:
            with store.read() as txn:
                rows = list(islice(txn.scan(table, start), PORTION))
            if not rows:
                break
            begun, worked = time.perf_counter(), spent_s()
            with store.write() as txn:
                txn.shadow().append(table, rows)
            spent, busy = spent + time.perf_counter() - begun, busy + spent_s() - worked
            start = rows[-1][0] + b"\0"
    return events / spent, events / busy


def print_table(rows: list[dict[str, float]]) -> None:
    print(f"{'':28s}" + "".join(f"{int(row['events']):>14,} events" for row in rows))
    for name in rows[0]:
        if name != "events":
            unit = "" if name.endswith(("ms", "MiB")) else "/s"
            print(f"{name:28s}" + "".join(f"{row[name]:>19,.0f}{unit:2s}" for row in rows))
    for name, floor, told in (
        ("fold and index rebuild", "bare", "fold and index rebuild"),
        ("all", "bare", "all"),
        (f"all{SPENT}", f"bare{SPENT}", "all, by the processors"),
    ):
        print(f"{told + ' / bare':28s}" + "".join(f"{row[name] / row[floor]:>19.2f}  " for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
