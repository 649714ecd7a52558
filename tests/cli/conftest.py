"""Ways to run the command line: in this process where quick, in a real one where it matters."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from queuectl.cli.app import queuectl
from queuectl.core.job import Job
from queuectl.queue import Queue
from tests.waiting import PATIENCE_S


class CommandLine:
    """Runs queuectl on one data directory."""

    def __init__(self, db: Path) -> None:
        self.db = db
        self._runner = CliRunner()
        self._begun: list[subprocess.Popen[str]] = []

    def __call__(self, *words: str, code: int | None = 0, text: str | bytes | None = None) -> Result:
        """Run a verb in this process and check its exit code, None being any that a verb ends with by itself."""
        result = self._runner.invoke(queuectl, ["--db", str(self.db), *words], input=text, prog_name="queuectl")
        has_ended = result.exception is None or isinstance(result.exception, SystemExit)
        assert has_ended if code is None else result.exit_code == code, (result.output, result.exception)
        return result

    def json(self, *words: str, code: int = 0) -> Any:
        """Run a verb with --json and give its document."""
        return json.loads(self(*words, "--json", code=code).stdout)

    def words(self, *words: str) -> list[str]:
        """Return the words of a real process that runs a verb."""
        return [sys.executable, "-m", "queuectl", "--db", str(self.db), *words]

    def process(self, *words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a verb in a process of its own to its end."""
        return subprocess.run(self.words(*words), capture_output=True, text=True, timeout=PATIENCE_S, **options)

    def spawn(self, *words: str, **options: Any) -> "subprocess.Popen[str]":
        """Begin a verb in a process of its own, which ends with the test at the latest."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        self._begun.append(subprocess.Popen(self.words(*words), text=True, **pipes))
        return self._begun[-1]

    def close(self) -> None:
        """Kill what was begun and still runs; a worker's guardian then kills its commands."""
        for process in self._begun:
            if process.poll() is None:
                process.kill()
                process.communicate(timeout=PATIENCE_S)

    def is_made(self) -> bool:
        """Whether there is a queue yet: its data.mdb is there a moment earlier."""
        return self.db.exists() and self("status", code=None).exit_code == 0

    def jobs(self) -> list[dict[str, Any]]:
        """Return what `list` has, nothing where there is no queue yet."""
        return self.json("list") if self.is_made() else []

    def drain(self) -> None:
        """Run whatever is in the queue with a real worker."""
        done = self.process("worker", "start", "--drain", "--poll", "0.05")
        assert done.returncode == 0, done.stderr

    def queue(self) -> Queue:
        """Open the queue itself; close it before the next verb runs in this process."""
        return Queue.open(self.db)

    def kill(self, job_id: str, error: str = "exit code 1") -> Job:
        """Let a job's attempt fail; without retries it is dead then."""
        with self.queue() as queue:
            (job,) = queue.worker("w").claim(1)
            assert job.id == job_id
            return queue.worker("w").fail(queue.worker("w").start(job), error, return_code=1, duration_ms=12)

    def complete(self, job_id: str) -> Job:
        """Let a job complete."""
        with self.queue() as queue:
            (job,) = queue.worker("w").claim(1)
            assert job.id == job_id
            return queue.worker("w").complete(queue.worker("w").start(job), duration_ms=12)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    monkeypatch.delenv("QUEUECTL_DB", raising=False)
    monkeypatch.setenv("USER", "tester")
    # What jobs take along is an event before the first of them: tests that count events do without.
    monkeypatch.setenv("QUEUECTL_INHERIT_ENV", "none")
    # A process started elsewhere than in the project still finds it.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    made = CommandLine(tmp_path / "q")
    yield made
    made.close()
