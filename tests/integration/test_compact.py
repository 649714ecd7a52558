"""Compacting beside real workers, and killed in the middle: nothing is lost, and what is left replays."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl import JobRequest, Queue
from queuectl.events.hash_chain import GENESIS, link
from queuectl.retention.archived_history import rows
from queuectl.store.tables import LOG
from tests.depth import tries
from tests.integration.test_crash import kill_at_a_random_moment
from tests.waiting import wait_until

JOBS = 3_000
ROUNDS = tries(8)

COMPACTER = """
import sys
from queuectl import Queue
from queuectl.retention.policy import Limits, Rule
from queuectl.retention.compact import Retention
limits = Limits(step_jobs=20, step_events=60, segment_events=600)
with Queue.open(sys.argv[1]) as queue:
    for step in Retention(queue._engine, Rule(int(queue.log.head()), False), None, limits=limits).steps():
        print(step.events, flush=True)
    print("over", flush=True)
    while True:
        pass
"""


def whole_log(queue: Queue) -> dict[bytes, bytes]:
    """Return every event, of the archive and of the log."""
    found = dict(rows(queue._store))
    with queue._store.read() as txn:
        return found | dict(txn.scan(LOG))


def test_killed_in_the_middle_it_loses_nothing(tmp_path: Path) -> None:
    """Killed at any moment, again and again: each event is in the log or a sound segment, and the next one goes on."""
    chance = random.Random(4)
    with Queue.open(tmp_path / "queue") as queue:
        queue.enqueue_many([JobRequest("true", f"job{n}") for n in range(JOBS)])
        while claimed := queue.worker("w1").claim(1_000):
            queue.worker("w1").complete_many(claimed)
        before = whole_log(queue)
    for _ in range(ROUNDS):
        kill_at_a_random_moment(COMPACTER, tmp_path / "queue", chance)
        with Queue.open(tmp_path / "queue") as queue:
            assert before.items() <= whole_log(queue).items()
            assert queue.admin.replay(check=True).differences == []
            assert len(queue.history(f"job{chance.randrange(JOBS)}")) == 3
    with Queue.open(tmp_path / "queue") as queue:
        queue.admin.compact(older_than_s=0)
        assert queue.jobs() == []
        found = whole_log(queue)
        assert before.items() <= found.items()
        assert [int.from_bytes(key, "big") for key in sorted(found)] == list(range(1, queue.log.head() + 1))
        digest = GENESIS
        for _, value in sorted(found.items()):
            digest = link(digest, value)
        with queue._store.read() as txn:
            from queuectl.store.event_reader import EventReader

            assert EventReader(txn).digest() == digest
        assert not list((queue.path / "archive").glob("*.partial"))


@pytest.mark.slow
def test_a_worker_goes_on_meanwhile(tmp_path: Path) -> None:
    """While one process compacts over and over, a worker runs every job once, and the views are what the log says."""
    path = tmp_path / "queue"
    with Queue.open(path) as queue:
        ids = queue.enqueue_many([JobRequest("true", f"job{n}") for n in range(200)]).ids
        words = [sys.executable, "-m", "queuectl", "--db", str(path), "worker", "start", "--drain", "--count", "2"]
        worker = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        while worker.poll() is None:
            queue.admin.compact(older_than_s=0)
        assert worker.returncode == 0
        queue.admin.compact(older_than_s=0)
        assert queue.jobs() == []
        for job_id in ids:
            told = [type(each.event).__name__ for each in queue.history(job_id)]
            assert told == ["Enqueued", "Claimed", "Started", "Completed"]
        assert queue.admin.replay(check=True).differences == []


@pytest.mark.slow
def test_a_worker_lets_go_by_itself(tmp_path: Path) -> None:
    """With `retention_s` a worker archives what is older, in its own name, and runs jobs all the while."""
    path = tmp_path / "queue"
    with Queue.open(path) as queue:
        queue.admin.config_set("retention_s", 1)
        queue.enqueue_many([JobRequest("true", f"job{n}") for n in range(50)])
        words = [sys.executable, "-m", "queuectl", "--db", str(path), "worker", "start"]
        worker = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: queue.status().jobs["completed"] == 0 and queue.backlog() == 0, timeout_s=40)
        finally:
            worker.terminate()
            worker.wait(20)
        assert list((path / "archive").glob("*.seg"))
        assert all(each.actor != queue.actor for each in queue.events(types=["retention_applied"]))
        assert len(queue.history("job7")) == 4
        assert queue.admin.replay(check=True).differences == []
