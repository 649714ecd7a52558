"""A unit of work decides, appends and applies in one transaction, or leaves nothing behind."""

import pytest

from queuectl.core.commands import CancelJob, ClaimJob, CompleteJob, EnqueueJob, RemoveJob, RequeueJob
from queuectl.core.job import Job
from queuectl.engine.engine import Engine
from queuectl.engine.unit_of_work import token_of
from queuectl.errors import DuplicateJob, JobNotFound, StaleLease, WrongState
from queuectl.events.types import Claimed, ConfigChanged, Enqueued, JobSpec, Started
from queuectl.projections import config, jobs
from queuectl.queries import jobs as reading
from queuectl.store.event_reader import EventReader
from tests.clocks import START_US, FakeClock

SECOND = 1_000_000


def enqueue(engine: Engine, *ids: str) -> list[int]:
    """Enqueue jobs and give their numbers."""
    with engine.unit() as unit:
        return [job.number for job in unit.enqueue([EnqueueJob(JobSpec(job_id, "true")) for job_id in ids])]


def claim(engine: Engine, count: int = 1, *, lease_s: float = 30) -> list[Job]:
    """Claim jobs for w1."""
    with engine.unit() as unit:
        return unit.claim("w1", count, lease_s=lease_s)


def states(engine: Engine) -> dict[str, str]:
    """Return each job's state, from the store."""
    with engine.store.read() as txn:
        return {job.id: str(job.state) for job in jobs.oldest_first(txn)}


def head(engine: Engine) -> int:
    """Return the position of the last event."""
    with engine.unit() as unit:
        return unit.log.head()


class Unwell(Exception):
    """What goes wrong in the middle of a unit."""


def die(engine: Engine) -> None:
    """Do all kinds of things in a unit that comes to nothing."""
    with engine.unit() as unit:
        unit.enqueue([EnqueueJob(JobSpec("new", "true"))])
        unit.claim("w1", 5, lease_s=30)
        unit.configure("max_retries", 9)
        unit.views.flush()
        raise Unwell


def test_a_unit_that_fails_leaves_no_trace(engine: Engine) -> None:
    """Neither events nor views nor what is remembered of them outlive a unit that failed."""
    enqueue(engine, "a")
    with pytest.raises(Unwell):
        die(engine)
    assert (states(engine), head(engine)) == ({"a": "pending"}, 1)
    with engine.unit() as unit:
        assert (unit.settings().max_retries, unit.views.job(2)) == (3, None)
    assert [job.id for job in claim(engine, 5)] == ["a"]


def test_a_unit_sees_what_it_has_done(engine: Engine) -> None:
    """Within a unit each step builds on those before it, written or not."""
    with engine.unit() as unit:
        [job] = unit.enqueue([EnqueueJob(JobSpec("a", "true"))])
        unit.execute([(job.number, CancelJob())])
        [job] = unit.execute([(job.number, RequeueJob())])
        assert unit.views.job(job.number) == job
    assert states(engine) == {"a": "pending"}


def test_orders_are_all_or_none(engine: Engine) -> None:
    """One refusal and none of the orders is carried out; the refusal is the first one's."""
    first, second = enqueue(engine, "a", "b")

    def cancel(*numbers: int) -> None:
        with engine.unit() as unit:
            unit.execute([(number, CancelJob()) for number in numbers])

    with pytest.raises(JobNotFound):
        cancel(first, 99, second)
    assert (states(engine), head(engine)) == ({"a": "pending", "b": "pending"}, 2)


def test_attempts_are_each_for_itself(engine: Engine) -> None:
    """What is not refused is carried out, and each refusal comes back with its order."""
    first, second = enqueue(engine, "a", "b")
    orders = [(second, CancelJob()), (first, CompleteJob(7)), (99, CancelJob())]
    with engine.unit() as unit:
        done, refused = unit.execute_each(orders)
    assert [job.id for job in done] == ["b"]
    assert [(order, type(error)) for order, error in refused] == [(orders[1], StaleLease), (orders[2], JobNotFound)]


def test_an_order_with_nothing_to_do_is_no_event(engine: Engine) -> None:
    """What is as it should be already gives the job as it stands."""
    [number] = enqueue(engine, "a")
    claim(engine)
    with engine.unit() as unit:
        asked = unit.execute([(number, CancelJob())])
        assert unit.execute([(number, CancelJob())]) == asked
    assert head(engine) == 3


def test_time_in_the_log_never_goes_back(engine: Engine, clock: FakeClock) -> None:
    """With a clock that was set back, a unit's time is the last event's, for leases and retries too."""
    enqueue(engine, "a")
    clock.jump(-100)
    [job] = claim(engine)
    assert job.lease is not None
    assert (job.updated_at_us, job.lease.expires_at_us) == (START_US, START_US + 30 * SECOND)
    assert claim(engine) == []


def test_claiming_wakes_first(engine: Engine, clock: FakeClock) -> None:
    """A claim finds those jobs too that just became due, in their order."""
    enqueue(engine, "ready")
    with engine.unit() as unit:
        unit.enqueue([EnqueueJob(JobSpec("due", "true", priority=1, run_at_us=START_US + 10 * SECOND))])
    clock.advance(10)
    assert [job.id for job in claim(engine, 5)] == ["due", "ready"]


