"""Jobs come back from workers that are gone, however many those are."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import pytest

from queuectl import Queue
from queuectl.engine.follower import Follower
from queuectl.liveness import lock_file
from queuectl.system.boot import boot
from tests.nodes import Killed
from tests.streams import MemoryStream

WORKERS = 4


def leave_lock_file(path: Path, worker: str) -> None:
    """Leave what a worker leaves that was the first process of a container, and was killed."""
    lock = lock_file.LockFile(path, worker, entries=1, lease_s=600)
    place = f"{boot()}/1/1".encode()
    lock_file._FIXED.pack_into(lock._map, 0, lock_file._MAGIC, place, 1, 600_000_000, 1)
    lock._map.close()
    os.close(lock._fd)


def test_containers_that_died_together_are_waited_for_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """All their jobs come back in one round, which waits no longer than for one of them."""
    slept_s: list[float] = []
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (slept_s.append(seconds), sleep(seconds)))
    for number in range(WORKERS):
        queue.enqueue("true", id=f"job{number}")
        queue.worker(f"w{number}").exchange([], want=1, lease_s=600)
        leave_lock_file(queue.path, f"w{number}")
    assert len(queue.worker(queue.actor).recover().jobs) == WORKERS
    assert 0 < sum(slept_s) <= 0.2
    assert lock_file.workers(queue.path) == []


@contextmanager
def without_descriptors() -> Iterator[None]:
    """Have this process open no more files meanwhile."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as taken:
        taken.callback(resource.setrlimit, resource.RLIMIT_NOFILE, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, most[1]))
        with suppress(OSError):
            while True:
                taken.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        yield


def test_who_has_no_descriptor_left_takes_nobody_for_gone(queue: Queue) -> None:
    """A lock file that cannot be opened is not one that is not there: its worker keeps its job after the lease."""
    with closing(lock_file.LockFile(queue.path, "w", entries=1, lease_s=600)):
        queue.enqueue("true")
        [job] = queue.worker("w").claim(1, lease_s=0.01)
        time.sleep(0.02)  # the lease is to end
        with without_descriptors():
            for look in (lock_file.is_held, lock_file.sighting_of, lock_file.seize):
                with pytest.raises(OSError, match="Too many open files"):
                    look(queue.path, "w")
            with suppress(OSError):
                assert queue.worker(queue.actor).recover().jobs == []
        found = queue.job(job.id)
        assert found is not None
        assert found.state == "processing"


def test_what_a_killed_worker_claimed_last_is_found(tmp_path: Path) -> None:
    """On a node of a shared log its claim may be published, and not in the node's store yet."""
    stream = MemoryStream()
    with Queue.open(tmp_path / "q", stream=stream) as queue:
        queue.enqueue("true", id="a")
        with patch.object(Follower, "catch_up", side_effect=Killed), suppress(Killed):
            queue.worker("w").exchange([], want=1, lease_s=600)
        assert queue.job("a").state == "pending"
        leave_lock_file(queue.path, "w")
        assert [job.id for job in queue.worker("other").recover().jobs] == ["a"]
