"""What a live view is answered: the right jobs in the right order, at a cost that does not grow with the queue."""

from queuectl import JobState, Queue
from queuectl.core.job_request import JobRequest
from queuectl.queries.overview import MOST_LOOKED_AT
from tests.clocks import FakeClock


def ids(queue: Queue, state: JobState | None = None, of: str | None = None, limit: int = 100) -> list[str]:
    """Return the ids of the jobs that an overview lists."""
    return [job.id for job in queue.ui.overview(state=state, queue=of, limit=limit).jobs]


def test_those_that_run_come_first_and_the_last_to_end_at_the_end(queue: Queue, clock: FakeClock) -> None:
    """Those that run come first, longest first, then those to run next, those with a time, and the last to end."""
    for name in ("done", "dead", "run1", "run2", "next"):
        queue.enqueue("true", id=name, max_retries=0)
        clock.advance(1)
    queue.worker("w").complete(queue.worker("w").claim()[0])
    clock.advance(1)
    queue.worker("w").fail(queue.worker("w").start(queue.worker("w").claim()[0]), "no")
    queue.worker("w").claim()
    clock.advance(1)
    queue.worker("w").claim()
    queue.cancel("run1")  # is asked to stop, and has run for longest all the same
    queue.enqueue("true", id="urgent", priority=5)
    queue.enqueue("true", id="later", delay_s=60)
    assert ids(queue) == ["run1", "run2", "urgent", "next", "later", "dead", "done"]


def test_a_state_and_a_queue_leave_the_others_out(queue: Queue) -> None:
    """A state and a queue leave the others out."""
    for number in range(3):
        queue.enqueue("true", id=f"mail{number}", queue="mail")
        queue.enqueue("true", id=f"job{number}")
    queue.cancel("mail1")
    assert ids(queue, JobState.PENDING, "mail") == ["mail0", "mail2"]
    assert ids(queue, JobState.CANCELLED) == ["mail1"]
    assert ids(queue, None, "mail") == ["mail0", "mail2", "mail1"]
    assert ids(queue, JobState.PENDING, limit=2) == ["mail0", "job0"]
    assert ids(queue, JobState.DEAD) == []


def test_what_waits_for_its_next_attempt_is_told_by_when(queue: Queue) -> None:
    """What waits for its next attempt is told by when that is due; jobs that have not failed are no retries."""
    queue.enqueue("true", id="later", delay_s=1)
    for name, base in (("slow", 50.0), ("quick", 10.0)):
        queue.enqueue("true", id=name, backoff_base=base)
        queue.worker("w").fail(queue.worker("w").start(queue.worker("w").claim()[0]), "no")
    assert [job.id for job in queue.ui.overview().retries] == ["quick", "slow"]


def test_one_that_has_just_ended_is_found_behind_newer_jobs(queue: Queue) -> None:
    """Behind any number of newer jobs one that has just ended is found by its number."""
    number = queue.enqueue("true", id="old").number
    queue.worker("w").complete(queue.worker("w").claim()[0])
    queue.enqueue_many([JobRequest("true")] * (MOST_LOOKED_AT + 100))
    assert "old" not in ids(queue, JobState.COMPLETED)
    assert [job.id for job in queue.ui.overview(state=JobState.COMPLETED, just_ended=[number]).jobs] == ["old"]
