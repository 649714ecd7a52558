"""A job's row is the job."""

from queuectl.core.job import Job, JobState
from queuectl.projections import jobs
from tests.projections.telling import Teller, job_in


def test_jobs_come_back_as_they_were_written(views: Teller) -> None:
    """A job read from its row equals the one that was written, whatever state it is in."""
    written = [job_in(views, state, str(state)) for state in JobState]
    found = [jobs.get(views.txn, job.number) for job in written]
    assert found == written
    assert [type(each) for job in found for each in (job, job and job.state)] == [Job, JobState] * 6


def test_jobs_are_read_from_either_end(views: Teller) -> None:
    """Jobs come first or last enqueued first, from below a number or up to a limit."""
    numbers = [views.enqueue(f"job{n}").number for n in range(4)]
    txn = views.txn
    assert [job.number for job in jobs.newest_first(txn)] == numbers[::-1]
    assert [job.number for job in jobs.newest_first(txn, below=numbers[2])] == numbers[1::-1]
    assert [job.number for job in jobs.oldest_first(txn, after=numbers[0])] == numbers[1:]
    assert jobs.get(txn, 99) is None
