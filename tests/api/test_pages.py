"""Pages of lists: each goes on where the one before ended, whatever happened between."""

import pytest

from queuectl import JobRequest, Queue
from tests.clocks import FakeClock


def page(queue: Queue, state: str | None, after: str | None) -> list[str]:
    return [job.id for job in queue.jobs(state=state, limit=2, after=after)]


def fill(queue: Queue, *, delay_s: float = 0, max_retries: int = 0) -> None:
    queue.enqueue_many([JobRequest("true", id=f"j{n}", delay=delay_s, max_retries=max_retries) for n in range(5)])


@pytest.mark.parametrize("delay_s", [0, 60])
def test_pending_pages_go_on_behind_a_job_that_was_claimed_or_cancelled(queue: Queue, delay_s: float) -> None:
    """The page behind a job that is no longer pending is the one behind its old place."""
    fill(queue, delay_s=delay_s)
    assert page(queue, "pending", None) == ["j0", "j1"]
    queue.cancel("j1")
    assert page(queue, "pending", "j1") == ["j2", "j3"]
    assert page(queue, "pending", "j3") == ["j4"]


def test_pages_go_from_the_ready_to_the_delayed(queue: Queue, clock: FakeClock) -> None:
    """Ready jobs come first, delayed ones follow, across a page's end."""
    fill(queue)
    queue.enqueue("true", id="later", delay_s=60)
    assert page(queue, "pending", "j3") == ["j4", "later"]
    assert page(queue, "pending", "later") == []


def test_dead_pages_go_on_behind_a_job_that_was_retried(queue: Queue) -> None:
    """The page behind a job that left the dead letter queue is the one behind its death."""
    fill(queue)
    for job in queue.worker("w").claim(5):
        queue.worker("w").fail(job, "no")
    assert page(queue, "dead", None) == ["j4", "j3"]
    queue.dlq.retry(["j3"])
    assert page(queue, "dead", "j3") == ["j2", "j1"]


def test_pages_of_all_jobs_are_newest_first(queue: Queue) -> None:
    """Without a state, pages go from the newest job to the oldest."""
    fill(queue)
    assert [page(queue, None, after) for after in (None, "j3", "j1")] == [["j4", "j3"], ["j2", "j1"], ["j0"]]


def test_pages_of_one_queue_leave_out_the_others(queue: Queue) -> None:
    """A page of one queue's jobs holds none of another's."""
    for n in range(4):
        queue.enqueue("true", id=f"j{n}", queue="ab"[n % 2])
    assert [job.id for job in queue.jobs(state="pending", queue="a", limit=1, after="j0")] == ["j2"]


def test_processing_pages_hold_those_that_run(queue: Queue) -> None:
    """Jobs that are processing come newest first, page by page, also behind one that has ended meanwhile."""
    fill(queue)
    held = queue.worker("w").claim(4)
    assert page(queue, "processing", None) == ["j3", "j2"]
    queue.worker("w").complete(held[2])
    assert page(queue, "processing", "j2") == ["j1", "j0"]
    assert page(queue, "processing", "j0") == []
