"""Where a job lies is its row's doing alone: one table a state, and the same from a replay."""

import pytest

from queuectl.core.job import JobState
from queuectl.errors import IllegalTransition
from queuectl.events.append import Append
from queuectl.events.types import NEW_STREAM, Cancelled, Claimed, Completed, Enqueued, JobSpec, Removed
from queuectl.projections import dead, ended, ids, jobs, leases, marks, ready, scheduled
from queuectl.projections.views import SHELVES, Views, place
from queuectl.store.store import VIEW_TABLES, key_of
from tests.projections.telling import DUE_US, Teller, job_in

ENQUEUED = Enqueued(JobSpec("a", "true"))
TABLE_OF = {
    JobState.PENDING: ready.TABLE,
    JobState.PROCESSING: leases.TABLE,
    JobState.COMPLETED: ended.TABLE,
    JobState.FAILED: scheduled.TABLE,
    JobState.DEAD: dead.TABLE,
    JobState.CANCELLED: ended.TABLE,
}
WHERE = (ready.TABLE, scheduled.TABLE, leases.TABLE, dead.TABLE, ended.TABLE)


def test_every_state_has_its_place() -> None:
    """No state was forgotten when it was said where jobs lie."""
    assert SHELVES.keys() == TABLE_OF.keys() == set(JobState)


@pytest.mark.parametrize("state", JobState)
def test_a_job_lies_in_the_one_table_of_its_state(views: Teller, state: JobState) -> None:
    """After each step of its life a job is in no table but that of its state."""
    job = job_in(views, state)
    placed = place(job, key_of(job.number), 0)
    assert placed[0] == TABLE_OF[state]
    assert [table for table in WHERE if views.rows(table)] == [table for table in WHERE if table == TABLE_OF[state]]
    fronts = [(placed[1][-13:], job.spec.queue.encode())] if placed[0] == ready.TABLE else []
    assert views.rows(placed[0]) == [*fronts, placed[1:]]


def test_a_job_is_where_the_promotion_mark_says(views: Teller) -> None:
    """A job due by the mark is ready, one due later is scheduled, and nothing else counts."""
    job = views.enqueue(due_us=DUE_US)
    tables = [place(job, key_of(job.number), mark)[0] for mark in (DUE_US - 1, DUE_US, DUE_US + 1)]
    assert tables == [scheduled.TABLE, ready.TABLE, ready.TABLE]


def test_what_was_applied_is_seen_before_it_is_written(views: Teller) -> None:
    """An event builds on those before it, while others see them once they are written."""
    for recorded in views.log.append([Append(NEW_STREAM, 0, (ENQUEUED, Claimed("w1", 9000)))], at_us=0, actor="tester"):
        views.views.apply([recorded])
    job = views.views.job(1)
    assert job is not None
    assert (job.state, Views(views.txn).job(1)) == ("processing", None)
    views.views.flush()
    assert Views(views.txn).job(1) == job == views.views.job(1)


def test_a_removed_job_is_in_no_table(views: Teller) -> None:
    """A removal takes the job out of every table that it was in."""
    job = job_in(views, JobState.DEAD)
    views.tell(job.number, Removed("dead"))
    assert [views.rows(table) for table in (*WHERE, jobs.TABLE, ids.TABLE)] == [[]] * 7
    assert [key for key, _ in views.rows("marks")] == [b"applied"]


def test_a_job_that_comes_and_goes_at_once_leaves_no_row(views: Teller) -> None:
    """Enqueued, cancelled and removed before anything was written, a job is only remembered as removed."""
    views.tell(NEW_STREAM, ENQUEUED, Cancelled(), Removed("cancelled"))
    filled = [table for table in VIEW_TABLES if views.rows(table)]
    assert filled == ["removed", "marks"]


def test_the_views_know_how_far_they_are(views: Teller) -> None:
    """The position applied is kept with the views."""
    views.enqueue()
    views.enqueue("b")
    assert (marks.get(views.txn, marks.APPLIED), Views(views.txn).applied) == (2, 2)


def test_an_event_that_does_not_fit_is_refused(views: Teller) -> None:
    """The views do not take what the job's state does not allow."""
    job = views.enqueue()
    with pytest.raises(IllegalTransition, match="position 2"):
        views.tell(job.number, Completed(1, 1))
