"""The time limit of a run: told where it is the default, and changed while the run goes on."""

from contextlib import suppress
from pathlib import Path

import pytest

from queuectl import Job, Queue, QueuectlError
from tests.waiting import wait_until
from tests.workers import LiveWorker, StartWorker

LIMITS_S = (1.0, 8.0, 40.0)


@pytest.fixture
def worker(start: StartWorker) -> LiveWorker:
    return start(slots=2, poll_s=60)


def ended(queue: Queue, job_id: str) -> Job:
    return queue.wait(job_id, timeout_s=60)


def begun(path: Path) -> None:
    wait_until(path.exists, timeout_s=60)


def test_a_shorter_limit_counts_at_once_from_the_start(queue: Queue, worker: LiveWorker, tmp_path: Path) -> None:
    """A run that has gone on for longer than the limit it is given ends there and then, whatever the poll interval."""
    queue.enqueue(f"touch {tmp_path}/up; sleep 60", id="a", max_retries=0)
    begun(tmp_path / "up")
    queue.edit("a", timeout_s=0.01)
    job = ended(queue, "a")
    assert job.last is not None
    assert (job.state, job.last.error) == ("dead", "timed out after 0.01 s")
    assert queue.admin.replay(check=True).differences == []


@pytest.mark.sampled(1)
@pytest.mark.parametrize("timeout_s", [0, 3600])
def test_a_limit_is_lifted_while_the_run_goes_on(
    queue: Queue, worker: LiveWorker, tmp_path: Path, timeout_s: float
) -> None:
    """A run that is given longer, or for ever, outlives the limit that it began with."""
    for limit_s in LIMITS_S:  # a longer one where the machine was too busy to lift the first well before its end
        job_id = f"of-{limit_s}"
        up, go = tmp_path / f"{job_id}.up", tmp_path / f"{job_id}.go"
        queue.enqueue(
            f"touch {up}; until [ -e {go} ]; do sleep 0.05; done", id=job_id, timeout_s=limit_s, max_retries=0
        )
        begun(up)
        since_us = queue.job(job_id).updated_at_us
        with suppress(QueuectlError):  # it may be over
            queue.edit(job_id, timeout_s=timeout_s)
        was_in_time = queue.ui.now_us() < since_us + limit_s * 500_000
        over_us = since_us + (limit_s + 0.3) * 1_000_000
        wait_until(lambda over_us=over_us: queue.ui.now_us() > over_us, timeout_s=60)
        go.touch()
        if was_in_time:
            assert ended(queue, job_id).state == "completed"
            return
    pytest.fail("the machine is too busy")


def test_the_default_limit_says_what_it_was(queue: Queue, worker: LiveWorker) -> None:
    """A job that nobody gave a limit dies of the configured one, and its error says so and how to lift it."""
    queue.admin.config_set("job_timeout_s", "0.1s")
    queue.enqueue("sleep 60", id="a", max_retries=0)
    queue.enqueue("sleep 60", id="b", max_retries=0, timeout_s=0.1)
    ours, theirs = ended(queue, "a").last, ended(queue, "b").last
    assert ours is not None
    assert theirs is not None
    assert ours.error is not None
    assert ours.error.startswith("timed out after 0.1 s, the default limit; lift it: queuectl edit a --set timeout=1h,")
    assert theirs.error == "timed out after 0.1 s"
