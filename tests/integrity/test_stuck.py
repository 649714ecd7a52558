"""Jobs that a damaged view has lost sight of: who drains a queue says so and ends, and doctor counts them."""

from collections.abc import Sequence

import pytest

from queuectl import Queue
from queuectl.errors import StoreError
from queuectl.integrity.doctor import examine
from queuectl.worker import start_worker
from tests.clocks import FakeClock
from tests.lives import running, state_of


def drop(queue: Queue, table: str, *, heads_only: bool = False) -> None:
    """Take all rows of a view away, or the fronts of queues, which stand before the jobs'."""
    with queue._store.write() as txn:
        keys = [key for key, _ in txn.scan(table, stop=b"\1" if heads_only else None)]
        txn.delete_many(table, keys)


@pytest.mark.parametrize("queues", [None, ["default"], ["default", "other"]])
def test_a_drain_ends_where_what_is_left_can_never_run(queue: Queue, queues: Sequence[str] | None) -> None:
    """The worker runs what there is, then says what is wrong and what to type; a replay brings the job back."""
    queue.enqueue("true", id="lost")
    drop(queue, "ready")
    queue.enqueue("true", id="b")
    with pytest.raises(StoreError, match=r"1 jobs are to run.*queuectl verify.*queuectl replay"):
        start_worker(queue, drain=True, queues=queues, report=len)
    assert (state_of(queue, "lost"), state_of(queue, "b")) == ("pending", "completed")
    assert queue.workers() == []
    queue.admin.replay()
    assert start_worker(queue, drain=True, queues=queues, report=len) == 0
    assert state_of(queue, "lost") == "completed"


def test_a_queue_that_lost_its_head_is_stuck_for_who_serves_all(queue: Queue) -> None:
    """Where the row is missing by which a queue is found, its job is not found either."""
    queue.enqueue("true", id="a")
    drop(queue, "ready", heads_only=True)
    with pytest.raises(StoreError, match="1 jobs are to run"):
        queue.backlog()
    assert queue.backlog(["default"]) == 1


@pytest.mark.parametrize("queues", [None, ["few"]])
def test_jobs_lost_beside_others_that_are_held_and_due_are_told(queue: Queue, queues: Sequence[str] | None) -> None:
    """A job that somebody holds, or that is due later, hides none that is lost: the counts say how many there must be.

    The worker ends in place of waiting for ever.
    """
    queue.enqueue("true", id="held", queue="other")
    queue.worker("elsewhere").claim(1, lease_s=36_000)
    queue.enqueue("true", id="later", queue="few", delay_s=1_000_000)
    queue.enqueue("true", id="lost", queue="few")
    drop(queue, "ready")
    with pytest.raises(StoreError, match=r"not all are found ready, due or held.*queuectl verify.*queuectl replay"):
        start_worker(queue, drain=True, queues=queues, report=len)
    assert queue.backlog(["other"]) == 1


def test_what_is_due_later_or_held_is_waited_for(queue: Queue, clock: FakeClock) -> None:
    """A job of these queues that is scheduled, or that anybody holds, is not lost; one of others is no excuse."""
    queue.enqueue("true", id="a")
    running(queue)
    assert queue.backlog() == queue.backlog(["default"]) == 1
    queue.enqueue("true", id="b", queue="other", delay_s=600)
    assert queue.backlog(["other"]) == 1
    drop(queue, "leases")
    assert queue.backlog() == 2
    with pytest.raises(StoreError):
        queue.backlog(["default"])
    clock.advance(601)
    assert queue.backlog(["other"]) == 1


@pytest.mark.parametrize("table", ["ready", "scheduled", "leases"])
def test_doctor_counts_what_is_nowhere(queue: Queue, table: str) -> None:
    """Each view that ought to have a job which has not ended is compared with how many there are."""
    for number in range(3):
        queue.enqueue("true", id=f"job{number}", queue=f"q{number}")
    queue.enqueue("true", id="later", delay_s=600)
    running(queue)
    assert "views" in [each.check for each in examine(queue.path) if each.state == "ok"]
    drop(queue, table)
    [found] = [each for each in examine(queue.path) if each.check == "views"]
    assert (found.state, found.do) == ("problem", "queuectl replay")
    assert found.found.startswith("2 jobs are" if table == "ready" else "1 job is")
