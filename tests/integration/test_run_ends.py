"""What a run started ends with it, whichever way it ends, and what became a worker's own by that is reaped."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from queuectl import Queue
from tests.lives import state_of
from tests.processes import Runaways, is_alive, pid_in
from tests.waiting import wait_until
from tests.workers import LiveWorker, StartWorker


@pytest.fixture(params=[True, False], ids=["sole", "embedded"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"is_sole": request.param, "grace_s": 0.3}


@contextmanager
def killed_at_the_end(pid: int) -> Iterator[int]:
    """Leave no process behind that was to outlive its run."""
    try:
        yield pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_settled(queue: Queue, job_id: str) -> bool:
    """Whether nobody has a job any more."""
    return state_of(queue, job_id) != "processing"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("way", ["time limit", "cancel", "stop --now", "failed"])
def test_what_a_run_started_ends_with_it(queue: Queue, start: StartWorker, tmp_path: Path, way: str) -> None:
    """Before a run's end is recorded all is gone that it started, in whatever groups, sessions and names of users."""
    left, go = Runaways(), tmp_path / "go"
    queue.enqueue(left.command(f"until [ -e {go} ]; do sleep 0.05; done; exit 1"), id="a", timeout_s=600)
    worker = start()
    wait_until(left.are_up)
    if way == "time limit":
        queue.edit("a", timeout_s=0.1)
    elif way == "cancel":
        queue.cancel("a")
    elif way == "stop --now":
        worker.signal(signal.SIGTERM)
        worker.signal(signal.SIGINT)
    else:
        go.touch()
    wait_until(lambda: is_settled(queue, "a"))
    assert left.alive() == set()
    assert "could not be ended" not in worker.said()


def test_what_a_completed_run_left_lives_on(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A later run that fails, or is ended, takes nothing of an earlier one along that completed."""
    queue.enqueue(f"setsid sleep 60 & echo $! > {tmp_path}/first", id="a", max_retries=0)
    queue.enqueue(f"sleep 60 & echo $! > {tmp_path}/second; exit 1", id="b", max_retries=0)
    queue.enqueue("sleep 60 & sleep 60", id="c", max_retries=0, timeout_s=0.2)
    start(drain=True).exit_code()
    with killed_at_the_end(pid_in(tmp_path / "first")) as first:
        assert [state_of(queue, each) for each in "abc"] == ["completed", "dead", "dead"]
        assert is_alive(first)
        assert not is_alive(pid_in(tmp_path / "second"))


@pytest.mark.slow
def test_what_cannot_be_ended_holds_up_its_job_for_a_moment_and_is_told(queue: Queue) -> None:
    """A run whose process may not be signalled is over nevertheless, says which process goes on, and frees its slot."""
    without_kill = ["setpriv", "--bounding-set=-kill", "--inh-caps=-kill"]
    other_user = ("setpriv", "--reuid=65534", "--clear-groups")
    if shutil.which("setpriv") is None or subprocess.run([*without_kill, *other_user, "true"]).returncode:
        pytest.skip("this process cannot be two users without the right to signal them")
    queue.enqueue((*other_user, "sleep", "60"), id="a", timeout_s=0.5, max_retries=0)
    queue.enqueue("true", id="b")
    words = [sys.executable, "-m", "queuectl", "--db", str(queue.path), "worker", "start", "--drain", "--grace", "0.1"]
    ran = subprocess.run([*without_kill, *words], capture_output=True, text=True, timeout=30, check=True)
    last = queue.job("a").last
    assert last is not None
    said = re.fullmatch(r"timed out after 0.5 s; process (\d+) could not be ended", last.error or "")
    assert said, (last.error, ran.stderr)
    with killed_at_the_end(int(said[1])) as left:
        assert is_alive(left)
    assert state_of(queue, "b") == "completed"


def zombies_of(pid: int) -> list[int]:
    """Return the children of a process that are dead and not reaped."""
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()
    ]
    return [child for child in children if not is_alive(child)]


def test_orphans_are_reaped(queue: Queue, tmp_path: Path) -> None:
    """What completed runs leave in the background is not left dead, nor does it hold a slot."""
    done = tmp_path / "done"
    done.touch()
    for number in range(20):
        queue.enqueue(f"(sleep 0.3; echo {number} >> {done}) & true", id=f"j{number}")
    worker = LiveWorker(queue.path, is_sole=True)
    try:
        wait_until(lambda: all(state_of(queue, f"j{number}") == "completed" for number in range(20)))
        wait_until(lambda: len(done.read_text().split()) == 20)
        wait_until(lambda: not zombies_of(worker.process.pid))
    finally:
        worker.kill()


def test_a_program_s_own_children_are_left_to_it(queue: Queue) -> None:
    """A worker inside a program reaps none of the program's children, and how they ended is not lost."""
    queue.enqueue("sleep 1.2")
    program = (
        "import subprocess, sys; from queuectl import Queue, start_worker\n"
        "child = subprocess.Popen(['sh', '-c', 'exit 7'])\n"
        "with Queue.open(sys.argv[1]) as queue: start_worker(queue, drain=True)\n"
        "print(child.wait())\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(queue.path)], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "7"
