"""Work in a process of its own: its messages are heard, and however it ends is told."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from queuectl import apart
from queuectl.queue import Queue
from queuectl.store import Store
from tests.waiting import wait_until

RUN = "import sys; from queuectl import apart; apart.run('verify', {'path': sys.argv[1]}, print)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue_many(["true"] * 3000)
    return tmp_path / "q"


def test_messages_are_heard_in_order(path: Path) -> None:
    """Each message arrives, and a task that came to its end has no other ending."""
    heard: list[apart.Message] = []
    assert apart.run("locate", {"path": str(path), "after": 2995}, heard.append) == ""
    assert [each["position"] for each in heard] == [2996, 2997, 2998, 2999, 3000]


def test_a_signal_from_the_engine_is_an_ending(path: Path) -> None:
    """A process that the engine ends leaves what it said before, and the name of the signal."""
    with Store.open(path, create=False) as store, store.read() as txn:
        _, value = next(txn.scan("log", (2000).to_bytes(8, "big")))
    os.truncate(path / "data.mdb", (path / "data.mdb").read_bytes().rindex(value) // 4096 * 4096)
    heard: list[apart.Message] = []
    ending = apart.run("locate", {"path": str(path), "after": 0}, heard.append)
    assert "SIGBUS" in ending
    assert not heard or heard[-1]["position"] < 2000


def test_a_failure_is_an_ending(path: Path) -> None:
    """A task that fails is told in one line."""
    ending = apart.run("locate", {"path": 5, "after": 0}, lambda _: None)
    assert ending.startswith("the process that looked at it failed (TypeError")
    assert "\n" not in ending


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_child_does_not_outlive_its_parent(path: Path, ending: signal.Signals) -> None:
    """When the parent is interrupted or killed nothing goes on, though the child has nothing to say."""
    with Store.open(path, create=False) as store, store.write():  # which the child waits for
        parent = subprocess.Popen(
            [sys.executable, "-c", RUN, str(path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(lambda: len(_session(parent.pid)) == 2)
        os.kill(parent.pid, ending)
        parent.wait()
        wait_until(partial(_is_empty, parent.pid))


def _is_empty(leader: int) -> bool:
    return not _session(leader)


def _session(leader: int) -> list[int]:
    """Give the processes of a session."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if int((directory / "stat").read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(int(directory.name))
        except OSError:
            continue
    return found
