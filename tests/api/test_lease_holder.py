"""Jobs are claimed in order by one worker at a time, and end as that worker says, or as nobody can say."""

import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from msgspec.structs import replace

from queuectl import Captured, InvalidInput, Job, JobNotFound, JobRequest, Queue, Result, Running, StaleLease
from queuectl.core.held import Outcome
from queuectl.engine.recovery import recover
from queuectl.events.types import Cancelled, Claimed, Failed, Output, Released, Renewed, Started
from queuectl.outputs.frames import encode_frame
from tests.clocks import START_US, FakeClock
from tests.lives import PRINTED, dead, failed, holder, processing, running, state_of

SECOND = 1_000_000
VERBS: dict[str, Callable[[Queue, Job], object]] = {
    "start": lambda queue, job: holder(queue, job).start(job),
    "renew": lambda queue, job: holder(queue, job).renew(job),
    "complete": lambda queue, job: holder(queue, job).complete(job),
    "complete_many": lambda queue, job: holder(queue, job).complete_many([job]),
    "fail": lambda queue, job: holder(queue, job).fail(job, "exit code 1"),
    "release": lambda queue, job: holder(queue, job).release(job),
}
"""All that a worker can say of a job it holds."""


def ids_of(jobs: list[Job]) -> list[str]:
    """Return the ids of jobs."""
    return [job.id for job in jobs]


# Claim


def test_jobs_are_claimed_by_priority_then_first_come(queue: Queue) -> None:
    """Higher priority goes first, then who came first, whatever the queue."""
    wishes = [("a", "one", 0), ("b", "two", 5), ("c", "one", 5), ("d", "two", -5), ("e", "two", 0)]
    queue.enqueue_many([JobRequest("true", *wish) for wish in wishes])
    assert ids_of(queue.worker("w").claim(3)) == ["b", "c", "a"]
    assert ids_of(queue.worker("w").claim(3)) == ["e", "d"]
    assert queue.worker("w").claim() == []


def test_jobs_are_claimed_from_chosen_queues(queue: Queue) -> None:
    """Only the named queues are looked at, in one common order, each once however often it is named."""
    queue.enqueue_many([JobRequest("true", f"{name}{n}", name) for n in range(2) for name in ("a", "b", "c", "ab")])
    assert ids_of(queue.worker("w").claim(9, queues=["c", "a", "a"])) == ["a0", "c0", "a1", "c1"]
    assert queue.worker("w").claim(9, queues=["nowhere"]) == queue.worker("w").claim(9, queues=[]) == []
    assert ids_of(queue.worker("w").claim(9)) == ["b0", "ab0", "b1", "ab1"]


def test_a_claim_is_a_lease(queue: Queue) -> None:
    """A claimed job is processing, held by its worker under the claim's position until the lease ends."""
    queue.enqueue("true", id="a")
    [job] = queue.worker("w1").claim(lease_s=7.5)
    assert job.lease is not None
    assert (job.state, job.attempts, job.lease.worker) == ("processing", 0, "w1")
    assert (job.lease.token, job.lease.expires_at_us) == (job.version, START_US + 7_500_000)
    assert (queue.job("a"), [each.actor for each in queue.events(after=1)]) == (job, ["w1"])


def test_the_length_of_a_lease_is_configured(queue: Queue) -> None:
    """Without a length of its own, a claim takes the configured one."""
    queue.admin.config_set("lease_s", 90)
    queue.enqueue("true")
    [job] = queue.worker("w1").claim()
    assert job.lease is not None
    assert job.lease.expires_at_us == START_US + 90 * SECOND


def test_claiming_none_changes_nothing(queue: Queue) -> None:
    """A claim of no job, or from an empty queue, is no event."""
    assert queue.worker("w").claim(5) == []
    queue.enqueue("true")
    assert queue.worker("w").claim(0) == []
    assert queue.log.head() == 1


def test_many_jobs_go_through_at_once(queue: Queue) -> None:
    """Thousands of jobs are claimed and completed in one transaction each."""
    queue.enqueue_many([JobRequest("true", cwd="/")] * 6000)
    done = queue.worker("w").complete_many(queue.worker("w").claim(6000))
    assert ({job.state for job in done}, len(done)) == ({"completed"}, 6000)
    assert queue.worker("w").complete_many([]) == []
    assert queue.admin.replay(check=True).differences == []


