"""Jobs whose time is over: none is started, and all end, by the log's time, wherever they wait."""

import pytest

from queuectl import JobState, Queue, WrongState
from queuectl.projections import timers
from queuectl.projections.row_codec import scan
from tests.clocks import FakeClock
from tests.lives import running, state_of


def timed(queue: Queue) -> list[int]:
    """Return the numbers of the jobs in `timers`, the first whose time is over first."""
    with queue._store.read() as txn:
        return [int.from_bytes(key[9:], "big") for key, _ in scan(txn, timers.TABLE)]


def test_a_claim_never_starts_a_job_that_has_expired(queue: Queue, clock: FakeClock) -> None:
    """Of jobs in a row those whose time is over are ended on the way, and the claim gets as many as it asked for."""
    for n in range(6):
        queue.enqueue("true", id=f"over{n}", priority=9 - n, expire_in=2, if_expired=("dead", "cancel")[n % 2])
        queue.enqueue("true", id=f"good{n}", priority=9 - n, expire_in=60 + n)
    clock.advance(3)
    taken = queue.worker("w1").exchange([], want=4, lease_s=30).claimed
    assert [job.id for job in taken] == ["good0", "good1", "good2", "good3"]
    assert {state_of(queue, f"over{n}") for n in (0, 2, 4)} == {"dead"}
    assert {state_of(queue, f"over{n}") for n in (1, 3, 5)} == {"cancelled"}
    assert {(job.attempts, job.ended_by) for job in queue.jobs() if "over" in job.id} == {(0, "expired")}
    assert timed(queue) == [queue.job("good4").number, queue.job("good5").number]
    assert queue.admin.replay(check=True).differences == []


def test_a_job_expires_wherever_it_waits(queue: Queue, clock: FakeClock) -> None:
    """Without a claim too: not due yet, paused, in a queue that nobody serves, or waiting for a retry."""
    queue.enqueue("true", id="held", paused=True, expire_in=5)
    queue.enqueue("true", id="later", delay=3600, expire_in=5)
    queue.enqueue("true", id="unserved", queue="other", max_time=5)
    queue.enqueue("true", id="retried", priority=1, expire_in=50, backoff="fixed:40s")
    queue.worker("w1").fail(running(queue), "exit code 1", return_code=1)
    assert queue.worker("w1").expire() == []
    clock.advance(6)
    assert sorted(job.id for job in queue.worker("w1").expire()) == ["held", "later", "unserved"]
    clock.advance(45)
    assert [job.id for job in queue.worker("w1").expire()] == ["retried"]
    assert [queue.job(job_id).ended_by for job_id in ("later", "unserved", "retried")] == [
        *("expired", "max_time", "expired"),
    ]
    assert timed(queue) == []
    assert queue.admin.replay(check=True).differences == []


def test_many_jobs_expire_in_several_units(queue: Queue, clock: FakeClock) -> None:
    """However many they are, all are ended, and no unit has more than it should."""
    queue.enqueue_many([{"command": "true", "expire_in": 1} for _ in range(2_500)])
    clock.advance(2)
    assert len(queue.worker("w1").expire()) == 2_500
    assert queue.status().jobs[JobState.DEAD] == 2_500


def test_a_claim_ends_no_more_than_some_on_its_way(queue: Queue, clock: FakeClock) -> None:
    """One that meets very many holds the store no longer than for a thousand; the others are ended beside claims."""
    queue.enqueue_many([{"command": "true", "expire_in": 1} for _ in range(2_500)])
    queue.enqueue("true", id="good")
    clock.advance(2)
    assert queue.worker("w1").exchange([], want=2, lease_s=30).claimed == []
    assert 1_000 <= queue.status().jobs[JobState.DEAD] <= 1_100
    queue.worker("w1").expire()
    assert [job.id for job in queue.worker("w1").exchange([], want=2, lease_s=30).claimed] == ["good"]


def test_a_job_that_runs_does_not_expire(queue: Queue, clock: FakeClock) -> None:
    """It has begun in time; once it is given back its time is over."""
    queue.enqueue("true", id="a", expire_in=5)
    job = running(queue)
    clock.advance(10)
    queue.worker("w1").renew(job)
    assert queue.worker("w1").expire() == []
    queue.worker("w1").release(job)
    assert [job.id for job in queue.worker("w2").expire()] == ["a"]


def test_a_retry_lifts_the_expiry_and_an_edit_sets_another(queue: Queue, clock: FakeClock) -> None:
    """A dead job that is retried runs whenever it is its turn; its total time begins anew."""
    queue.enqueue("true", id="a", expire_in=5, max_time=100)
    clock.advance(6)
    queue.worker("w1").expire()
    assert state_of(queue, "a") == "dead"
    queue.dlq.retry(["a"])
    clock.advance(99)
    assert queue.worker("w1").expire() == []
    assert queue.edit("a", expire_in=5).expiry.expires_us == clock.now_us() + 5_000_000
    clock.advance(3)
    assert [job.ended_by for job in queue.worker("w1").expire()] == ["max_time"]
    assert queue.retry("a").ended_by is None
    assert queue.edit("a", max_time=None).expiry is None
    assert timed(queue) == []
    assert queue.admin.replay(check=True).differences == []


def test_the_time_is_the_logs_where_the_clock_was_ahead(queue: Queue, clock: FakeClock) -> None:
    """After the machine's clock was put back, five seconds are five seconds of it, whatever the log's time says."""
    clock.jump(3600)
    queue.enqueue("true", id="ahead")
    clock.jump(-3600)
    expiry = queue.enqueue("true", id="a", expire_in=10).expiry
    assert expiry is not None
    assert expiry.due_us is not None
    assert expiry.due_us > clock.now_us() + 3_000_000_000
    clock.advance(9)
    assert queue.worker("w1").expire() == []
    clock.advance(2)
    assert [job.id for job in queue.worker("w1").expire()] == ["a"]


def test_jobs_that_expire_are_told_from_others_by_any_node_that_looks_later(queue: Queue, clock: FakeClock) -> None:
    """A second look finds nothing to end, and a job that has ended otherwise stands nowhere in the way."""
    queue.enqueue("true", id="a", expire_in=5)
    queue.cancel("a")
    clock.advance(6)
    assert queue.worker("w1").expire() == []
    with pytest.raises(WrongState):
        queue.cancel("a")
