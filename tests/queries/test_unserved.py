"""Which queues have jobs waiting that no running worker takes from: held against real lock files and rows."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.core.results import Unserved
from queuectl.liveness.lock_file import LockFile, path_of
from queuectl.queries.presence import SILENT_US
from tests.clocks import FakeClock


def found(queue: Queue, *names: str) -> list[tuple[str, int]]:
    """Return the queues that nobody serves, and see that the status tells the same ones."""
    told = [tuple(each) for each in queue.ui.unserved()]
    assert told == [tuple(each) for each in queue.status().unserved]
    return [tuple(each) for each in queue.ui.unserved(names)] if names else told  # type: ignore[misc]


def work(queue: Queue, worker: str, queues: Sequence[str] | None) -> LockFile:
    """Let a worker that lives as long as its lock file is held begin."""
    lock = LockFile(queue.path, worker, entries=1, lease_s=60)
    queue.worker(worker).started(host=os.uname().nodename, pid=os.getpid(), slots=1, queues=queues)
    return lock


def test_without_any_worker(queue: Queue) -> None:
    """Every queue where a job waits, is delayed or is to be retried counts, with how many; others do not."""
    queue.enqueue("true", queue="retried", max_retries=1)
    queue.worker("w").fail(queue.worker("w").start(queue.worker("w").claim()[0]), "no")
    queue.enqueue("true", queue="runs")
    queue.worker("w").claim(queues=["runs"])
    queue.enqueue("true", queue="ended")
    queue.worker("w").complete(queue.worker("w").claim(queues=["ended"])[0])
    queue.enqueue("true", queue="delayed", delay_s=3600)
    queue.enqueue("true")
    queue.enqueue("true")
    assert found(queue) == [("default", 2), ("delayed", 1), ("retried", 1)]
    assert found(queue, "default", "runs", "none") == [("default", 2)]


def test_a_worker_of_some_queues(queue: Queue) -> None:
    """What a running worker names is served, what none names is not; one without names serves all."""
    for name in ("a", "b", "c"):
        queue.enqueue("true", queue=name)
    first, second = work(queue, "w1", ["a"]), work(queue, "w2", ["b", "z"])
    assert found(queue) == [("c", 1)]
    third = work(queue, "w3", None)
    assert found(queue) == []
    for lock in (first, second, third):
        lock.close()


def test_a_worker_that_stops_or_died(queue: Queue) -> None:
    """One that was asked to stop takes no more, and one whose lock is free is gone: neither serves."""
    queue.enqueue("true", queue="a")
    lock = work(queue, "w1", ["a"])
    assert found(queue) == []
    queue.worker("w1").stop()
    assert found(queue) == [("a", 1)]
    lock.close()
    other = work(queue, "w2", None)
    assert found(queue) == []
    other.close()
    Path(path_of(queue.path, "w2")).touch()  # as one that was killed leaves it: there, and held by nobody
    assert found(queue) == [("a", 1)]


def test_a_worker_without_a_lock_file(queue: Queue, clock: FakeClock) -> None:
    """A program that said it is a worker counts as long as it was heard of lately."""
    queue.enqueue("true")
    queue.worker("program").started(host="elsewhere", pid=1, slots=1)
    assert found(queue) == []
    clock.advance(SILENT_US / 1e6 + 1)
    assert found(queue) == [("default", 1)]


@pytest.mark.parametrize("count", [1, 2_000])
def test_in_words(queue: Queue, count: int) -> None:
    """How many wait is told in words, with the command that starts a worker for that queue."""
    queue.enqueue_many([{"command": "true", "queue": "mail"}] * count)
    (each,) = queue.ui.unserved()
    assert each.told == ("queue mail (1 job waits)" if count == 1 else "queue mail (2,000 jobs wait)")
    assert each.start_command == "queuectl worker start --queue mail"


@pytest.mark.parametrize("name", ["a; touch pwned", "it's", "a\x1b]0;x\x07\u202eb'\\", "a\nqueuectl clear"])
def test_a_name_that_no_queue_may_have(name: str) -> None:
    """A log from elsewhere may hold any name: what is offered to be typed is one printable line with that name."""
    offered = Unserved(name, 1).start_command
    assert offered.isprintable()
    script = f'queuectl() {{ printf %s "$4"; }}; {offered}'
    assert subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout == name.encode()
