"""Workers that have next to no descriptors, processes or threads: they say so and end, or work with fewer."""

import os
import re
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
        for number in range(6):
            opened.enqueue("sleep 0.05; true", id=f"job{number}", max_retries=0)
        return opened


def of_all(path: Path) -> set[tuple[str, int]]:
    """Return which states all jobs are in, and after how many attempts; the queue may be another user's."""
    for place in (path, *path.rglob("*")):
        os.chown(place, os.getuid(), -1)
    with Queue.open(path) as queue:
        return {(str(job.state), job.attempts) for job in queue.jobs()}


@pytest.fixture
def as_user(tmp_path: Path, queue: Queue) -> list[str]:
    """Return the words before a command that is to be run by a user with no other process, whose queue it is."""
    if os.getuid() != 0:
        pytest.skip("needs root, to become a user with no process of its own")
    words = ["setpriv", *_AS_USER]
    for place in (tmp_path, *tmp_path.rglob("*")):
        os.chown(place, USER, USER)
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("another user's part cannot be played here")
    return words


def drained(path: Path, limit: str, *before: str) -> "subprocess.CompletedProcess[str]":
    """Let a worker with a limit do what there is."""
    words = [sys.executable, "-m", "queuectl", "--db", str(path), "worker", "start", "--drain", "--count", "4"]
    command = [*before, "prlimit", limit, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


needs_prlimit = pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit")


@pytest.mark.sampled(1)
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


@pytest.mark.sampled(1)
@needs_prlimit
@pytest.mark.parametrize("limit", [28, 29, 33])
def test_a_worker_with_few_descriptors_works_with_fewer(tmp_path: Path, queue: Queue, limit: int) -> None:
    """Where there is enough for one command, all get done, if not four at a time, and none is given back for it."""
    ended = drained(tmp_path / "db", f"--nofile={limit}")
    assert ended.returncode == 0
    assert re.search(r"there are descriptors and processes for [12] of 4 slots", ended.stdout)
    assert "given back" not in ended.stdout
    assert of_all(tmp_path / "db") == {("completed", 1)}


@pytest.mark.sampled(1)
@needs_prlimit
@pytest.mark.parametrize("limit", range(7))
def test_a_worker_with_few_processes_works_with_fewer_or_ends(
    tmp_path: Path, queue: Queue, as_user: list[str], limit: int
) -> None:
    """It says in one line that there are not enough, or each command has what it needs; it never tries for ever."""
    ended = drained(tmp_path / "db", f"--nproc={limit}", *as_user)
    if limit >= 5:  # itself, a guardian, a slot, a shell and what that starts
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "there are descriptors and processes for 1 of 4 slots" in ended.stdout
        assert of_all(tmp_path / "db") == {("completed", 1)}
    else:
        assert ended.returncode == 1
        assert re.match(r"Error: cannot start a worker \(.*\); see what this user has left: ulimit -n", ended.stderr)
        assert of_all(tmp_path / "db") == {("pending", 0)}
    assert "given back" not in ended.stdout
    assert "Traceback" not in ended.stderr
