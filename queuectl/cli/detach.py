"""A worker in the background: its own session, a log file in the data directory, no terminal."""

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import QueuectlError
from ..system.files import open_private
from ..system.run_mark import unmarked
from .output.format import escape
from .output.table import line

if TYPE_CHECKING:
    from ..queue import Queue

START_S = 10.0
"""How long a worker may take to show up in the list."""

LOOK_EVERY_S = 0.1


def detach_worker(queue: "Queue", options: list[str]) -> None:
    """Start a worker in the background and print its id, pid and log file once it is at work.

    Raises QueuectlError with the last line of its log when it ended at once with an error.
    """
    before = {info.id for info in queue.workers()}
    log = queue.path / f"worker-{datetime.now():%Y%m%dT%H%M%S%f}.log"
    words = [*this_python(), "-m", "queuectl", "--db", str(queue.path), "worker", "start", "--foreground", *options]
    with os.fdopen(open_private(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=unmarked(os.environb),
            start_new_session=True,
        )
    worker = _wait_for(queue, process, log, before)
    if worker is None:
        line(f"The worker found nothing left to do and has ended, log: {escape(str(log))}")
    else:
        line(f"Worker {escape(worker)} started in the background (pid {process.pid}), log: {escape(str(log))}")


def this_python() -> list[str]:
    """Return how to start the Python that this is, for a module of ours."""
    # Unless this is how queuectl itself was found, a module in the directory that one happens to be in
    # must not take the place of one of ours.
    return [sys.executable] if str(Path.cwd()) in sys.path else [sys.executable, "-P"]


def _wait_for(queue: "Queue", process: "subprocess.Popen[bytes]", log: Path, before: set[str]) -> str | None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        for info in queue.workers():
            if info.pid == process.pid and info.id not in before:  # a dead one may have had the same
                return info.id
        if (code := process.poll()) is not None:
            if code == 0:
                return None  # it found nothing to drain
            raise QueuectlError(f"the worker exited at once with code {code} (its log is {log}): {_last_line(log)}")
        queue.log.wait_for_change(queue.log.head(), LOOK_EVERY_S)
    raise QueuectlError(f"worker process {process.pid} has not shown up in `queuectl worker list`; its log is {log}")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((text for text in reversed(lines) if text.strip()), "nothing in its log")
