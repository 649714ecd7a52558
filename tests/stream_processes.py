"""Processes of nodes that share a stream: its server, and of each node one that follows; workers.py has the workers."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.waiting import wait_until

_FOLLOW = """
import sys, time
from queuectl import Queue
from tests.stream_server import StreamClient
with Queue.open(sys.argv[1], stream=StreamClient(sys.argv[2])) as queue:
    while True:
        queue._engine.writer.catch_up()
        time.sleep(0.01)
"""


@contextmanager
def served_stream() -> Iterator[Path]:
    """Yield the socket of a stream that a process of its own serves."""
    with TemporaryDirectory(prefix="queuectl-stream-") as directory:  # a socket's name is a short one
        path = Path(directory) / "stream"
        process = subprocess.Popen([sys.executable, "-m", "tests.stream_server", path])
        try:
            wait_until(lambda: path.exists() or process.poll() is not None)
            yield path
        finally:
            process.kill()
            process.wait()


class Follower:
    """A process that has a node follow, and rings the node's workers awake."""

    def __init__(self, node: Path, stream: Path) -> None:
        self._command = [sys.executable, "-c", _FOLLOW, str(node), str(stream)]
        self._process = subprocess.Popen(self._command)

    def kill_and_restart(self) -> None:
        """Kill it wherever it is, and have another go on."""
        self.kill()
        self._process = subprocess.Popen(self._command)

    def kill(self) -> None:
        """End it, as a power cut would."""
        assert self._process.poll() is None, f"it ended by itself, with {self._process.returncode}"
        self._process.kill()
        self._process.wait()
