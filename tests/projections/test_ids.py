"""An id belongs to one live job, is free after its removal, and is not forgotten."""

from queuectl.core.job import JobState
from queuectl.events.types import Removed
from queuectl.projections import ids, removed
from tests.projections.telling import Teller, job_in


def test_an_id_leads_to_its_job(views: Teller) -> None:
    """A live job is found by its id, others are not."""
    job = views.enqueue("nächtlich")
    assert ids.find(views.txn, "nächtlich") == job.number
    assert [ids.find(views.txn, job_id) for job_id in ("", "nächtlic", "\ud800", "x" * 999)] == [None] * 4
    assert removed.find(views.txn, "nächtlich") is None


def test_an_id_is_free_after_its_removal_and_known_as_removed(views: Teller) -> None:
    """A removed job is no longer found by its id, but by what was removed; a new one has the id then."""
    first = job_in(views, JobState.DEAD)
    views.tell(first.number, Removed("dead"))
    assert (ids.find(views.txn, "a"), removed.find(views.txn, "a")) == (None, first.number)
    second = views.enqueue("a")
    assert (ids.find(views.txn, "a"), removed.find(views.txn, "a")) == (second.number, first.number)


def test_the_last_removal_counts(views: Teller) -> None:
    """Of several jobs removed under one id, the last is the one remembered."""
    numbers = []
    for _ in range(2):
        job = job_in(views, JobState.CANCELLED)
        views.tell(job.number, Removed("cancelled"))
        numbers.append(job.number)
    assert removed.find(views.txn, "a") == numbers[-1] != numbers[0]
