"""Who holds what until when is known without looking at the jobs."""

from queuectl.events.types import Completed, Renewed
from queuectl.projections import leases
from tests.projections.telling import Teller


def test_a_lease_is_expired_from_its_moment_on(views: Teller) -> None:
    """Expired are the leases that end now or ended before, the first to end first."""
    late, early = (views.claim(views.enqueue(job_id), "w1", until) for job_id, until in (("a", 200), ("b", 100)))
    assert [leases.expired(views.txn, now) for now in (99, 100, 199, 200)] == [
        [], [early.number], [early.number], [early.number, late.number],
    ]  # fmt: skip


def test_a_renewed_lease_has_one_row(views: Teller) -> None:
    """A renewal moves the lease rather than adding one."""
    job = views.claim(views.enqueue(), "w1", 100)
    views.tell(job.number, Renewed(job.version, 300))
    assert (leases.expired(views.txn, 299), leases.expired(views.txn, 300)) == ([], [job.number])
    assert len(views.rows(leases.TABLE)) == 1


def test_each_worker_holds_its_own(views: Teller) -> None:
    """The jobs that run are told worker by worker, and what has ended is not held."""
    first, second, third = (views.claim(views.enqueue(job_id), worker) for job_id, worker in ("a1", "b2", "c1"))
    assert leases.held(views.txn) == {"1": [first.number, third.number], "2": [second.number]}
    views.tell(second.number, Completed(second.version, 1))
    assert leases.held(views.txn) == {"1": [first.number, third.number]}
