"""Users cancel, retry, clear and purge jobs; what does not fit a job's state is refused and changes nothing."""

from collections.abc import Callable

import pytest

from queuectl import InvalidInput, Job, JobNotFound, JobRequest, JobState, LeaseHolder, Queue, WrongState
from queuectl.events.types import Cancelled, CancelRequested, Removed, Requeued
from tests.clocks import START_US, FakeClock
from tests.lives import cancelled, completed, dead, failed, holder, pending, processing, running, state_of

LIVES: dict[str, Callable[[Queue, str], Job]] = {
    live.__name__: live for live in (processing, completed, failed, dead, cancelled, pending)
}
"""Every state, and how a job gets there; pending last, since the others are given out before it."""


def in_states(*states: str) -> pytest.MarkDecorator:
    """Run a test for a job in each of these states."""
    return pytest.mark.parametrize("live", [LIVES[state] for state in states], ids=states)


def untouched(queue: Queue, job: Job, act: Callable[[], object]) -> None:
    """See an act refused for the job's state, and the job left as it was."""
    with pytest.raises(WrongState, match=f"'{job.id}': it is {job.state}"):
        act()
    assert queue.job(job.id) == job


# Cancel


@in_states("pending", "failed")
def test_a_waiting_job_is_cancelled_at_once(queue: Queue, clock: FakeClock, live: Callable[[Queue, str], Job]) -> None:
    """A job that waits is cancelled and never given out."""
    live(queue, "a")
    assert queue.cancel("a").state == "cancelled"
    clock.advance(3600)
    assert queue.worker("w").claim() == []


def test_a_running_job_is_asked_to_stop(queue: Queue) -> None:
    """Cancelling a running job is a wish its worker sees; said twice it is one wish."""
    processing(queue, "a")
    for _ in range(2):
        job = queue.cancel("a")
        assert job.state == "processing"
        assert job.lease is not None
        assert job.lease.cancel_requested
    assert [type(each.event) for each in queue.history("a")].count(CancelRequested) == 1


@pytest.mark.parametrize("end", [lambda who, job: who.fail(job, "killed"), lambda who, job: who.release(job)])
def test_a_job_that_was_to_stop_is_not_run_again(queue: Queue, end: Callable[[LeaseHolder, Job], Job]) -> None:
    """Once asked to stop, a job that fails or is given back is cancelled, not retried."""
    job = processing(queue, "a")
    queue.cancel("a")
    assert end(holder(queue, job), job).state == "cancelled"
    assert isinstance(queue.history("a")[-1].event, Cancelled)


def test_a_job_that_made_it_before_it_was_stopped_has_completed(queue: Queue) -> None:
    """A wish to cancel that came too late does not take back a good end."""
    job = processing(queue, "a")
    queue.cancel("a")
    assert holder(queue, job).complete(job).state == "completed"


@in_states("completed", "dead", "cancelled")
def test_an_ended_job_cannot_be_cancelled(queue: Queue, live: Callable[[Queue, str], Job]) -> None:
    """There is nothing left to cancel."""
    untouched(queue, live(queue, "a"), lambda: queue.cancel("a"))


# Retry


@in_states("completed", "dead", "cancelled")
def test_an_ended_job_is_run_again_from_the_start(queue: Queue, live: Callable[[Queue, str], Job]) -> None:
    """A retried job is pending, due now, with all its attempts before it."""
    live(queue, "a")
    job = queue.retry("a")
    assert (job.state, job.attempts, job.due_us, job.finished_at_us) == ("pending", 0, job.updated_at_us, None)
    assert [each.id for each in queue.worker("w").claim()] == ["a"]


def test_a_failed_job_is_retried_now_with_the_attempts_it_has_left(queue: Queue) -> None:
    """A job that waits for its next attempt has it at once, and does not get more of them."""
    failed(queue, "a")
    assert queue.retry("a").attempts == 1
    assert running(queue).attempts == 2


@in_states("pending", "processing")
def test_an_open_job_cannot_be_retried(queue: Queue, live: Callable[[Queue, str], Job]) -> None:
    """A job that will run or runs needs no retry."""
    untouched(queue, live(queue, "a"), lambda: queue.retry("a"))


# The dead letter queue


def test_named_dead_jobs_are_retried(queue: Queue) -> None:
    """The named ones run again with 0 attempts, each once however often it is named; the others stay."""
    for job_id in "abc":
        dead(queue, job_id)
    assert queue.dlq.retry(["c", "a", "c"], reason="fixed") == ["c", "a"]
    assert [(job.id, job.attempts) for job in queue.worker("w").claim(5)] == [("a", 0), ("c", 0)]
    assert [job.id for job in queue.dlq.jobs()] == ["b"]
    assert (queue.history("a")[-2].event, queue.history("a")[-2].reason) == (Requeued(0), "fixed")


def test_all_dead_jobs_are_retried(queue: Queue) -> None:
    """Without names every dead job runs again, in the order in which they were enqueued, and no other job."""
    for job_id in "abc":
        dead(queue, job_id)
    cancelled(queue, "d")
    assert sorted(queue.dlq.retry()) == ["a", "b", "c"]
    assert [job.id for job in queue.worker("w").claim(9)] == ["a", "b", "c"]
    assert queue.dlq.retry() == []


