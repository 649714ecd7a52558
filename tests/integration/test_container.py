"""The container page of docs/workers.md, followed without an image: a worker as process 1 of namespaces of its own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl import Queue
from tests.docs import DOCS
from tests.lives import state_of
from tests.processes import is_alive
from tests.waiting import wait_until

NAMESPACES = ("--pid", "--mount", "--uts")


@pytest.fixture
def commands() -> tuple[list[str], str]:
    """Return what the page has a container run, and by what its health is told."""
    page = (DOCS / "workers.md").read_text()
    cmd = re.search(r"^    CMD (\[.*\])$", page, re.MULTILINE)
    health = re.search(r"^    HEALTHCHECK .* CMD (.*)$", page, re.MULTILINE)
    assert cmd
    assert health
    return json.loads(cmd[1]), health[1]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    verb = tmp_path / "bin" / "queuectl"
    verb.write_text(f'#!/bin/sh\nexec {sys.executable} -m queuectl "$@"\n')
    verb.chmod(0o755)
    return {**os.environ, "PATH": f"{verb.parent}:{os.environ['PATH']}", "QUEUECTL_DB": str(tmp_path / "db")}


def test_a_worker_as_process_1(queue: Queue, env: dict[str, str], commands: tuple[list[str], str]) -> None:
    """It is found healthy, leaves nothing dead behind jobs with orphans, holds no slot for them, and ends by TERM."""
    command, health = commands
    unshare = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("there is no right to make namespaces")
    for number in range(20):
        queue.enqueue("(sleep 0.3 &); true", id=f"j{number}")
    outside = subprocess.Popen([*unshare, "sh", "-c", 'hostname container; exec "$@"', "sh", *command], env=env)
    try:
        (inside,) = wait_until(lambda: children_of(outside.pid))
        enter = ["nsenter", "-t", str(inside), *NAMESPACES]
        wait_until(lambda: not subprocess.run([*enter, "sh", "-c", health], env=env, capture_output=True).returncode)
        wait_until(lambda: all(state_of(queue, f"j{number}") == "completed" for number in range(20)))
        wait_until(lambda: not [child for child in children_of(inside) if not is_helper(child)])
        subprocess.run([*enter, "sh", "-c", "kill -TERM 1"], check=True)
        assert outside.wait(20) == 0
    finally:
        outside.kill()
        outside.wait()


def children_of(pid: int) -> list[int]:
    """Return the children of a process, dead ones too."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def is_helper(pid: int) -> bool:
    """Whether a process is a guardian or a drainer that runs."""
    return is_alive(pid) and b"queuectl." in Path(f"/proc/{pid}/cmdline").read_bytes()
