"""The counts are those of the jobs, at every step."""

from collections import Counter

import pytest

from queuectl.core.job import JobState
from queuectl.events.types import Removed
from queuectl.projections import counts, jobs
from tests.projections.telling import Teller, job_in


def test_the_counts_add_up(views: Teller) -> None:
    """For jobs in every state of two queues the counts are what counting the jobs gives."""
    for n, state in enumerate([*JobState, *JobState, JobState.DEAD]):
        job_in(views, state, f"job{n}", "one" if n % 3 else "two")
        counted = Counter((job.spec.queue, job.state) for job in jobs.oldest_first(views.txn))
        told = {(queue, state): n for queue, each in counts.all_queues(views.txn).items() for state, n in each.items()}
        assert {place: n for place, n in told.items() if n} == counted
        assert {state: n for state, n in counts.total(views.txn).items() if n} == Counter(
            job.state for job in jobs.oldest_first(views.txn)
        )


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED])
def test_a_queue_without_jobs_has_no_row(views: Teller, state: JobState) -> None:
    """With its last job a queue is gone from the counts."""
    job = job_in(views, state)
    assert counts.get(views.txn, "default")[state] == 1
    views.tell(job.number, Removed(state))
    assert counts.all_queues(views.txn) == {}
    assert [key for key, _ in views.rows(counts.TABLE)] == [b"applied"]


def test_a_queue_never_seen_counts_nothing(views: Teller) -> None:
    """Every state of an unknown queue counts 0."""
    assert counts.get(views.txn, "nowhere") == counts.total(views.txn) == dict.fromkeys(JobState, 0)
