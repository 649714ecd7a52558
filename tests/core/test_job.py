"""A job is the fold of its events, and follows the one transition table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from queuectl.core.evolve import TRANSITIONS, evolve
from queuectl.core.held import Lease, Outcome
from queuectl.core.job import Job, JobState
from queuectl.errors import IllegalTransition
from queuectl.events.types import (
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    Dead,
    Enqueued,
    Failed,
    JobEvent,
    JobSpec,
    Recorded,
    Released,
    Removed,
    Renewed,
    Requeued,
    Started,
)
from tests.decider_spec import CLAIMED, ENQUEUED, FAILED, HISTORIES, STARTED, at, given, job_after
from tests.golden.cases import CASES

BEFORE: dict[JobState | None, str] = {
    None: "absent",
    JobState.PENDING: "pending",
    JobState.PROCESSING: "running",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.DEAD: "dead",
    JobState.CANCELLED: "cancelled",
}
EVENTS: dict[type[Any], Any] = {type(case.event): case.event for case in CASES.values()}


@pytest.mark.parametrize("before", BEFORE, ids=str)
@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_an_event_leads_where_the_table_says_or_nowhere(kind: type[Any], before: JobState | None) -> None:
    """Every event type in every state gives the state of the table, or IllegalTransition where it has none."""
    job = given(*HISTORIES[BEFORE[before]]).job
    assert (None if job is None else job.state) is before
    recorded = Recorded(99, at(99), 1, 98, "test", EVENTS[kind])
    if before in TRANSITIONS.get(kind, {}):
        after = evolve(job, recorded)
        assert (None if after is None else after.state) is TRANSITIONS[kind][before]
    else:
        with pytest.raises(IllegalTransition, match="position 99") as caught:
            evolve(job, recorded)
        assert (before or "absent") in str(caught.value)


def test_the_table_speaks_of_every_job_event() -> None:
    """Each event type of a job has a row in the table, and no other type has."""
    assert set(TRANSITIONS) == set(JobEvent.__args__)


def test_every_state_can_be_reached_and_left() -> None:
    """No state of a job is out of reach, and none is a trap."""
    arrows = {arrow for row in TRANSITIONS.values() for arrow in row.items()}
    assert {after for _, after in arrows} == {before for before, _ in arrows} == {None, *JobState}
    assert all(any(before is state is not after for before, after in arrows) for state in JobState)


def test_a_new_job_waits() -> None:
    """An enqueued job is pending, and its number and version are the event's position."""
    job = job_after(ENQUEUED)
    assert (job.number, job.version, job.id, job.state) == (1, 1, "job1", JobState.PENDING)
    assert (job.created_at_us, job.updated_at_us, job.due_us, job.attempts) == (at(0), at(0), 0, 0)
    assert job.lease is job.started_at_us is job.finished_at_us is job.last is None


def test_a_job_for_later_is_due_then() -> None:
    """A job with a time to run at is due at that time."""
    assert job_after(Enqueued(JobSpec("job1", "true", run_at_us=at(500)))).due_us == at(500)


def test_a_claim_is_a_lease_under_its_position() -> None:
    """A claimed job is processing; the claim's position is the token, and no attempt has begun."""
    job = job_after(ENQUEUED, CLAIMED)
    assert (job.state, job.lease, job.attempts) == (JobState.PROCESSING, Lease(2, "w1", at(30)), 0)


def test_a_start_counts_the_attempt() -> None:
    """A started run is the job's attempt from then on, with the time it began."""
    job = job_after(ENQUEUED, CLAIMED, STARTED)
    assert (job.attempts, job.started_at_us, job.finished_at_us) == (1, at(2), None)
    assert job.lease == Lease(2, "w1", at(30), 1)


def test_a_renewal_only_moves_the_expiry() -> None:
    """A renewed lease keeps token, worker and attempt."""
    assert job_after(*HISTORIES["running"], Renewed(2, at(60))).lease == Lease(2, "w1", at(60), 1)


def test_a_completed_job_keeps_how_it_ended() -> None:
    """A completed job has no lease, and tells worker, return code, duration and when."""
    job = job_after(*HISTORIES["running"], Completed(2, 1, 1200))
    assert (job.lease, job.finished_at_us, job.last) == (None, at(3), Outcome("w1", 0, None, 1200, None))


def test_a_failed_job_keeps_why_and_waits_for_its_retry() -> None:
    """A failed job tells its error, return code or signal, and is due at its retry."""
    job = job_after(*HISTORIES["running"], Failed(2, 1, "signal", "killed", None, "SIGKILL", 900, at(5)))
    assert (job.lease, job.due_us, job.last) == (None, at(5), Outcome("w1", None, "SIGKILL", 900, "killed"))


def test_a_dead_job_keeps_its_last_failure() -> None:
    """Going to the dead letter queue leaves attempts, outcome and the time it was due as they were."""
    job = job_after(*HISTORIES["running"], replace(FAILED, retry_at_us=None), Dead(1, "exit_code"))
    assert (job.state, job.attempts, job.due_us) == (JobState.DEAD, 1, 0)
    assert job.last is not None
    assert job.last.error == "boom"


