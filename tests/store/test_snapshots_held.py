"""What one process reads stays as it was, whoever else opens, closes and writes meanwhile."""

import os
import subprocess
import sys
from pathlib import Path

from queuectl.queue import Queue
from queuectl.store.store import Store

OTHER = """
import sys
from pathlib import Path
from queuectl.store.store import Store
with Store.open(Path(sys.argv[1]), create=False) as store:
    print(store._shared.opened.env.reader_check(), flush=True)
"""


def test_a_slot_is_given_back_before_the_process_seems_dead(tmp_path: Path) -> None:
    """Whoever looks for dead readers finds no slot of a process that has ended its reads, and frees none."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true")
    with Store.open(tmp_path / "q", create=False) as store:
        with store.read() as txn:
            txn.last("log")
        assert str(os.getpid()) not in store._shared.opened.env.readers()
        assert txn is not None  # a name that still stands for it holds no slot


def test_a_slot_that_is_kept_is_one_of_a_living_process(tmp_path: Path) -> None:
    """Rows that were not read to their end hold a slot on, and others leave it alone meanwhile."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue_many(["true"] * 10)
    with Store.open(tmp_path / "q", create=False) as store:
        with store.read() as txn:
            rows = txn.scan("log")
            next(rows)
        done = subprocess.run(
            [sys.executable, "-c", OTHER, str(tmp_path / "q")], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout == "0\n"
        del rows
        with store.read() as txn:
            txn.last("log")
        assert str(os.getpid()) not in store._shared.opened.env.readers()
