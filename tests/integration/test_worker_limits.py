"""Workers that have next to no descriptors, processes or threads: they say so and end, or work with fewer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl import Queue

USER = 54_321
"""Nobody's number, so that no other process counts."""

_AS_USER = (
    f"--reuid={USER}",
    f"--regid={USER}",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
)


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    with Queue.open(tmp_path / "db", create=True) as opened:
        for number in range(3):
            opened.enqueue("true", id=f"job{number}")
        return opened


def drained(path: Path, limit: str, *before: str) -> "subprocess.CompletedProcess[str]":
    """Let a worker with a limit do what there is."""
    words = [sys.executable, "-m", "queuectl", "--db", str(path), "worker", "start", "--drain", "--count", "4"]
    command = [*before, "prlimit", limit, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


needs_prlimit = pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit")


@needs_prlimit
@pytest.mark.parametrize("limit", [10, 14, 17, 21, 23, 24, 25])
def test_a_worker_without_descriptors_says_so_and_ends(tmp_path: Path, queue: Queue, limit: int) -> None:
    """Nothing is claimed that cannot be run, and the one line says what to look at."""
    ended = drained(tmp_path / "db", f"--nofile={limit}")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("Error: cannot start a worker (Too many open files); see what this user has left")
    with Queue.open(tmp_path / "db") as queue:
        assert all(job.version == job.number for job in queue.jobs())


@needs_prlimit
@pytest.mark.parametrize("limit", [5, 6, 7, 8])
def test_a_queue_that_descriptors_lack_for_is_not_blamed(tmp_path: Path, queue: Queue, limit: int) -> None:
    """A store that cannot be opened for want of descriptors says so, and nothing of its owner and permissions."""
    ended = drained(tmp_path / "db", f"--nofile={limit}")
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "Too many open files" in ended.stderr
    assert ended.stderr.endswith("; raise the limit on open files (`ulimit -n`)\n")


@needs_prlimit
def test_a_worker_with_few_descriptors_works_with_fewer(tmp_path: Path, queue: Queue) -> None:
    """Where there is enough for one command, all get done, if not four at a time."""
    ended = drained(tmp_path / "db", "--nofile=32")
    assert ended.returncode == 0
    with Queue.open(tmp_path / "db") as queue:
        assert queue.status().jobs["completed"] == 3


@needs_prlimit
@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become a user with no process of its own")
@pytest.mark.parametrize("limit", [0, 1])
def test_a_worker_without_threads_says_so_and_ends(tmp_path: Path, queue: Queue, limit: int) -> None:
    """A user who may have no more processes gets one line, and no traceback."""
    for place in (tmp_path, *tmp_path.rglob("*")):
        os.chown(place, USER, USER)
    as_user = ["setpriv", *_AS_USER]
    if subprocess.run([*as_user, "true"], capture_output=True, check=False).returncode:
        pytest.skip("another user's part cannot be played here")
    ended = drained(tmp_path / "db", f"--nproc={limit}", *as_user)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: cannot start a worker (can't start new thread); see what this user has left")
    assert "Traceback" not in ended.stderr
