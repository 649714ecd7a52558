"""Jobs and queues that are paused: what waits is not started, and what runs stands still."""

import signal
import time
from pathlib import Path
from typing import Final

import pytest

from queuectl import Queue
from tests.processes import is_alive, is_stopped, pid_in
from tests.waiting import wait_until
from tests.workers import StartWorker

COUNT: Final = "i=0; while [ $i -lt {times} ]; do i=$((i+1)); echo $i > {path}; sleep 0.05; done"


def counted(path: Path) -> int:
    """Return how far a counting job has come."""
    return int(path.read_text() or 0) if path.exists() else 0


def standing_still(path: Path) -> int:
    """Wait until a counting job has counted on no further for a third of a second, and return how far it came."""
    seen = [(time.monotonic(), counted(path))]

    def is_still() -> bool:
        now, came_to = time.monotonic(), counted(path)
        if came_to != seen[-1][1]:
            seen.append((now, came_to))
        return now - seen[-1][0] > 0.35

    wait_until(is_still)
    return seen[-1][1]


def test_a_run_stands_still_while_its_job_is_paused_and_so_does_its_time_limit(
    queue: Queue, start: StartWorker, tmp_path: Path
) -> None:
    """For longer than its time limit it prints nothing; resumed, it counts on from where it was, and completes."""
    path = tmp_path / "count"
    queue.enqueue(COUNT.format(times=30, path=path), id="a", timeout=4, max_retries=0)
    start(slots=2)
    wait_until(lambda: counted(path) > 3)
    assert queue.pause("a", reason="later").is_paused
    came_to = standing_still(path)
    queue.enqueue("true", id="b")
    assert queue.wait("b", timeout=20).state == "completed"
    wait_until(lambda: queue.ui.now_us() > queue.job("a").updated_at_us + 4_500_000)
    assert (counted(path), queue.job("a").state) == (came_to, "processing")
    queue.resume("a")
    job = queue.wait("a", timeout=30)
    assert (job.state, counted(path)) == ("completed", 30)
    assert job.last is not None
    assert job.last.duration_ms is not None
    assert 1_500 <= job.last.duration_ms < 4_000  # without the time for which it stood still
    assert queue.admin.replay(check=True).differences == []


def test_all_that_is_of_a_run_stands_still(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Also what has a session of its own; and what is cancelled while it stands still, is gone."""
    path = tmp_path / "count"
    queue.enqueue(f"setsid sh -c '{COUNT.format(times=1000, path=path)}' & wait", id="a")
    start()
    wait_until(lambda: counted(path) > 2)
    queue.pause("a")
    came_to = standing_still(path)
    queue.cancel("a")
    assert queue.wait("a", timeout=30).state == "cancelled"
    assert counted(path) == came_to


@pytest.mark.parametrize("waits", [False, True])
def test_the_worker_of_a_run_that_stands_still_is_killed(
    queue: Queue, start: StartWorker, tmp_path: Path, waits: bool
) -> None:
    """Nothing is left of the run; the job waits, still paused, and runs once it is resumed."""
    worker = start()
    queue.enqueue(f"echo $$ > {tmp_path}/pid; [ -e {tmp_path}/twice ] || sleep 60", id="a")
    pid = pid_in(tmp_path / "pid")
    queue.pause("a")
    wait_until(lambda: is_stopped(pid))
    worker.signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    start()
    wait_until(lambda: queue.job("a").lease is None)
    assert queue.job("a").is_paused
    if waits:
        queue.enqueue("true", id="b")
        assert queue.wait("b", timeout=20).state == "completed"
        assert queue.job("a").attempts == 1
    (tmp_path / "twice").touch()
    queue.resume("a")
    if queue.job("a").state == "failed":
        queue.retry("a")
    assert queue.wait("a", timeout=30).state == "completed"


def test_a_worker_that_stops_gives_back_what_stands_still(queue: Queue, start: StartWorker) -> None:
    """It would never end; the job is paused all the same, and the attempt was none."""
    worker = start()
    queue.enqueue("sleep 60", id="a")
    wait_until(lambda: queue.job("a").running_since_us is not None)
    queue.pause("a")
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    job = queue.job("a")
    assert (job.state, job.is_paused, job.attempts) == ("pending", True, 0)


def test_a_paused_queue_starts_nothing_and_a_worker_that_drains_leaves_it(queue: Queue, start: StartWorker) -> None:
    """The other queue's jobs run; the worker says what it leaves, and ends."""
    queue.queues.pause("mail", reason="upgrade")
    for name in ("mail", "default"):
        queue.enqueue("true", id=name, queue=name)
    queue.enqueue("true", id="held", paused=True)
    assert [blocker.code for blocker in queue.why("mail")] == ["queue_paused", "no_worker"]
    worker = start(drain=True)
    assert worker.exit_code() == 0
    assert "2 jobs are left, paused, under too small a limit" in worker.said()
    assert {job.id: job.state for job in queue.jobs()} == {"mail": "pending", "default": "completed", "held": "pending"}
    queue.queues.resume("mail")
    queue.resume("held")
    assert start(drain=True).exit_code() == 0
    assert {job.state for job in queue.jobs()} == {"completed"}


def test_a_pause_with_an_end_ends_by_itself(queue: Queue, start: StartWorker) -> None:
    """The worker wakes for it, however seldom it looks."""
    start(poll_s=60)
    queue.queues.pause("default", until="in 1s")
    queue.enqueue("true", id="a")
    assert queue.wait("a", timeout=20).state == "completed"
    claimed = next(each for each in queue.history("a") if type(each.event).__name__ == "Claimed")
    assert claimed.at_us >= queue.history("queue:default")[-1].event.until_us
