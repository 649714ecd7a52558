"""The scripts of examples/ do what they say, each on a real queue with a real worker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from queuectl import JobState, Queue
from tests.waiting import wait_until

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment where `queuectl` is this tree's, and QUEUECTL_DB a new queue."""
    command = tmp_path / "bin" / "queuectl"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m queuectl "$@"\n')
    command.chmod(0o755)
    return os.environ | {
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "QUEUECTL_DB": str(tmp_path / "queue"),
        "QUEUECTL_BACKOFF_BASE": "0.1",
    }


def run(environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)


# nightly_backup.sh


def test_a_backup(tmp_path: Path, environment: dict[str, str]) -> None:
    """Each directory is in a whole archive of its own, and nobody is told anything."""
    source, target = tmp_path / "source of it", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "a file").write_text("content")
    done = run(environment, str(EXAMPLES / "nightly_backup.sh"), str(target), str(source))
    assert done.returncode == 0, done.stderr
    (archive,) = target.glob("*.tar.gz")
    assert run(environment, "tar", "-xzOf", str(archive), "./a file").stdout == "content"


@pytest.mark.slow
def test_a_backup_that_fails_for_good(tmp_path: Path, environment: dict[str, str]) -> None:
    """What ended in the dead letter queue is told with what it printed, every night until it is seen to."""
    source, target, told = tmp_path / "good", tmp_path / "target", tmp_path / "told.txt"
    source.mkdir()
    target.mkdir()
    alert = environment | {"ALERT": f"tee -a {told}"}
    words = [str(EXAMPLES / "nightly_backup.sh"), str(target), str(source)]
    done = run(alert, *words, str(tmp_path / "missing"))
    assert done.returncode == 1, done.stderr
    assert len(list(target.glob("*.tar.gz"))) == 1
    assert told.read_text().count("Dead: backup-") == 1
    assert told.read_text().count("missing: Cannot open: No such file") == 3, "what each of its attempts printed"
    assert run(environment, "queuectl", "dlq", "list", "--json").stdout.count('"state": "dead"') == 1
    assert run(environment, "queuectl", "dlq", "purge", "--all").returncode == 0
    wait_until(lambda: run(alert, *words).returncode == 0)


@pytest.mark.parametrize("name", ["fan_out.py", "post_failures.py", "read_log.py"])
def test_help_only_helps(environment: dict[str, str], name: str) -> None:
    """A script that is asked what it does says so, and makes no queue."""
    done = run(environment, sys.executable, str(EXAMPLES / name), "--help")
    assert (done.returncode, done.stdout.startswith("usage: ")) == (0, True), done.stderr
    assert not Path(environment["QUEUECTL_DB"]).exists()


# fan_out.py


def test_a_fan_out(tmp_path: Path, environment: dict[str, str]) -> None:
    """A job a file, of which those that fail are named with what they said."""
    files = [tmp_path / f"file {number}" for number in range(12)]
    for number, file in enumerate(files):
        if number not in (3, 7):
            file.write_text("there")
    done = run(environment, sys.executable, str(EXAMPLES / "fan_out.py"), "cat", *map(str, files))
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("No such file or directory") == 4  # as the last error, and as what was printed
    assert [row.split(": ")[0] for row in done.stdout.splitlines() if ": exit code" in row] == [
        str(files[3]),
        str(files[7]),
    ]
    assert done.stdout.endswith("10 of 12 files are well\n")
    well = run(environment, sys.executable, str(EXAMPLES / "fan_out.py"), "test -e", *map(str, files[:2]))
    assert (well.returncode, well.stdout) == (0, "2 of 2 files are well\n")


# post_failures.py


class Hook:
    """A web server that takes posts, and those of its first minute it refuses where it is told to."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refusals = 0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.refusals:
                    hook.refusals -= 1
                    self.send_response(503)
                else:
                    hook.taken.append(json.loads(body))
                    self.send_response(204)
                self.end_headers()

            def log_message(self, *about: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @contextmanager
    def serving(self) -> Iterator["Hook"]:
        """Take posts until the end."""
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def test_failures_are_posted_through_kills(tmp_path: Path, environment: dict[str, str]) -> None:
    """Every failure reaches the URL at least once and in order, though the follower is killed with -9 amid them.

    A receiver that is down for a while costs nothing either, and what completed is not posted.
    """
    words = [sys.executable, str(EXAMPLES / "post_failures.py")]
    with Hook().serving() as hook, Queue.open(tmp_path / "queue") as queue:

        def follower() -> "subprocess.Popen[bytes]":
            return subprocess.Popen([*words, hook.url], env=environment, stderr=subprocess.DEVNULL)

        process = follower()
        wait_until(queue.log.subscriptions)
        hook.refusals = 2
        queue.enqueue_many([{"id": f"bad{n}", "command": "exit 3", "max_retries": 0} for n in range(150)])
        queue.enqueue("true")
        assert run(environment, "queuectl", "worker", "start", "--drain", "--count", "2").returncode == 0
        for seen in (5, 60, 140):
            wait_until(lambda: len(hook.taken) >= seen)  # noqa: B023 - it is waited for here
            process.kill()
            process.wait()
            process = follower()
        wait_until(lambda: queue.log.subscriptions()[0].lag == 0 or hook.taken[-1]["position"] >= last_failure(queue))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (130, -signal.SIGINT)  # the latter where it is still starting
        expected = [each.position for each in queue.events(types=["failed", "dead"])]
        positions = [each["position"] for each in hook.taken]
        assert list(dict.fromkeys(positions)) == expected
        assert len(positions) <= len(expected) + 3, "a kill repeats one post at the most"
        assert {each["type"] for each in hook.taken} == {"failed", "dead"}
        assert hook.taken[0]["job"].startswith("bad")
        assert queue.status().jobs[JobState.COMPLETED] == 1


def last_failure(queue: Queue) -> int:
    return next(queue.events(types=["failed", "dead"], last=1)).position
