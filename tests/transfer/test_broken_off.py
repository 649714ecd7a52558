"""A restore or an import that another verb comes upon: at work, or killed before anything of it was in place."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from queuectl import JobRequest, Queue
from queuectl.integrity.doctor import examine
from tests.waiting import wait_until

AT_WORK = "a restore or an import is putting it together; try again once that has ended"
KILLED = "a restore or an import was killed before any of it was in place"


@pytest.fixture(params=["restore", "import"])
def half(request: Any, tmp_path: Path) -> tuple[str, Path]:
    """A verb that makes a queue from a file, and one for it."""
    verb: str = request.param
    file = tmp_path / "file"
    with Queue.open(tmp_path / "source") as queue:
        queue.enqueue_many([JobRequest("true", id=f"j{number}", env={"A": "x" * 300}) for number in range(300)])
    done = command(tmp_path / "source", *(("backup", str(file)) if verb == "restore" else ("export",)))
    if verb == "import":
        file.write_text(done.stdout)
    return verb, file


def words(path: Path, *said: str) -> list[str]:
    return [sys.executable, "-m", "queuectl", "--db", str(path), *said]


def command(path: Path, *said: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words(path, *said), capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def at_work(path: Path, verb: str, content: bytes) -> Iterator["subprocess.Popen[bytes]"]:
    """Have a verb read half of a file from a pipe, and wait there for the other half."""
    process = subprocess.Popen(words(path, verb, "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    try:
        process.stdin.write(content[: len(content) // 2])
        process.stdin.flush()
        wait_until(lambda: (path / "restoring").exists())
        yield process
    finally:
        process.kill()
        process.communicate()


def is_waiting(pid: int) -> bool:
    """Whether a process waits for a lock on a file."""
    return any("->" in line and f" {pid} " in line for line in Path("/proc/locks").read_text().splitlines())


@pytest.mark.sampled(1)
def test_what_was_killed_is_told_by_every_verb(half: tuple[str, Path], tmp_path: Path) -> None:
    """None makes a queue over it or says that there was nothing; at work it is told as that."""
    verb, file = half
    path = tmp_path / "q"
    with at_work(path, verb, file.read_bytes()):
        for each in ("status", "verify", "list", "restore --finish"):
            done = command(path, *each.split())
            assert (done.returncode, AT_WORK in done.stderr) == (1, True), (each, done)
    for each in ("status", "enqueue a true", "verify", "worker start --drain", "restore --finish"):
        done = command(path, *each.split())
        assert (done.returncode, KILLED in done.stderr) == (1, True), (each, done)
    [found] = examine(path)
    assert (found.check, found.state, found.do) == ("open", "problem", "queuectl restore FILE")
    assert KILLED in found.found
    assert not (path / "data.mdb").exists()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("again", [True, False])
def test_both_ways_out_work(half: tuple[str, Path], tmp_path: Path, *, again: bool) -> None:
    """The verb itself, typed again, makes the queue; without what was left an empty one is made."""
    verb, file = half
    path = tmp_path / "q"
    with at_work(path, verb, file.read_bytes()):
        pass
    said = command(path, "enqueue", "a", "true").stderr
    if again:
        assert command(path, verb, str(file)).returncode == 0
    else:
        left = path / "restoring"
        assert f"`rm -r {left}` to begin" in said
        shutil.rmtree(left)
        assert command(path, "enqueue", "a", "true").returncode == 0
    with Queue.open(path, create=False) as queue:
        assert len(list(queue.jobs())) == (300 if again else 1)
    assert not (path / "restoring").exists()


@pytest.mark.sampled(1)
@pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="who waits for a lock is read from /proc")  # noqa: PTH110
@pytest.mark.parametrize("is_killed", [False, True])
def test_whoever_waits_for_it_goes_on_when_it_ends(half: tuple[str, Path], tmp_path: Path, *, is_killed: bool) -> None:
    """However long it took: then its queue is used, or it is told that it was killed.

    It waits for over a second, as long as one tries to have the queue alone where a file of it is missing.
    """
    verb, file = half
    path, content = tmp_path / "q", file.read_bytes()
    with at_work(path, verb, content) as process:
        asked = words(path, "enqueue", "late", "true")
        with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as late:
            wait_until(lambda: is_waiting(late.pid))
            until = time.monotonic() + 1.1
            wait_until(lambda: time.monotonic() > until)
            if is_killed:
                process.kill()
            else:
                assert process.stdin is not None
                process.stdin.write(content[len(content) // 2 :])
                process.stdin.close()
                process.stdin = None
            _, said = late.communicate(timeout=60)
    if is_killed:
        assert (late.returncode, KILLED in said) == (1, True), said
        assert not (path / "data.mdb").exists()
        return
    assert late.returncode == 0, said
    assert re.fullmatch(r"(Waiting for what puts another queue in the place of the queue at .* has it\n)?", said)
    with Queue.open(path, create=False) as queue:
        assert len(list(queue.jobs())) == 301