# End


def test_a_started_job_counts_an_attempt(queue: Queue) -> None:
    """Starting tells host and process, and may be said once a claim."""
    queue.enqueue("true", id="a")
    [claimed] = queue.worker("w").claim()
    job = queue.worker("w").start(claimed, host="here", pid=42)
    assert (job.attempts, job.started_at_us) == (1, START_US)
    assert queue.history("a")[-1].event == Started(claimed.version, 1, "here", 42)
    with pytest.raises(StaleLease, match="attempt 1 was started"):
        queue.worker("w").start(claimed)


def test_a_completed_job_tells_how(queue: Queue, clock: FakeClock) -> None:
    """Return code, duration, worker and time of the end are on the job; it has no lease."""
    queue.enqueue("true", id="a")
    job = running(queue)
    clock.advance(2)
    job = queue.worker("w1").complete(job, duration_ms=1900)
    assert (job.state, job.lease, job.finished_at_us) == ("completed", None, START_US + 2 * SECOND)
    assert job.last == Outcome("w1", 0, None, 1900, None)
    assert queue.job("a") == job


def test_a_failed_job_waits_ever_longer_and_then_is_dead(queue: Queue, clock: FakeClock) -> None:
    """`max_retries=2` is three attempts; the waits are base, base squared; then it lies among the dead."""
    queue.enqueue("false", id="a", max_retries=2, backoff_base=3)
    waits = []
    for _ in range(3):
        job = queue.worker("w1").fail(running(queue), "exit code 1", return_code=1)
        waits.append((str(job.state), job.attempts, (job.due_us - clock.now_us()) // SECOND))
        assert queue.worker("w").claim() == []
        clock.set(max(job.due_us, clock.now_us()))
    assert waits == [("failed", 1, 3), ("failed", 2, 9), ("dead", 3, 0)]
    assert (ids_of(queue.dlq.jobs()), queue.worker("w").claim()) == (["a"], [])


def test_a_failure_tells_why(queue: Queue) -> None:
    """Failure, signal, duration, error and the last lines of stderr are in the log, the outcome on the job."""
    queue.enqueue("sleep 9", id="a", max_retries=0)
    output = Captured(stderr_tail="last words\n")
    job = queue.worker("w1").fail(
        running(queue), "killed", failure="signal", signal="SIGKILL", duration_ms=5, output=output
    )
    assert job.last == Outcome("w1", None, "SIGKILL", 5, "killed")
    event = queue.history("a")[-2].event
    assert isinstance(event, Failed)
    assert (event.failure, event.signal, event.stderr_tail, event.retry_at_us) == (
        "signal",
        "SIGKILL",
        "last words\n",
        None,
    )


def test_the_wait_before_a_retry_is_bounded_and_spread(queue: Queue) -> None:
    """Cap and jitter come from the configuration at the time of the failure."""
    queue.admin.config_set("backoff_max_s", 100)
    queue.admin.config_set("backoff_jitter", 0.5)
    queue.enqueue("false", backoff_base=1000)
    assert queue.worker("w1").fail(running(queue), "exit code 1").due_us == START_US + 125 * SECOND


def test_an_end_without_a_start_counts_an_attempt(queue: Queue) -> None:
    """A script that claims and completes or fails, and never says start, has run the job all the same."""
    queue.enqueue_many([JobRequest("true", "a"), JobRequest("true", "b")])
    first, second = queue.worker("w").claim(2)
    queue.worker("w").complete(first, output=PRINTED)
    queue.worker("w").fail(second, "exit code 1")
    assert [queue.job(job_id).attempts for job_id in ("a", "b")] == [1, 1]
    runs = [queue.runs(job_id)[0] for job_id in ("a", "b")]
    assert [(run.attempt, run.worker, run.state) for run in runs] == [(1, "w", "completed"), (1, "w", "failed")]
    assert queue.ui.output_frames(runs[0]) == PRINTED.frames


def test_a_job_given_back_lost_nothing(queue: Queue) -> None:
    """A released job is pending again at once with the attempts it had, started or not."""
    queue.enqueue("true", id="a")
    for take in (lambda: queue.worker("w").claim()[0], lambda: running(queue)):
        claimed = take()
        job = holder(queue, claimed).release(claimed, why="shutdown")
        assert (job.state, job.attempts, job.lease) == ("pending", 0, None)
    assert queue.worker("w2").claim()[0].id == "a"


def test_many_completions_are_all_or_none(queue: Queue) -> None:
    """One stale job among those completed refuses them all."""
    queue.enqueue_many([JobRequest("true", job_id) for job_id in "abc"])
    claimed = queue.worker("w").claim(3)
    queue.worker("w").release(claimed[1])
    with pytest.raises(StaleLease):
        queue.worker("w").complete_many(claimed)
    assert [state_of(queue, job_id) for job_id in "abc"] == ["processing", "pending", "processing"]


def test_a_job_completed_twice_in_one_breath_is_refused(queue: Queue) -> None:
    """A job named twice in one call is refused as the caller's mistake, and nothing is recorded."""
    queue.enqueue("true", id="a")
    job = running(queue)
    with pytest.raises((StaleLease, InvalidInput)):
        queue.worker("w1").complete_many([job, job])
    assert queue.job("a") == job


# Leases


def lose(queue: Queue, clock: FakeClock) -> Job:
    """Enqueue and start a job, let its lease expire, and let another worker have it; returns the lost run's job."""
    queue.enqueue("true", id="a", backoff_base=0)
    job = running(queue, "lost")
    clock.advance(31)
    [again] = queue.worker("finder").claim()
    assert again.id == "a"
    return job


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_worker_that_lost_its_lease_can_do_nothing(
    queue: Queue, clock: FakeClock, verb: Callable[[Queue, Job], object]
) -> None:
    """Whatever a worker says of a job that was given to another is refused, naming the holder, and changes nothing."""
    job = lose(queue, clock)
    before = queue.job("a")
    with pytest.raises(StaleLease, match="worker finder holds it"):
        verb(queue, job)
    assert queue.job("a") == before


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_job_that_ended_cannot_end_again(queue: Queue, verb: Callable[[Queue, Job], object]) -> None:
    """Once it has ended, its former holder can do nothing to it any more."""
    queue.enqueue("true", id="a")
    job = running(queue)
    ended = queue.worker("w1").complete(job)
    with pytest.raises(StaleLease, match="completed"):
        verb(queue, job)
    assert queue.job("a") == ended


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_job_that_is_gone_cannot_end(queue: Queue, verb: Callable[[Queue, Job], object]) -> None:
    """A job removed meanwhile is refused, also where its id has a new life."""
    queue.enqueue("true", id="a")
    job = running(queue)
    queue.worker("w1").complete(job)
    queue.clear(all=True)
    again = queue.enqueue("true", id="a")
    with pytest.raises((StaleLease, JobNotFound)):
        verb(queue, job)
    assert queue.job("a") == again


def test_a_lost_run_costs_an_attempt(queue: Queue, clock: FakeClock) -> None:
    """A worker that fell silent after starting has used up an attempt, and the log says that it was lost."""
    queue.enqueue("true", id="a", max_retries=1)
    running(queue)
    clock.advance(31)
    [job] = queue.worker(queue.actor).recover().jobs
    assert (job.state, job.attempts, queue.worker(queue.actor).recover().jobs) == ("failed", 1, [])
    clock.advance(2)
    running(queue)
    clock.advance(31)
    assert [job.state for job in queue.worker(queue.actor).recover().jobs] == ["dead"]
    assert [each.event.failure for each in queue.history("a") if isinstance(each.event, Failed)] == ["lost", "lost"]


def test_a_lost_claim_costs_none(queue: Queue, clock: FakeClock) -> None:
    """A worker that fell silent before starting has used up nothing: the job is ready again."""
    queue.enqueue("true", id="a", max_retries=0)
    queue.worker("w").claim()
    clock.advance(31)
    assert [(job.state, job.attempts) for job in queue.worker(queue.actor).recover().jobs] == [("pending", 0)]
    assert isinstance(queue.history("a")[-1].event, Released)


def test_a_lost_run_that_was_to_be_cancelled_is_cancelled(queue: Queue, clock: FakeClock) -> None:
    """A job whose worker vanished before it could stop it is not run again."""
    queue.enqueue("true", id="a")
    running(queue)
    queue.cancel("a")
    clock.advance(31)
    assert [job.state for job in queue.worker(queue.actor).recover().jobs] == ["cancelled"]


@pytest.mark.parametrize("late", [29.999999, 30])
def test_a_lease_ends_at_its_moment(queue: Queue, clock: FakeClock, late: float) -> None:
    """Up to its expiry a job is not taken back, and from then on it is."""
    queue.enqueue("true")
    queue.worker("w").claim(lease_s=30)
    clock.advance(late)
    assert len(queue.worker(queue.actor).recover().jobs) == (late >= 30)


def test_held_jobs_are_looked_at_together(queue: Queue) -> None:
    """Jobs as they stand now come in the order they were asked for, and None for one that is there no more."""
    queue.enqueue_many(["true"] * 3)
    first, second, third = queue.worker("w").claim(3)
    queue.worker("w").complete(queue.worker("w").start(first))
    queue.remove(first.id)
    queue.cancel(second.id)
    gone, cancelled, as_it_was = queue.worker("w").refresh([first, second, third])
    assert (gone, as_it_was) == (None, third)
    assert cancelled is not None
    assert cancelled.lease is not None
    assert cancelled.lease.cancel_requested
    assert queue.worker("w").refresh([]) == []


def test_a_late_worker_may_finish_what_nobody_took(queue: Queue, clock: FakeClock) -> None:
    """An expired lease that was not taken back is still the worker's: its result is true."""
    queue.enqueue("true", id="a")
    job = running(queue)
    clock.advance(3600)
    assert queue.worker("w1").complete(job).state == "completed"


def test_a_renewed_lease_lasts_from_now(queue: Queue, clock: FakeClock) -> None:
    """Renewing moves the expiry and keeps token and attempt; it is an event of the worker's."""
    queue.enqueue("true", id="a")
    job = running(queue)
    clock.advance(20)
    renewed = queue.worker("w1").renew(job, lease_s=30)
    assert renewed.lease == replace(job.lease, expires_at_us=START_US + 50 * SECOND)  # type: ignore[union-attr]
    clock.advance(25)
    assert (queue.worker(queue.actor).recover().jobs, queue.history("a")[-1].event) == (
        [],
        Renewed(job.lease.token, START_US + 50 * SECOND),
    )  # type: ignore[union-attr]
    assert queue.worker("w1").complete(job).state == "completed"


def test_a_renewal_takes_the_configured_length(queue: Queue) -> None:
    """Without a length of its own, a renewal lasts as long as the configuration says."""
    queue.enqueue("true")
    [job] = queue.worker("w").claim(lease_s=1)
    renewed = queue.worker("w").renew(job)
    assert renewed.lease is not None
    assert renewed.lease.expires_at_us == START_US + 30 * SECOND


# Exchange


def exchange(queue: Queue, *results: Result, want: int = 0, **options: Any) -> Any:
    """Let worker w1 exchange results for jobs."""
    return queue.worker("w1").exchange(results, want=want, lease_s=30, **options)


def test_an_exchange_gives_started_jobs(queue: Queue) -> None:
    """The wanted jobs come claimed and started, their attempt counted, in the order of a claim."""
    queue.enqueue_many([JobRequest("true", "a"), JobRequest("true", "b", priority=1), JobRequest("true", "c")])
    found = exchange(queue, want=2)
    assert [(job.id, job.state, job.attempts) for job in found.claimed] == [
        ("b", "processing", 1),
        ("a", "processing", 1),
    ]
    assert [type(each.event) for each in queue.events(after=3)] == [Claimed, Started, Claimed, Started]
    assert (found.settled, found.refused) == ([], [])


def test_an_exchange_settles_what_it_can_and_collects_the_rest(queue: Queue, clock: FakeClock) -> None:
    """One lost lease among the results is refused by itself; all others are recorded."""
    lost = lose(queue, clock)
    queue.enqueue_many([JobRequest("true", job_id) for job_id in "bcde"])
    done, failing, given, stopped = exchange(queue, want=4).claimed
    found = exchange(
        queue,
        Result(done, "completed", 0),
        Result(lost, "completed", 0),
        Result(failing, "failed", 1, error="exit code 1"),
        Result(given, "released"),
        Result(stopped, "cancelled"),
    )
    states = {job.id: str(job.state) for job in found.settled}
    assert states == {"b": "completed", "c": "failed", "d": "pending", "e": "cancelled"}
    assert [(job, type(error)) for job, error in found.refused] == [(lost, StaleLease)]
    assert state_of(queue, "a") == "processing"


def test_an_exchange_is_one_moment(queue: Queue) -> None:
    """Results and new claims are one transaction: a job given back can be claimed in the same exchange."""
    queue.enqueue("true", id="a")
    [job] = exchange(queue, want=1).claimed
    found = exchange(queue, Result(job, "released"), want=1)
    assert [(job.id, job.attempts) for job in found.claimed] == [("a", 1)]
    assert len({each.at_us for each in queue.events(after=3)}) == 1


def test_an_exchange_holds_all_leases_of_a_worker_without_an_event(queue: Queue, clock: FakeClock) -> None:
    """A worker that is there holds what it claimed, however many jobs, and nobody else's; the jobs do not change."""
    queue.enqueue_many([JobRequest("true", job_id) for job_id in "abc"])
    mine, other = exchange(queue, want=2).claimed, queue.worker("w2").claim(lease_s=30)
    clock.advance(10)
    exchange(queue, hold=True)
    clock.advance(29)
    assert ids_of(queue.worker(queue.actor).recover().jobs) == ids_of(other)
    assert [queue.job(job.id).version for job in mine] == [job.version for job in mine]
    assert [queue.job(job.id).updated_at_us for job in mine] == [job.updated_at_us for job in mine]
    clock.advance(1)
    assert ids_of(queue.worker(queue.actor).recover().jobs) == ids_of(mine)


def test_a_lease_is_shown_as_long_as_it_holds(queue: Queue, clock: FakeClock) -> None:
    """Where a job is shown alone, in a list or in an overview, its lease ends when its worker's presence does."""
    queue.enqueue_many([JobRequest("true", "a"), JobRequest("true", "b")])
    [job] = exchange(queue, want=1).claimed
    clock.advance(10)
    exchange(queue, hold=True)
    renewed = queue.worker("w1").renew(queue.worker("w1").claim(lease_s=30)[0], lease_s=90)
    found = [queue.job("a"), queue.job("b"), *queue.jobs(order="id"), *queue.ui.overview().jobs]
    ends = [each.lease.expires_at_us - clock.now_us() for each in found if each.lease]
    assert ends == [30 * SECOND, 90 * SECOND] * 3
    assert (
        queue.worker("w1").complete(queue.job("a")).state == queue.worker("w1").complete(renewed).state == "completed"
    )
    assert job.lease is not None


def test_a_heartbeat_takes_no_lease_away(queue: Queue, clock: FakeClock) -> None:
    """A worker that gives a sign of life beside its exchanges holds its leases as long as before."""
    queue.enqueue("true", id="a")
    exchange(queue, want=1)
    clock.advance(20)
    exchange(queue, hold=True)
    queue.worker("w1").heartbeat()
    clock.advance(29)
    assert queue.worker(queue.actor).recover().jobs == []


def test_who_takes_a_job_back_is_told_of_a_worker_that_came_back(queue: Queue, clock: FakeClock) -> None:
    """Between a look at expired leases and the transaction a worker may say that it is there: it keeps its job."""
    queue.enqueue("true", id="a")
    [job] = exchange(queue, want=1).claimed
    clock.advance(31)
    exchange(queue, hold=True)
    with queue._engine.unit() as unit:
        assert recover(unit, [job]) == []
        assert len(recover(unit, [job], gone=True)) == 1


def test_an_exchange_promotes(queue: Queue, clock: FakeClock) -> None:
    """Who wants jobs wakes those whose time has come, and is told how soon the next one's does."""
    queue.enqueue("true", id="due", delay_s=31)
    queue.enqueue("true", id="later", delay_s=60)
    assert exchange(queue).next_due_s == 31
    clock.advance(31)
    found = exchange(queue, want=5)
    assert (ids_of(found.claimed), found.next_due_s) == (["due"], 29)


def test_an_exchange_leaves_others_leases_alone(queue: Queue, clock: FakeClock) -> None:
    """Whether a worker is gone is looked at now and then, not in every exchange; claim() looks each time."""
    queue.enqueue("true", id="lost", backoff_base=0)
    running(queue, "silent")
    clock.advance(31)
    assert (exchange(queue, want=5).claimed, state_of(queue, "lost")) == ([], "processing")
    assert ids_of(queue.worker("w2").claim(5)) == ["lost"]


def test_an_exchange_that_wants_nothing_takes_nothing(queue: Queue) -> None:
    """A worker that is stopping hands in results and takes no new jobs."""
    queue.enqueue("true", id="a")
    assert (exchange(queue).claimed, state_of(queue, "a")) == ([], "pending")


def test_an_exchange_looks_at_its_own_queues(queue: Queue) -> None:
    """A worker of some queues is given no others' jobs."""
    queue.enqueue_many([JobRequest("true", "a", "one"), JobRequest("true", "b", "two")])
    assert ids_of(exchange(queue, want=5, queues=["two"]).claimed) == ["b"]


# Output


def test_each_run_keeps_what_it_printed(queue: Queue, clock: FakeClock) -> None:
    """Every attempt of a job is a run with its own output, how it ended and how long it took."""
    queue.enqueue("true", id="a", backoff_base=0)
    [job] = exchange(queue, want=1).claimed
    first = PRINTED._replace(frames=b"o\0\0\0\x05first")
    exchange(queue, Result(job, "failed", 1, error="exit code 1", duration_ms=1500, output=first))
    [job] = exchange(queue, want=1).claimed
    exchange(queue, Result(job, "completed", 0, duration_ms=20, output=PRINTED))
    runs = queue.runs("a")
    assert [(run.attempt, run.state, queue.ui.output_frames(run)) for run in runs] == [
        (1, "failed", first.frames), (2, "completed", PRINTED.frames),
    ]  # fmt: skip
    assert [run.summary for run in runs] == ["failed in 1.500 s: exit code 1", "completed in 0.020 s"]
    assert {(run.worker, run.started_at_us) for run in runs} == {("w1", START_US)}


def test_output_that_lies_in_a_file_is_found_there(queue: Queue) -> None:
    """A running job's output, and a large one's, is read from its file."""
    queue.enqueue("true", id="a")
    job = running(queue)
    path = queue.worker("w1").output_path(job)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"o\0\0\0\4soon")
    assert [(run.state, run.summary, queue.ui.output_frames(run)) for run in queue.runs("a")] == [
        ("running", "running", b"o\0\0\0\4soon")
    ]
    queue.worker("w1").complete(job, output=Captured(None, Output(4, b"\1" * 32)))
    assert [queue.ui.output_frames(run) for run in queue.runs("a")] == [b"o\0\0\0\4soon"]
    assert path.is_relative_to(queue.path)


def test_a_run_given_back_or_stopped_is_one_too(queue: Queue) -> None:
    """Runs that were released or cancelled are told as such; a claim that never started is no run."""
    queue.enqueue("true", id="a")
    queue.worker("w1").release(queue.worker("w1").claim()[0])
    queue.worker("w1").release(running(queue))
    [job] = exchange(queue, want=1).claimed
    queue.cancel("a")
    exchange(queue, Result(job, "cancelled", duration_ms=70))
    assert [(run.state, run.summary) for run in queue.runs("a")] == [
        ("released", "given back"), ("cancelled", "cancelled in 0.070 s"),
    ]  # fmt: skip
    assert isinstance(queue.history("a")[-1].event, Cancelled)


def test_a_new_life_does_not_show_the_runs_of_the_old(queue: Queue) -> None:
    """A job enqueued under the id of a removed one has only its own runs."""
    dead(queue, "a")
    queue.dlq.purge(["a"])
    failed(queue, "a")
    assert [run.attempt for run in queue.runs("a")] == [1]


def test_output_survives_a_replay(queue: Queue) -> None:
    """Output is content beside the log: a replay neither makes nor loses it."""
    queue.enqueue("true", id="a")
    queue.worker("w1").complete(running(queue), output=PRINTED)
    queue.admin.replay()
    assert [queue.ui.output_frames(run) for run in queue.runs("a")] == [PRINTED.frames]


# Workers


def test_a_worker_is_known_from_its_start_to_its_end(queue: Queue, clock: FakeClock) -> None:
    """A worker that started is listed with what it runs, until it stops."""
    host, pid = _me()
    queue.worker("w1").started(host=host, pid=pid, slots=4, queues=["a", "b"])
    queue.enqueue("true", id="job1", queue="a")
    exchange(queue, want=1)
    [info] = queue.workers()
    runs = [Running("job1", "a", 1, START_US, is_cancelling=False)]
    assert info == ("w1", pid, host, 4, ("a", "b"), runs, START_US, START_US, "running", False, START_US)
    assert info.running == ["job1"]
    assert queue.status().active_workers == 1
    queue.worker("w1").stopped("drained")
    assert (queue.workers(), queue.status().active_workers) == ([], 0)


@pytest.mark.parametrize("now", [False, True])
def test_a_worker_is_asked_to_stop(queue: Queue, now: bool) -> None:
    """The wish to stop, and whether at once, is there for the worker to see."""
    host, pid = _me()
    queue.worker("w1").started(host=host, pid=pid, slots=1)
    queue.worker("w1").stop(now=now)
    assert [(info.state, info.stop_now) for info in queue.workers()] == [("stopping", now)]


def test_only_a_worker_can_be_stopped(queue: Queue) -> None:
    """Asking a worker that is not there to stop is refused and not recorded."""
    with pytest.raises(InvalidInput, match="queuectl worker list"):
        queue.worker("nobody").stop()
    assert queue.log.head() == 0


def test_a_silent_worker_is_taken_for_dead(queue: Queue, clock: FakeClock) -> None:
    """A worker elsewhere that sends no heartbeat for some while is dead, and alive again with the next one."""
    queue.worker("w1").started(host="elsewhere", pid=1, slots=1)
    states = []
    for seconds in (19, 2, 0):
        clock.advance(seconds)
        if not seconds:
            queue.worker("w1").heartbeat()
        states.append(queue.workers()[0].state)
    assert states == ["running", "dead", "running"]
    assert queue.workers()[0].heartbeat_at_us == clock.now_us()


def test_a_worker_of_this_host_is_dead_with_its_process(queue: Queue) -> None:
    """On its own host, a worker whose process is gone is dead at once."""
    host, _ = _me()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    queue.worker("w1").started(host=host, pid=gone.pid, slots=1)
    assert ([info.state for info in queue.workers()], queue.status().active_workers) == (["dead"], 0)


def test_a_heartbeat_is_no_event(queue: Queue) -> None:
    """Presence is not history: a heartbeat leaves the log as it is."""
    queue.worker("w1").heartbeat()
    assert queue.log.head() == 0


def _me() -> tuple[str, int]:
    return os.uname().nodename, os.getpid()


def test_the_last_lines_of_what_was_printed(queue: Queue) -> None:
    """`last_lines` gives so many, the one without an end among them; a carriage return ends none."""
    queue.enqueue("true", id="a")
    frames = encode_frame(b"o", b"one\ntwo\r2\n") + encode_frame(b"e", b"three\n") + encode_frame(b"o", b"four")
    queue.worker("w").complete(queue.worker("w").start(queue.worker("w").claim()[0]), output=Captured(frames))
    [run] = queue.runs("a")
    assert queue.output_bytes(run, last_lines=2) == b"three\nfour"
    assert queue.output_bytes(run, "stdout", last_lines=2) == b"two\r2\nfour"
    assert queue.output_bytes(run, last_lines=9) == queue.output_bytes(run)
    assert queue.output_bytes(run, last_lines=0) == b""
    with pytest.raises(InvalidInput, match="last_lines"):
        queue.output_bytes(run, last_lines=-1)


def test_of_two_results_of_one_run_the_first_counts(queue: Queue) -> None:
    """What the second one printed is not kept in its place, nor in its stead where the first printed nothing."""
    for first, kept in ((b"first", b"first"), (b"", b"")):
        job = processing(queue, f"job{len(first)}")
        told = [Result(job, "completed", 0, output=captured(text)) for text in (first, b"the second")]
        done = queue.worker("w1").exchange(told, want=0, lease_s=10)
        assert ([each.id for each in done.settled], len(done.refused)) == ([job.id], 1)
        assert queue.output_bytes(job) == kept
    assert queue.admin.verify().problems == []


def captured(text: bytes) -> Captured:
    """Return what a run printed to stdout, if anything."""
    if not text:
        return Captured()
    frames = b"o" + len(text).to_bytes(4, "big") + text
    return Captured(frames, Output(len(text), sha256(text).digest()), Output(0, sha256().digest()))
