"""A worker whose package is replaced while it runs, as an upgrade does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import queuectl
from queuectl import Queue
from tests.waiting import wait_until

OTHER = "raise SystemError('another release')\n"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("is_removed", [True, False])
def test_a_worker_that_was_replaced_ends_after_its_runs(tmp_path: Path, is_removed: bool) -> None:
    """It finishes what runs, takes nothing more, and says why in one line; its exit code has it started again."""
    package, begun, go = tmp_path / "queuectl", tmp_path / "begun", tmp_path / "go"
    shutil.copytree(Path(queuectl.__file__).parent, package)
    with Queue.open(tmp_path / "db", create=True) as queue:
        queue.enqueue(f"touch {begun}; while [ ! -e {go} ]; do sleep 0.05; done; echo done; exit 3", id="runs")
        queue.enqueue("true", id="waits")
        words = [sys.executable, "-P", "-m", "queuectl", "--db", str(queue.path), "worker", "start"]
        environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
        worker = subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_until(begun.exists)
        package.rename(tmp_path / "old")
        if not is_removed:
            for old in (tmp_path / "old").rglob("*.py"):
                new = package / old.relative_to(tmp_path / "old")
                new.parent.mkdir(parents=True, exist_ok=True)
                new.write_text(OTHER)
        wait_until(lambda: any(info.state == "stopping" for info in queue.workers()))
        go.touch()
        said, _ = worker.communicate(timeout=30)
        assert worker.returncode == 1
        assert said.count("queuectl was replaced by another release, or removed") == 1
        assert "stopped: its program was replaced\n" in said
        assert "asked to stop" not in said
        assert "Traceback" not in said
        assert queue.job("runs").state == "failed"
        assert queue.job("waits").attempts == 0
