"""A dashboard as its users have it: a process of its own, spoken to over HTTP."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from queuectl.queue import Queue
from tests.waiting import PATIENCE_S

OURS = {"X-Queuectl": "test", "Content-Type": "application/json"}


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The document in it."""
        return json.loads(self.body)


class Dashboard:
    """A dashboard's process."""

    def __init__(self, db: Path, *words: str) -> None:
        self.db = db
        self.process = subprocess.Popen(
            [sys.executable, "-m", "queuectl", "--db", str(db), "dashboard", "--port", "0", "--json", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        told = self.process.stdout.readline()
        assert told, self.process.stderr and self.process.stderr.read()
        self.told = json.loads(told)
        self.port: int = self.told["port"]
        self.url: str = self.told["url"]

    def __call__(self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None) -> Answer:
        """Send a request with just these headers, and Host."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, sent, headers or {})
        response = connection.getresponse()
        answer = Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())
        connection.close()
        return answer

    def get(self, path: str, **headers: str) -> Any:
        """Return the document at a path."""
        answer = self("GET", path, headers=headers)
        assert answer.status == 200, answer.body
        return answer.json

    def post(self, path: str, body: object = None, *, status: int = 200) -> Any:
        """Send a change as the page does, and give the document that comes back."""
        answer = self("POST", path, {} if body is None else body, headers=OURS)
        assert answer.status == status, answer.body
        return answer.json

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; give the exit code, and what was said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("QUEUECTL_DB", "QUEUECTL_DASHBOARD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", "tester")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    return tmp_path / "q"


@pytest.fixture
def store(db: Path) -> Iterator[Queue]:
    with Queue.open(db, actor="tester") as opened:
        yield opened


@pytest.fixture
def dashboard(db: Path) -> Iterator[Dashboard]:
    running = Dashboard(db)
    yield running
    code, said = running.end()
    assert (code, said) == (0, ""), said


def die(queue: Queue, job_id: str, error: str = "exit code 1") -> None:
    """Enqueue a job and let its only attempt fail."""
    queue.enqueue("false", id=job_id, max_retries=0)
    (job,) = queue.worker("w").claim(1)
    assert job.id == job_id
    queue.worker("w").fail(queue.worker("w").start(job), error, return_code=1, duration_ms=12)