def test_named_dead_jobs_are_purged(queue: Queue) -> None:
    """The named ones are gone and their ids free; their history stays."""
    for job_id in "abc":
        dead(queue, job_id)
    assert queue.dlq.purge(["a", "b"]) == ["a", "b"]
    assert [job.id for job in queue.jobs()] == ["c"]
    assert queue.history("a")[-1].event == Removed("dead")
    assert queue.enqueue("true", id="a").state == "pending"


def test_all_dead_jobs_are_purged(queue: Queue) -> None:
    """Without names every dead job goes, and nothing else does."""
    for live in LIVES.values():
        live(queue, live.__name__)
    assert queue.dlq.purge(all=True) == ["dead"]
    assert {job.id for job in queue.jobs()} == LIVES.keys() - {"dead"}


@pytest.mark.parametrize("act", ["retry", "purge"])
@pytest.mark.parametrize(("other", "error"), [("nobody", JobNotFound), ("completed", WrongState)])
def test_one_wrong_name_and_nothing_is_done(queue: Queue, act: str, other: str, error: type[Exception]) -> None:
    """Where one of those named is not dead, none of them is touched."""
    job = dead(queue, "a")
    completed(queue, "completed")
    with pytest.raises(error, match=other):
        getattr(queue.dlq, act)(["a", other])
    assert queue.job("a") == job


@in_states("pending", "processing", "completed", "failed", "cancelled")
def test_only_the_dead_are_in_the_dead_letter_queue(queue: Queue, live: Callable[[Queue, str], Job]) -> None:
    """A job in any other state is neither retried from there nor purged."""
    job = live(queue, "a")
    untouched(queue, job, lambda: queue.dlq.retry(["a"]))
    untouched(queue, job, lambda: queue.dlq.purge(["a"]))


def test_naming_none_is_not_naming_all(queue: Queue) -> None:
    """An empty list of names does nothing."""
    job = dead(queue, "a")
    assert queue.dlq.retry([]) == queue.dlq.purge([]) == []
    assert queue.job("a") == job


# Clear


@pytest.mark.parametrize("state", ["completed", "dead", "cancelled"])
@pytest.mark.parametrize("as_text", [False, True])
def test_ended_jobs_of_a_state_are_cleared(queue: Queue, state: str, as_text: bool) -> None:
    """Clearing removes the jobs of that state and no others; the state may be given as text."""
    for live in LIVES.values():
        live(queue, live.__name__)
    assert queue.clear(all=True, state=state if as_text else JobState(state)) == 1  # type: ignore[arg-type]
    assert {job.id for job in queue.jobs()} == LIVES.keys() - {state}
    assert queue.history(state)[-1].event == Removed(state)


def test_completed_jobs_are_cleared_unless_told_otherwise(queue: Queue) -> None:
    """Clear by itself takes completed jobs only, and the second time finds none."""
    for live in LIVES.values():
        live(queue, live.__name__)
    assert (queue.clear(all=True, reason="tidy"), queue.clear(all=True)) == (1, 0)
    assert queue.history("completed")[-1].reason == "tidy"


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.PROCESSING, JobState.FAILED])
def test_what_has_not_ended_is_not_cleared(queue: Queue, state: JobState) -> None:
    """A job that may still run is not cleared away."""
    LIVES[str(state)](queue, "a")
    with pytest.raises(InvalidInput, match="state"):
        queue.clear(all=True, state=state)
    assert state_of(queue, "a") == state


def test_only_what_is_old_enough_is_cleared(queue: Queue, clock: FakeClock) -> None:
    """An age counts from the end of a job; one that is exactly so old goes."""
    for job_id in ("old", "middle", "new"):
        completed(queue, job_id)
        clock.advance(10)
    assert queue.clear(older_than_s=30.5) == 0
    assert queue.clear(older_than_s=20) == 2
    assert [job.id for job in queue.jobs()] == ["new"]
    assert queue.clear(older_than_s=0) == 1


def test_more_than_a_chunk_is_cleared(queue: Queue) -> None:
    """However many jobs have ended, one call clears them all."""
    queue.enqueue_many([JobRequest("true", cwd="/")] * 10_001)
    queue.worker("w").complete_many(queue.worker("w").claim(10_001))
    assert queue.clear(all=True) == 10_001
    assert (queue.jobs(), queue.status().queues) == ([], {})
    assert queue.admin.replay(check=True).differences == []


def test_an_act_is_recorded_at_the_logs_time(queue: Queue, clock: FakeClock) -> None:
    """A clock that was set back does not take the log's time back with it."""
    queue.enqueue("true", id="a")
    clock.jump(-3600)
    assert queue.cancel("a").updated_at_us == START_US


@pytest.mark.parametrize(
    ("act", "field"),
    [
        (lambda queue: queue.dlq.purge(), "job_ids"),
        (lambda queue: queue.dlq.purge(["dead"], all=True), "job_ids"),
        (lambda queue: queue.clear(), "older_than"),
        (lambda queue: queue.clear(state="dead"), "older_than"),
    ],
)
def test_all_is_said_in_so_many_words(queue: Queue, act: Callable[[Queue], object], field: str) -> None:
    """What would remove every job is refused unless it says so; nothing is removed."""
    dead(queue, "dead")
    completed(queue, "completed")
    head = queue.log.head()
    with pytest.raises(InvalidInput, match="all=True") as refused:
        act(queue)
    assert refused.value.field == field
    assert queue.log.head() == head
