"""An id is used again once its job has ended: the old job goes, the new one comes, and one history tells of both."""

from collections.abc import Callable
from typing import Any

import pytest

from queuectl import DuplicateJob, InvalidInput, InvalidLine, Job, JobRequest, Queue
from queuectl.engine.writer import JOBS_AT_ONCE
from tests.lives import cancelled, completed, dead, failed, pending, processing


def types(queue: Queue, job_id: str, **asked: Any) -> list[str]:
    """Return the types of the events of an id."""
    return [type(each.event).__name__ for each in queue.history(job_id, **asked)]


@pytest.mark.parametrize("live", [completed, dead, cancelled], ids=lambda live: live.__name__)
def test_an_ended_job_is_replaced(queue: Queue, live: Callable[[Queue, str], Job]) -> None:
    """The new job waits with no attempt used, and the history goes from the first life to the second."""
    live(queue, "a")
    before = types(queue, "a")
    job = queue.enqueue("echo again", id="a", replace=True)
    assert (job.state, job.attempts, queue.job("a")) == ("pending", 0, job)
    assert types(queue, "a") == [*before, "Removed", "Enqueued"]
    assert queue.runs("a") == []
    assert queue.admin.replay(check=True).differences == []


@pytest.mark.parametrize("live", [pending, processing, failed], ids=lambda live: live.__name__)
def test_an_unfinished_job_is_not(queue: Queue, live: Callable[[Queue, str], Job]) -> None:
    """A job that waits, runs or is to be retried is left as it is, with what to type."""
    job = live(queue, "a")
    head = queue.log.head()
    with pytest.raises(
        DuplicateJob, match=f"cannot replace 'a': it has not ended \\({job.state}\\).*queuectl cancel a"
    ):
        queue.enqueue("true", id="a", replace=True)
    assert (queue.job("a"), queue.log.head()) == (job, head)


def test_an_id_that_is_free(queue: Queue) -> None:
    """Where there is nothing to replace it is an ordinary enqueue, also behind a removal, and without an id."""
    queue.enqueue("true", id="a", replace=True)
    queue.cancel("a")
    queue.remove("a")
    queue.enqueue("true", id="a", replace=True)
    assert types(queue, "a") == ["Enqueued", "Cancelled", "Removed", "Enqueued"]
    assert queue.enqueue("true", replace=True).state == "pending"


def test_not_unless_asked(queue: Queue) -> None:
    """Without it an ended job keeps its id, and the refusal names the way."""
    completed(queue, "a")
    with pytest.raises(DuplicateJob, match="--replace"):
        queue.enqueue("true", id="a")
    assert queue.job("a").state == "completed"


@pytest.mark.parametrize("wrong", [1, "yes", None])
def test_a_value_of_the_wrong_kind(queue: Queue, wrong: Any) -> None:
    """What is neither true nor false is refused by name."""
    with pytest.raises(InvalidInput, match="replace: found"):
        queue.enqueue("true", id="a", replace=wrong)


def test_many_at_once(queue: Queue) -> None:
    """In bulk ended ones are replaced and new ones come in one transaction; one unfinished refuses all."""
    completed(queue, "a")
    dead(queue, "b")
    asked = [JobRequest("true", id=job_id, replace=True) for job_id in "abc"]
    assert queue.enqueue_many(asked).ids == ["a", "b", "c"]
    queue.cancel("a")
    with pytest.raises(InvalidLine, match=r"line 2: cannot replace 'b'.*nothing was enqueued"):
        queue.enqueue_many(asked)
    assert queue.job("a").state == "cancelled"


def test_many_with_the_unfinished_left_out(queue: Queue) -> None:
    """With skip_existing those that have not ended are left out, and the others go in."""
    completed(queue, "a")
    pending(queue, "b")
    asked = [JobRequest("true", id=job_id, replace=True) for job_id in "abc"]
    done = queue.enqueue_many(asked, skip_existing=True)
    assert (done.ids, done.skipped) == (["a", "c"], 1)


def test_only_those_that_say_so(queue: Queue) -> None:
    """Each request of many speaks for itself."""
    completed(queue, "a")
    completed(queue, "b")
    asked = [{"id": "a", "command": "true", "replace": True}, {"id": "b", "command": "true", "replace": False}]
    with pytest.raises(InvalidLine, match="line 2: cannot enqueue 'b'"):
        queue.enqueue_many(asked)
    assert queue.enqueue_many(asked[:1]).ids == ["a"]


def test_an_id_twice(queue: Queue) -> None:
    """One id in two requests is refused as ever: the second would replace the first."""
    completed(queue, "a")
    twice = [JobRequest("true", id="a", replace=True)] * 2
    with pytest.raises(InvalidLine, match=r"line 2: .*nothing was enqueued"):
        queue.enqueue_many(twice)
    assert queue.job("a").state == "completed"


def test_more_than_a_transaction(queue: Queue) -> None:
    """Behind whole chunks it is checked before the first is enqueued, and done in each."""
    completed(queue, "a")
    pending(queue, "b")
    fill = [JobRequest("true")] * JOBS_AT_ONCE
    with pytest.raises(InvalidLine, match=f"line {JOBS_AT_ONCE + 2}: cannot replace 'b'.*nothing was enqueued"):
        queue.enqueue_many([*fill, JobRequest("true", id="a", replace=True), JobRequest("true", id="b", replace=True)])
    assert queue.enqueue_many([*fill, JobRequest("true", id="a", replace=True)]).ids[-1] == "a"
    assert types(queue, "a")[-2:] == ["Removed", "Enqueued"]


def test_what_the_earlier_job_printed_goes(queue: Queue) -> None:
    """Its output leaves with the job, as it does with any that is removed: in the store and as a file."""
    [job] = queue.worker("w").claim() if queue.enqueue("true", id="a") else []
    started = queue.worker("w").start(job)
    path = queue.worker("w").output_path(started)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"large")
    queue.worker("w").complete(started)
    queue.enqueue("true", id="a", replace=True)
    assert not path.exists()


def test_a_bounded_history(queue: Queue) -> None:
    """`lives` gives the last jobs of an id alone, however many there were."""
    for _ in range(4):
        queue.enqueue("true", id="a", replace=True)
        queue.cancel("a")
    life = ["Enqueued", "Cancelled", "Removed"]
    assert types(queue, "a") == [*life * 3, "Enqueued", "Cancelled"]
    assert types(queue, "a", lives=2) == [*life, "Enqueued", "Cancelled"]
    assert types(queue, "a", lives=9) == types(queue, "a")
    queue.remove("a")
    assert types(queue, "a", lives=1) == life


def test_all_or_none_of_the_named_jobs_are_removed(queue: Queue) -> None:
    """Any ended job can be removed by its id, all or none of those named."""
    for live in (completed, dead, cancelled):
        live(queue, live.__name__)
    pending(queue, "waiting")
    with pytest.raises(Exception, match="cannot remove 'waiting': it is pending"):
        queue.remove(["dead", "waiting"])
    assert queue.remove(["completed", "dead"], reason="tidy") == ["completed", "dead"]
    assert queue.remove("cancelled") == ["cancelled"]
    assert [job.id for job in queue.jobs()] == ["waiting"]
    assert queue.history("dead")[-1].reason == "tidy"