def test_a_claim_of_a_failed_job_keeps_its_attempts() -> None:
    """The retry of a failed job starts from the attempts it had."""
    job = job_after(*HISTORIES["failed"], CLAIMED)
    assert (job.state, job.attempts, job.lease) == (JobState.PROCESSING, 1, Lease(5, "w1", at(30)))


@pytest.mark.parametrize(("began", "attempts"), [((), 1), ((Started(5, 2, "host", 10),), 1)])
def test_a_release_leaves_the_attempts_of_before_the_claim(began: tuple[JobEvent, ...], attempts: int) -> None:
    """A claim given back, started or not, leaves the job as if it had not been claimed, and due at once."""
    job = job_after(*HISTORIES["failed"], CLAIMED, *began, Released(5, "shutdown"))
    assert (job.state, job.attempts, job.lease) == (JobState.PENDING, attempts, None)


def test_a_cancel_request_is_seen_on_the_lease() -> None:
    """A running job that was asked to stop still runs, and its lease says so to the worker."""
    job = job_after(*HISTORIES["running"], CancelRequested(2))
    assert (job.state, job.lease) == (JobState.PROCESSING, Lease(2, "w1", at(30), 1, True))


def test_a_cancelled_run_was_the_last() -> None:
    """How long a run took that was cancelled is the job's, and nothing of an attempt before it, or of none."""
    again = (Claimed("w2", at(9)), Started(5, 2, "host", 4242), CancelRequested(5), Cancelled(5, 2, 800))
    assert job_after(*HISTORIES["failed"], *again).last == Outcome("w2", None, None, 800, None)
    claimed = (Claimed("w2", at(9)), CancelRequested(5), Cancelled(5))
    assert job_after(*HISTORIES["failed"], *claimed).last == job_after(*HISTORIES["failed"]).last
    assert job_after(*HISTORIES["failed"], Cancelled()).last == job_after(*HISTORIES["failed"]).last
    assert job_after(*HISTORIES["claimed"], Cancelled(2)).last is None


@pytest.mark.parametrize("situation", ["cancelled", "stopping"])
def test_a_cancelled_job_has_ended(situation: str) -> None:
    """A cancelled job, running before or not, has no lease and the time of its end."""
    job = job_after(*HISTORIES[situation], *([CASES["cancelled-full"].event] if situation == "stopping" else []))
    assert (job.state, job.lease, job.finished_at_us) == (JobState.CANCELLED, None, job.updated_at_us)


def test_a_requeued_job_waits_like_a_new_one() -> None:
    """A job put back is due at once with the attempts of the event, and its old failure can still be seen."""
    job = job_after(*HISTORIES["dead"], Requeued(0))
    assert (job.state, job.attempts, job.due_us, job.finished_at_us) == (JobState.PENDING, 0, job.updated_at_us, None)
    assert job.last is not None
    assert job.number == 1


def test_a_removed_job_is_gone_and_its_id_starts_anew() -> None:
    """After its removal there is no job, and an enqueue of the same id is another job."""
    story = given(*HISTORIES["completed"], Removed("completed"))
    assert story.job is None
    assert story.tell((ENQUEUED, Claimed("w2", at(60)))).job is not None
    assert story.job is not None
    assert (story.job.number, story.job.attempts, story.job.last) == (6, 0, None)


def test_version_and_time_follow_every_event() -> None:
    """After each event the job's version is that event's position, and its update time that event's."""
    for events in HISTORIES.values():
        for count in range(1, len(events) + 1):
            job = job_after(*events[:count])
            assert (job.version, job.updated_at_us, job.created_at_us) == (count, at(count - 1), at(0))


def test_a_job_has_what_was_asked_for_at_its_first_level() -> None:
    """What stands in its spec is read without it; what is not there is None, or nothing."""
    spec = JobSpec("a", ("ls", "-l"), "mail", 5, 2, 1500, 3.0, "/", {"A": "b"})
    job = Job(7, spec, JobState.PENDING, 7, 1_000_000, 2_000_000, 0)
    assert (job.command, job.queue, job.priority, job.max_retries) == (("ls", "-l"), "mail", 5, 2)
    assert (job.timeout_s, job.backoff_base, job.cwd, job.env) == (1.5, 3.0, "/", {"A": "b"})
    bare = replace(job, spec=JobSpec("a", "true"))
    assert (bare.timeout_s, bare.cwd, bare.env, bare.return_code, bare.error) == (None, None, {}, None, None)
    failed = replace(job, last=Outcome("w", 3, None, 10, "exit code 3"))
    assert (failed.return_code, failed.error) == (3, "exit code 3")


def test_a_job_has_its_times_as_datetimes() -> None:
    """Each is aware and exact to the microsecond; one that is not yet is None."""
    job = Job(7, JobSpec("a", "true"), JobState.PENDING, 7, 1_000_001, 2_000_000, 0)
    assert job.created_at == datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)
    assert job.updated_at == datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)
    assert job.due_at == job.created_at
    assert (job.started_at, job.finished_at) == (None, None)
    ran = replace(job, due_us=3_000_000, started_at_us=4_000_000, finished_at_us=5_000_000)
    assert [each.timestamp() for each in (ran.due_at, ran.started_at, ran.finished_at) if each] == [3, 4, 5]
    assert job.created_at.utcoffset() == timedelta(0)
