"""The leases view: who holds what, and whose time is up."""

from queuectl.events.types import Completed, Renewed
from queuectl.projections import leases
from tests.projections.telling import Teller


def expired(views: Teller, now_us: int, *present: str) -> list[int]:
    """Return what has expired by then, where these workers are there."""
    return leases.expired(views.txn, now_us, present.__contains__)


def test_leases_expire_at_their_time(views: Teller) -> None:
    """A lease is over from its expiry on, in whatever order leases were taken, and whoever took them."""
    late, early, other = (views.enqueue() for _ in range(3))
    views.claim(late, expires_at_us=200)
    views.claim(early, expires_at_us=100)
    views.claim(other, "w2", expires_at_us=100)
    assert [sorted(expired(views, now)) for now in (99, 100, 199, 200)] == [
        [],
        [early.number, other.number],
        [early.number, other.number],
        [late.number, early.number, other.number],
    ]


def test_who_is_there_holds_all_its_leases(views: Teller) -> None:
    """Leases of a worker that is present do not expire, those of others do, also of one whose name begins alike."""
    jobs = [views.enqueue() for _ in range(4)]
    for job, worker in zip(jobs, ["w", "w1", "w1", "w2"], strict=True):
        views.claim(job, worker, expires_at_us=100)
    assert expired(views, 100, "w1") == [jobs[0].number, jobs[3].number]
    assert expired(views, 100, "w", "w2") == [jobs[1].number, jobs[2].number]


def test_a_renewed_lease_has_one_row(views: Teller) -> None:
    """A renewal moves the lease rather than adding one."""
    job = views.claim(views.enqueue(), expires_at_us=100)
    views.tell(job.number, Renewed(job.version, 300))
    assert (expired(views, 299), expired(views, 300)) == ([], [job.number])
    assert len(views.rows(leases.TABLE)) == 1


def test_held_jobs_are_told_by_worker(views: Teller) -> None:
    """Each worker's jobs are there while it holds them, and not those of one whose name begins alike."""
    first, second, third = (views.claim(views.enqueue(), worker) for worker in ("1", "12", "1"))
    assert leases.held(views.txn) == {"1": [first.number, third.number], "12": [second.number]}
    assert leases.held_by(views.txn, "1") == [first.number, third.number]
    views.tell(second.number, Completed(second.version, 1))
    assert leases.held(views.txn) == {"1": [first.number, third.number]}
    assert leases.held_by(views.txn, "12") == []


def test_a_worker_may_have_a_name_longer_than_a_key(views: Teller) -> None:
    """The longest ids that a worker can have, alike but for their end, hold their jobs as any other does."""
    names = ["\U0001f600" * 199 + end for end in "ab"]
    jobs = [views.claim(views.enqueue(), name, expires_at_us=100) for name in names]
    assert leases.held(views.txn) == {name: [job.number] for name, job in zip(names, jobs, strict=True)}
    assert [leases.held_by(views.txn, name) for name in names] == [[job.number] for job in jobs]
    assert expired(views, 100, names[0]) == [jobs[1].number]
