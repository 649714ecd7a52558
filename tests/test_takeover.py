"""Jobs come back from workers that are gone, however many those are."""

import os
import time
from pathlib import Path

import pytest

from queuectl import Queue, lockfile
from queuectl.boot import boot

WORKERS = 4


def leave_lock_file(path: Path, worker: str) -> None:
    """Leave what a worker leaves that was the first process of a container, and was killed."""
    lock = lockfile.LockFile(path, worker, slots=1, lease_s=600)
    place = f"{boot()}/1/1".encode()
    lockfile._FIXED.pack_into(lock._map, 0, lockfile._MAGIC, place, 1, 600_000_000, 1)
    lock._map.close()
    os.close(lock._fd)


def test_containers_that_died_together_are_waited_for_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """All their jobs come back in one round, which waits no longer than for one of them."""
    slept_s: list[float] = []
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (slept_s.append(seconds), sleep(seconds)))
    for number in range(WORKERS):
        queue.enqueue("true", id=f"job{number}")
        queue.exchange(f"w{number}", [], want=1, lease_s=600)
        leave_lock_file(queue.path, f"w{number}")
    assert len(queue.recover().jobs) == WORKERS
    assert 0 < sum(slept_s) <= 0.2
    assert lockfile.workers(queue.path) == []