def test_taking_is_claiming_and_starting(engine: Engine) -> None:
    """Jobs taken have leases whose tokens are the positions of their claims, and an attempt counted under each."""
    first, second = enqueue(engine, "a", "b")
    with engine.unit() as unit:
        taken = unit.take("w1", 3, free=3, lease_s=30, queues=None, host="host", pid=10)
    assert [(job.number, job.attempts, token_of(job)) for job in taken] == [(first, 1, 3), (second, 1, 5)]
    with engine.store.read() as txn:
        events = [(each.position, each.stream, each.event) for each in EventReader(txn).read(after=2)]
    lease = Claimed("w1", START_US + 30 * SECOND)
    assert events == [
        (3, first, lease),
        (4, first, Started(3, 1, "host", 10)),
        (5, second, lease),
        (6, second, Started(5, 1, "host", 10)),
    ]


def test_a_job_just_claimed_is_not_taken_back_by_the_same_claim(engine: Engine) -> None:
    """The shortest of leases still gives the job to its claimer."""
    enqueue(engine, "a")
    assert [job.id for job in claim(engine, lease_s=0.000001)] == ["a"]


def test_a_batch_refuses_an_id_twice(engine: Engine) -> None:
    """An id that a batch holds twice is a duplicate, told by its place in the batch."""
    with pytest.raises(DuplicateJob) as caught:
        enqueue(engine, "a", "b", "a")
    assert (caught.value.index, states(engine)) == (2, {})


def test_a_new_life_is_linked_to_the_old(engine: Engine) -> None:
    """The first event of a job whose id was removed names the last event of the job before."""
    [number] = enqueue(engine, "a")
    with engine.unit() as unit:
        unit.execute([(number, CancelJob())])
        unit.execute([(number, RemoveJob())])
    assert enqueue(engine, "a") == [4]
    with engine.store.read() as txn:
        recorded = reading.history(txn, "a")
    assert [(each.position, each.prev) for each in recorded] == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert isinstance(recorded[-1].event, Enqueued)


def test_configuring_is_an_event_where_it_changes_something(engine: Engine) -> None:
    """A key's new value and its old one are recorded; setting it to what it is, is not."""
    with engine.unit(reason="busy") as unit:
        for value in (5, 5, None, None):
            unit.configure("max_retries", value)
    with engine.unit() as unit:
        recorded = list(unit.log.read())
    assert [each.event for each in recorded] == [
        ConfigChanged("max_retries", None, 5),
        ConfigChanged("max_retries", 5, None),
    ]
    assert [(each.stream, each.prev, each.reason) for each in recorded] == [
        ("config", 0, "busy"),
        ("config", 1, "busy"),
    ]
    with engine.store.read() as txn:
        assert config.values(txn) == {}


def test_a_unit_has_its_own_actor(engine: Engine) -> None:
    """A unit acts for whom it was opened, else for the engine's own."""
    with engine.unit(actor="w1") as unit:
        unit.configure("max_retries", 1)
    with engine.unit() as unit:
        unit.configure("max_retries", 2)
        assert [each.actor for each in unit.log.read()] == ["w1", "tester"]


def test_two_engines_do_not_mislead_each_other(engine: Engine, clock: FakeClock) -> None:
    """What an engine remembers of a job does not count where another has changed it since."""
    other = Engine(engine.store, clock, "other")
    [number] = enqueue(engine, "a")
    [job] = claim(engine)
    with other.unit() as unit:
        unit.execute([(number, CompleteJob(token_of(job)))])

    def act(command: CompleteJob | ClaimJob) -> None:
        with engine.unit() as unit:
            unit.execute([(number, command)])

    for command, error in ((CompleteJob(token_of(job)), StaleLease), (ClaimJob("w1", 1), WrongState)):
        with pytest.raises(error, match="completed"):
            act(command)


def test_a_large_unit_ends_like_a_small_one(engine: Engine) -> None:
    """Thousands of jobs are enqueued, claimed and completed, each in one unit."""
    numbers = enqueue(engine, *[f"job{n}" for n in range(4_200)])
    done = claim(engine, len(numbers))
    with engine.unit() as unit:
        unit.execute([(job.number, CompleteJob(token_of(job))) for job in done])
    assert set(states(engine).values()) == {"completed"}


def test_the_history_of_an_unknown_job_is_refused(engine: Engine) -> None:
    """Only an id that some job has or had has a history."""
    enqueue(engine, "a")
    with engine.store.read() as txn, pytest.raises(JobNotFound, match="nobody"):
        reading.history(txn, "nobody")


def test_the_token_of_a_job_without_a_lease_is_none_ever_given(engine: Engine) -> None:
    """A job that is not held has token 0, which no claim has."""
    enqueue(engine, "a")
    with engine.unit() as unit:
        assert token_of(unit.find("a")) == 0
    assert token_of(claim(engine)[0]) == 2
