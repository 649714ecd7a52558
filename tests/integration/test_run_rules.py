"""Real commands under real workers: what their exit codes mean is what was said, and none starts too late."""

from pathlib import Path

import pytest

from queuectl import Job, Queue
from queuectl.events.types import Snoozed, Started
from tests.waiting import wait_until
from tests.workers import StartWorker


def ended(queue: Queue, job_id: str) -> Job:
    job = queue.wait(job_id, timeout_s=60)
    assert queue.admin.replay(check=True).differences == []
    return job


def test_a_final_code_is_the_end_after_one_attempt(queue: Queue, start: StartWorker) -> None:
    """`exit 65` with dead_on 65 is dead after one attempt, and the history says by which rule."""
    queue.enqueue("exit 65", id="a", dead_on="64-66", max_retries=5)
    start()
    job = ended(queue, "a")
    assert (job.state, job.attempts, job.return_code, job.ended_by) == ("dead", 1, 65, "dead_on 64-66")


def test_not_yet_is_asked_again_and_costs_no_attempt(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """`exit 75` and then 0, with snooze_on 75, has completed with one attempt; what each run printed is kept."""
    seen = tmp_path / "seen"
    command = f"echo run; test -e {seen} && exit 0; touch {seen}; exit 75"
    queue.enqueue(command, id="a", snooze_on=75, snooze="100ms", max_retries=0)
    start()
    job = ended(queue, "a")
    assert (job.state, job.attempts, job.snoozes, job.ended_by) == ("completed", 1, 1, None)
    [snoozed] = [event.event for event in queue.history("a") if isinstance(event.event, Snoozed)]
    assert (snoozed.return_code, snoozed.stdout.size_bytes if snoozed.stdout else None) == (75, 4)
    assert [(run.state, queue.output_text(run)) for run in queue.runs("a")] == [
        *(("snoozed", "run\n"), ("completed", "run\n")),
    ]


def test_an_answer_that_is_no_failure_completes(queue: Queue, start: StartWorker) -> None:
    """`grep x /dev/null` with ok_on 1 has completed with return code 1."""
    queue.enqueue("grep x /dev/null", id="a", ok_on=1)
    start()
    job = ended(queue, "a")
    assert (job.state, job.return_code, job.error, job.ended_by) == ("completed", 1, None, "ok_on 1")


def test_only_what_is_named_is_tried_again(queue: Queue, start: StartWorker) -> None:
    """With retry_on, a signal that it names is retried to the end, and any other end is final."""
    queue.enqueue("kill -9 $$", id="a", retry_on="SIGKILL", backoff="fixed:50ms", max_retries=2)
    queue.enqueue("exit 1", id="b", retry_on="SIGKILL", max_retries=2)
    start()
    assert (ended(queue, "a").attempts, ended(queue, "b").attempts) == (3, 1)
    assert (queue.job("a").ended_by, queue.job("b").ended_by) == (None, "not in retry_on")


@pytest.mark.parametrize("state", ["dead", "cancelled"])
def test_what_has_expired_is_never_started(queue: Queue, start: StartWorker, tmp_path: Path, state: str) -> None:
    """A worker that comes too late ends the job and runs nothing of it."""
    what = "cancel" if state == "cancelled" else "dead"
    over_us = queue.enqueue(f"touch {tmp_path}/ran", id="a", expire_in="200ms", if_expired=what).created_at_us + 200_000
    wait_until(lambda: queue.ui.now_us() > over_us)
    start()
    job = ended(queue, "a")
    assert (job.state, job.attempts, job.ended_by) == (state, 0, "expired")
    assert not (tmp_path / "ran").exists()
    assert not [event for event in queue.history("a") if isinstance(event.event, Started)]


def test_a_job_expires_while_no_slot_is_free(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A worker whose only slot is taken ends within moments what must not start any more."""
    queue.enqueue(f"until [ -e {tmp_path}/go ]; do sleep 0.05; done", id="long")
    start(slots=1, poll_s=60)
    wait_until(lambda: queue.job("long").running_since_us is not None, timeout_s=60)
    queue.enqueue("true", id="a", expire_in="300ms")
    assert ended(queue, "a").ended_by == "expired"
    assert queue.job("long").state == "processing"
    (tmp_path / "go").touch()
    assert ended(queue, "long").state == "completed"


def test_the_last_attempt_is_cut_where_the_total_time_ends(queue: Queue, start: StartWorker) -> None:
    """A command that would go on is ended with max_time, and no attempt follows though there were some left."""
    queue.enqueue("sleep 60", id="a", max_time="1500ms", timeout=0, max_retries=5)
    start()
    job = ended(queue, "a")
    assert (job.state, job.attempts, job.ended_by) == ("dead", 1, "max_time")
    assert "all that was left of its max_time" in (job.error or "")
