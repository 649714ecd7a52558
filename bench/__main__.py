"""Run a benchmark by name: `python -m bench engine`."""

import sys
from compileall import compile_dir
from importlib import import_module

from bench.working import ROOT

NAMES = {
    "engine": "enqueue, claim + complete and replay rates at 10k, 100k and 1M jobs, beside bare LMDB",
    "single": "one enqueue at a time, by one thread and by eight of one program, beside bare LMDB",
    "profile": "where the engine's time goes, by function: one enqueue at a time, in bulk, and claims",
    "replay": "fold, index rebuild and comparison at 1M and 10M events, beside bare reading and writing",
    "shell": "`true` jobs a second by a worker with 2, 8 and 32 slots, beside xargs -P and others",
    "cli": 'a verb as a whole process, beside `python -c "import click"`',
    "latency": "from an enqueue to the start of its command, and what an idle worker costs",
    "backlog": "claims, a worker's rate and memory, status and list, with 10k and with 1M jobs pending",
    "queues": "a claim, status, list and counts with 20,000 queues, beside one",
    "limits": "claim + complete of jobs that use one key, 10,000, and a limit over them, beside jobs without limits",
    "labels": "list and cancel by a label that 10 of 1M jobs have, and what labels cost an enqueue",
    "asof": "status, list and show --as-of at random positions of 1M events, as whole processes",
    "retention": "events let go a second, the longest transaction, a worker beside it, the file's size under churn",
    "verify": "verify at 1M events: all of it, and its parts, which work beside each other",
    "nodes": "1, 2 and 4 nodes that share a log: enqueue and claim + complete rates, and claims that come too late",
    "workers": "1, 2 and 4 worker processes on one store: rate, shares, and that nothing runs twice",
}


def main() -> int:
    """Run the benchmark named on the command line."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        listed = "\n".join(f"  {name:10s} {what}" for name, what in NAMES.items())
        print(f"usage: python -m bench NAME [OPTIONS]\n{listed}", file=sys.stderr)
        return 2
    compile_dir(ROOT / "queuectl", quiet=1)  # as an installed package is, whatever the environment says of that
    return int(import_module(f"bench.{sys.argv[1]}").main(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
