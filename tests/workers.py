"""Workers in processes of their own, to be waited for, signalled, frozen and heard; conftest.py has the fixtures."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from queuectl.liveness import lock_file
from tests.processes import is_alive, is_stopped
from tests.waiting import PATIENCE_S, wait_until

_SCRIPT = """
import json, sys
{prelude}
from queuectl import Queue
from queuectl.worker import start_worker
with Queue.open(sys.argv[1], {opened_with}) as queue:
    def say(lines): [print(each.text, flush=True) for each in lines]
    sys.exit(start_worker(queue, report=say, **json.loads(sys.argv[2])))
"""

_UNREAPED = """
import ctypes, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
sys.exit(subprocess.call(sys.argv[1:]))
"""


class LiveWorker:
    """A worker in a process of its own."""

    def __init__(
        self,
        path: Path,
        *,
        prelude: str = "",
        stream: Path | None = None,
        unreaped: bool = False,
        pass_fds: Collection[int] = (),
        **options: Any,
    ) -> None:
        script = _SCRIPT
        if stream is not None:  # the socket of one that nodes share
            prelude = f"from tests.stream_server import StreamClient; {prelude}"
            script = script.replace("{opened_with}", f"stream=StreamClient({str(stream)!r})")
        script = script.replace("{prelude}", prelude).replace("{opened_with}", "")
        words = ["-c", script, str(path), json.dumps({"poll_s": 0.5, **options})]
        command = [sys.executable, *(["-c", _UNREAPED, sys.executable] if unreaped else []), *words]
        self._log = path.parent / f"worker-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, pass_fds=pass_fds)

    def said(self) -> str:
        """Return what it has printed so far."""
        return self._log.read_text()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def exit_code(self, *, timeout_s: float = PATIENCE_S) -> int:
        """Wait until it has gone."""
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """Make sure that it is gone, with the commands it ran: three signals leave it no time."""
        if self.process.poll() is not None:
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self.process.send_signal(number)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


StartWorker = Callable[..., LiveWorker]
"""What the fixtures `start` and `drain` yield: it takes the options of a worker, and of LiveWorker."""


def freeze(worker: LiveWorker, path: Path, worker_id: str) -> int:
    """Stop a worker's process at a moment when it does not write: its guardian would kill it otherwise.

    Returns its process id.
    """
    while True:
        sighting = lock_file.sighting_of(path, worker_id)
        assert sighting is not None, f"it has no lock file, and said {worker.said()}"
        os.kill(sighting.pid, signal.SIGSTOP)
        # One that waits for the disk is stopped once that has answered.
        wait_until(lambda pid=sighting.pid: _is_stopped(worker, pid), timeout_s=60)
        stopped = lock_file.sighting_of(path, worker_id)
        assert stopped is not None
        if stopped.writing_since_s is None:
            return sighting.pid
        os.kill(sighting.pid, signal.SIGCONT)


def _is_stopped(worker: LiveWorker, pid: int) -> bool:
    """Whether it is stopped; one that has ended never will be."""
    assert is_alive(pid), f"it ended with {worker.process.poll()}, and said {worker.said()[-2000:]}"
    return is_stopped(pid)
