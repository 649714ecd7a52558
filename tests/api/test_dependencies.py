"""What becomes of jobs that wait for others where these end in turn, are let go, or are told of too late."""

import pytest

from queuectl import InvalidInput, InvalidLine, JobRequest, Queue, WrongState
from tests.clocks import FakeClock

CHILDREN = 2_500
"""More than are told in a transaction."""


def end(queue: Queue, job_id: str, *, completed: bool) -> None:
    """Run a job."""
    worker = queue.worker("w")
    [job] = worker.claim(1, lease_s=80_000)
    assert job.id == job_id
    if completed:
        worker.complete(worker.start(job))
    else:
        worker.fail(worker.start(job), "exit code 1", return_code=1)


def test_retention_lets_no_parent_go_that_has_yet_to_tell_its_children(queue: Queue, clock: FakeClock) -> None:
    """They all run."""
    queue.enqueue("true", id="p")
    queue.enqueue_many([JobRequest("true", after="p")] * CHILDREN)
    end(queue, "p", completed=True)
    clock.advance(10)
    assert queue.admin.compact(older_than="5s").jobs == 1
    assert len(queue.worker("w").claim(CHILDREN + 1, lease_s=80_000)) == CHILDREN


def test_a_parent_that_runs_again_has_told_all_before(queue: Queue) -> None:
    """Those for whom it has completed wait for it no more, however many they are."""
    queue.enqueue("true", id="p", priority=1)
    queue.enqueue_many([JobRequest("true", after="p")] * CHILDREN)
    end(queue, "p", completed=True)
    queue.retry("p")
    assert queue.status().waiting["dependency"] == 0


@pytest.mark.parametrize("is_read_anew", [False, True])
def test_a_parent_that_is_dead_is_retried_and_completes(queue: Queue, is_read_anew: bool) -> None:
    """In one transaction, or in several: whoever waits for it runs."""
    queue.enqueue("true", id="p", max_retries=0)
    queue.enqueue("true", id="c", after="p")
    end(queue, "p", completed=False)
    queue.retry("p")
    end(queue, "p", completed=True)
    if is_read_anew:
        queue.admin.replay()
    assert queue.admin.replay(check=True).differences == []
    end(queue, "c", completed=True)


@pytest.mark.parametrize("word", [None, "cancel"])
def test_a_job_whose_parent_failed_is_not_retried_in_vain(queue: Queue, word: str | None) -> None:
    """It is refused while that is so, and not once its parent was retried."""
    queue.enqueue("true", id="p", max_retries=0)
    queue.enqueue("true", id="c", after="p", if_parent_fails=word)
    end(queue, "p", completed=False)
    if word is None:
        assert queue.job("c").state == "pending"
        return
    with pytest.raises(WrongState, match="cannot retry 'c': it is cancelled, and waits for p, which is dead"):
        queue.retry("c")
    assert queue.job("c").state == "cancelled"
    queue.retry("p")
    queue.retry("c")
    assert [queue.job(job_id).state for job_id in ("p", "c")] == ["pending", "pending"]


def test_a_job_whose_parent_is_gone_is_not_retried_in_vain(queue: Queue) -> None:
    """It is freed first."""
    queue.enqueue("true", id="p")
    queue.cancel("p")
    queue.enqueue("true", id="c", after="p")
    queue.cancel("c")
    queue.remove("p")
    with pytest.raises(WrongState, match="waits for p, which is gone"):
        queue.retry("c")
    queue.edit("c", after=None)
    queue.retry("c")
    end(queue, "c", completed=True)


def test_a_batch_does_not_replace_whom_an_earlier_line_waits_for(queue: Queue) -> None:
    """Which would wait for the one that is gone."""
    queue.enqueue("true", id="p")
    queue.cancel("p")
    with pytest.raises(InvalidInput, match="not replaced further on"):
        queue.enqueue_many([JobRequest("true", "c", after="p"), JobRequest("true", "p", replace=True)])
    queue.enqueue_many([JobRequest("true", "p", replace=True), JobRequest("true", "c", after="p")])
    end(queue, "p", completed=True)
    end(queue, "c", completed=True)


def test_a_parent_of_many_lines_is_looked_up_before_the_first_is_enqueued(queue: Queue) -> None:
    """The line is named, however far down it is."""
    with pytest.raises(InvalidLine, match="line 1500: after: found 'nosuch'"):
        queue.enqueue_many([JobRequest("true")] * 1_499 + [JobRequest("true", after="nosuch")])
    assert queue.jobs() == []


def test_an_edit_by_key_adds_nothing_to_wait_for(queue: Queue) -> None:
    """So that is refused, and nothing is dropped without a word."""
    with pytest.raises(InvalidInput, match="if_exists: found replace"):
        queue.enqueue("true", unique="k", if_exists="replace", after="p")
