"""Processes killed at any moment: what they acknowledged is there, and the views are what the log says."""

import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from queuectl import JobRequest, Queue
from tests.clocks import FakeClock
from tests.depth import tries
from tests.waiting import wait_until

ROUNDS = tries(10)
JOBS = 4000

ENQUEUER = """
import sys
from queuectl import JobRequest, Queue
with Queue.open(sys.argv[1]) as queue:
    while True:
        print(queue.enqueue("true").id, flush=True)
        print(*queue.enqueue_many([JobRequest("true")] * 20).ids, sep="\\n", flush=True)
"""

WORKER = """
import sys
from queuectl import Queue
with Queue.open(sys.argv[1]) as queue:
    while True:
        for job in queue.worker("doomed").claim(3, lease_s=60):
            print("completed", queue.worker("doomed").complete(queue.worker("doomed").start(job)).id, flush=True)
        results = queue.worker("doomed").exchange([], want=3, lease_s=60).claimed
        for job in results:
            print("failed", queue.worker("doomed").fail(job, "exit code 1", return_code=1).id, flush=True)
"""

REPLAYER = """
import sys
from queuectl import Queue
with Queue.open(sys.argv[1]) as queue:
    while True:
        queue.admin.replay(progress=lambda done, total: print(done, flush=True))
"""


def kill_at_a_random_moment(script: str, path: Path, chance: random.Random) -> list[str]:
    """Run a script until it has acknowledged something, kill it a little later, and give what it acknowledged."""
    output = path.parent / "acknowledged.txt"
    with output.open("wb") as sink:
        child = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=sink)
        try:
            wait_until(lambda: child.poll() is not None or output.stat().st_size)
            with suppress(subprocess.TimeoutExpired):
                child.wait(chance.uniform(0, 0.1))
        finally:
            child.kill()
    assert child.wait() == -signal.SIGKILL
    return output.read_text().rpartition("\n")[0].splitlines()  # the last line may be half of one


def check(queue: Queue) -> None:
    """See that the log has no gap and that the views are what it says."""
    assert [each.position for each in queue.events()] == list(range(1, queue.log.head() + 1))
    report = queue.admin.replay(check=True)
    assert (report.events, report.differences) == (queue.log.head(), [])


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Return where a queue lies that this process has filled and closed."""
    with Queue.open(tmp_path / "queue") as queue:
        queue.enqueue_many([JobRequest("true", f"job{n}", priority=n % 2, max_retries=n % 3) for n in range(JOBS)])
    return queue.path


def test_an_acknowledged_job_survives_its_enqueuer(tmp_path: Path) -> None:
    """Every id that was printed before the kill is a job afterwards, and enqueueing goes on on the same queue."""
    path, chance, acknowledged = tmp_path / "queue", random.Random(1), []
    for _ in range(ROUNDS):
        acknowledged += kill_at_a_random_moment(ENQUEUER, path, chance)
        with Queue.open(path, create=False) as queue:
            assert set(acknowledged) <= {job.id for job in queue.jobs()}
            check(queue)
    assert len(set(acknowledged)) == len(acknowledged) >= ROUNDS


def test_an_acknowledged_result_survives_its_worker(filled: Path) -> None:
    """Every result that was printed before the kill is recorded, once, and no job is lost or held twice."""
    chance, acknowledged = random.Random(2), []
    for _ in range(ROUNDS):
        acknowledged += [line.split() for line in kill_at_a_random_moment(WORKER, filled, chance)]
        with Queue.open(filled, create=False) as queue:
            check(queue)
            states = {job.id: str(job.state) for job in queue.jobs()}
            assert len(states) == JOBS
            assert {states[job_id] for end, job_id in acknowledged if end == "completed"} == {"completed"}
            assert min(ends(queue, job_id)[end] for end, job_id in acknowledged) == 1
    assert len(acknowledged) >= ROUNDS
    assert_all_can_end(filled)


def test_the_views_survive_a_replay_that_was_killed(filled: Path) -> None:
    """A replay killed at any moment, also around its swap, leaves views that are what the log says."""
    chance = random.Random(3)
    with Queue.open(filled) as queue:
        queue.enqueue_many([JobRequest("true")] * 20_000)
        before = queue.jobs(limit=100)
    for _ in range(max(1, ROUNDS // 3)):
        kill_at_a_random_moment(REPLAYER, filled, chance)
        with Queue.open(filled) as queue:
            check(queue)
            assert queue.jobs(limit=100) == before


def ends(queue: Queue, job_id: str) -> Counter[str]:
    """Count how a job's runs ended."""
    return Counter(type(each.event).__name__.lower() for each in queue.history(job_id))


def assert_all_can_end(path: Path) -> None:
    """Take back what the killed workers held, and run all that is left."""
    clock = FakeClock(2_000_000_000_000_000)
    with Queue.open(path, clock=clock) as queue:
        while queue.backlog():
            queue.worker("heir").complete_many(queue.worker("heir").claim(JOBS))
            clock.advance(3600)
        check(queue)
        assert {str(job.state) for job in queue.jobs()} <= {"completed", "dead"}
        assert {ends(queue, job.id)["completed"] for job in queue.jobs(state="completed")} == {1}
