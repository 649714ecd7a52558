"""What follows from how a run ends and from a job's time, each as given/when/then."""

from typing import Any

import pytest
from msgspec.structs import replace

from queuectl.core.commands import (
    ClaimJob,
    CompleteJob,
    EditJob,
    ExpireJob,
    FailJob,
    RecoverJob,
    RequeueJob,
    RetryPolicy,
    TakeJob,
)
from queuectl.core.run_end import attempt_ms, deadline_of
from queuectl.events.append import OF_ITS_CLAIM
from queuectl.events.types import (
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    Dead,
    Edited,
    Enqueued,
    Expiry,
    Failed,
    JobEvent,
    JobOptions,
    JobSpec,
    Output,
    Policy,
    Requeued,
    Snoozed,
    Started,
)
from tests.decider_spec import CLAIMED, SPEC, STARTED, Story, at, given

OUT = Output(3, b"o" * 32)
NOW = RetryPolicy(at(3), 3600)


def running(policy: Policy | None = None, expiry: Expiry | None = None, **spec: Any) -> Story:
    """Begin with a job whose first attempt runs; its enqueue was at second 0."""
    return given(*begun(JobOptions(policy=policy, expiry=expiry), replace(SPEC, **spec)))


def begun(options: JobOptions | None = None, spec: JobSpec = SPEC) -> tuple[JobEvent, ...]:
    return Enqueued(spec, options), CLAIMED, STARTED


def expiring(expiry: Expiry) -> Enqueued:
    return Enqueued(SPEC, JobOptions(expiry=expiry))


def exits(code: int, retry: RetryPolicy = NOW) -> FailJob:
    return FailJob(2, retry, "exit_code", f"exit code {code}", code, None, 40, OUT, None, "tail")


def failed(code: int, retry_at_us: int | None) -> Failed:
    return Failed(2, 1, "exit_code", f"exit code {code}", code, None, 40, retry_at_us, OUT, None, "tail")


def test_an_end_that_is_final_leaves_no_attempt() -> None:
    """An exit code in dead_on is the end after one attempt, whatever max_retries says, and the event says why."""
    story = running(Policy(dead_on="64-66")).when(exits(65))
    job = story.then(failed(65, None), Dead(1, "exit_code", "dead_on 64-66")).job
    assert job is not None
    assert (job.state, job.attempts, job.ended_by) == ("dead", 1, "dead_on 64-66")


def test_an_end_that_is_good_completes_with_its_code() -> None:
    """An exit code in ok_on is a completed run that keeps its code and what it printed."""
    story = running(Policy(ok_on="1")).when(exits(1)).then(Completed(2, 1, 40, 1, OUT, ended_by="ok_on 1"))
    assert story.job is not None
    assert (story.job.state, story.job.return_code, story.job.error, story.job.ended_by) == (
        *("completed", 1, None, "ok_on 1"),
    )


def test_a_run_without_a_code_completes_without_one() -> None:
    """A time limit that is a good end leaves no exit code 0 behind, which there was not."""
    cut = FailJob(2, NOW, "timeout", "timed out after 5 s", None, "SIGTERM", 5_000)
    running(Policy(ok_on="timeout")).when(cut).then(
        Completed(2, 1, 5_000, None, signal="SIGTERM", ended_by="ok_on timeout")
    )


def test_a_snooze_uses_up_no_attempt_and_is_counted() -> None:
    """A run that is snoozed leaves the job pending until then; its code and output are kept."""
    story = running(Policy(snooze_on="75", snooze_ms=30_000)).when(exits(75))
    kept = Snoozed(2, 1, "exit_code", "exit code 75", at(33), "snooze_on 75", 75, None, 40, OUT)
    job = story.then(kept).job
    assert job is not None
    assert (job.state, job.attempts, job.snoozes, job.due_us) == ("pending", 0, 1, at(33))
    assert (job.return_code, job.lease, job.finished_at_us) == (75, None, None)


def test_a_snooze_is_as_long_as_a_retry_would_wait_unless_it_is_said() -> None:
    """Without a length of its own a snooze waits by the job's backoff."""
    story = running(Policy(snooze_on="75", waits_ms=(7_000,))).when(exits(75))
    story.then(Snoozed(2, 1, "exit_code", "exit code 75", at(10), "snooze_on 75", 75, None, 40, OUT))


def test_snoozes_have_an_end_and_a_requeue_begins_anew() -> None:
    """Once there were max_snoozes, one more is a failure; after a requeue they are counted from 0."""
    story = running(Policy(snooze_on="75", snooze_ms=1_000, max_snoozes=1))
    story.when(exits(75)).then(Snoozed(2, 1, "exit_code", "exit code 75", at(4), "snooze_on 75", 75, None, 40, OUT))
    story.tell((Claimed("w1", at(30)), Started(5, 1, "host", 10)))
    story.when(replace(exits(75), token=5)).then(replace(failed(75, at(5)), token=5))
    story.when(RequeueJob()).then(Requeued(1))
    assert story.job is not None
    assert story.job.snoozes == 0


def test_what_is_not_to_be_retried_is_dead() -> None:
    """With retry_on given, an end that it does not name is final, and one that it names is retried as ever."""
    policy = Policy(retry_on="75,timeout")
    running(policy).when(exits(1)).then(failed(1, None), Dead(1, "exit_code", "not in retry_on"))
    running(policy).when(exits(75)).then(failed(75, at(5)))
    error = "worker w1 is gone; how the command ended is not known"
    lost = running(policy).when(RecoverJob(2, NOW, gone=True))
    lost.then(Failed(2, 1, "lost", error), Dead(1, "lost", "not in retry_on"))


def test_a_cancelled_run_is_cancelled_whatever_its_policy() -> None:
    """Whoever asked for the run to be stopped is heeded, also where its end would be a good one."""
    story = running(Policy(ok_on="1")).tell((CancelRequested(2),))
    story.when(exits(1)).then(Cancelled(2, 1, 40, OUT))


def test_a_run_that_exits_with_0_has_completed() -> None:
    """No policy takes 0 for anything else."""
    running(Policy(retry_on="1")).when(CompleteJob(2, 5)).then(Completed(2, 1, 5))


def test_retries_wait_as_the_job_says() -> None:
    """A list of its own is not held to what is configured as the most, and its own most holds for every form."""
    running(Policy(waits_ms=(9_000, 1_000))).when(exits(1, RetryPolicy(at(3), 5))).then(failed(1, at(12)))
    running(Policy(waits_ms=(9_000,), wait_max_ms=2_000)).when(exits(1)).then(failed(1, at(5)))
    exp = running(Policy(wait_max_ms=4_000), backoff_base=10.0)
    exp.when(exits(1, RetryPolicy(at(3), 1))).then(failed(1, at(7)))


# -- time ------------------------------------------------------------------------------------------

EXPIRES = Expiry(at(10))
CLAIMS = [ClaimJob("w1", at(60)), TakeJob("w1", at(60), "host", 10)]


@pytest.mark.parametrize("claim", CLAIMS, ids=["claim", "take"])
def test_no_attempt_starts_after_a_job_has_expired(claim: ClaimJob | TakeJob) -> None:
    """At its last moment a job is claimed, a microsecond later it is dead and was never started."""
    at_last = given(expiring(EXPIRES)).when(replace(claim, now_us=at(10)))
    at_last.then(Claimed("w1", at(60)), *([Started(OF_ITS_CLAIM, 1, "host", 10)] if isinstance(claim, TakeJob) else []))
    job = given(expiring(EXPIRES)).when(replace(claim, now_us=at(10) + 1)).then(Dead(0, "expired")).job
    assert job is not None
    assert (job.state, job.attempts, job.ended_by, job.started_at_us) == ("dead", 0, "expired", None)
    assert job.finished_at_us is not None


def test_a_job_that_expires_may_be_cancelled_instead() -> None:
    """As it was asked for, and the event says that nobody did it."""
    given(expiring(Expiry(at(10), cancels=True))).when(ExpireJob(at(11))).then(Cancelled(ended_by="expired"))


def test_the_log_counts_where_it_was_ahead_of_the_clock() -> None:
    """The last moment is that by the log's time, not as it was asked for by the machine's."""
    ahead = expiring(Expiry(at(10), at(15)))
    given(ahead).when(ExpireJob(at(12))).then()
    given(ahead).when(ExpireJob(at(16))).then(Dead(0, "expired"))


def test_all_attempts_have_one_time_together() -> None:
    """max_time counts from the enqueue, over retries, and a retry begins it anew."""
    story = given(expiring(Expiry(max_time_ms=10_000)))
    assert story.job is not None
    began = story.job.created_at_us
    story.when(ExpireJob(began + 10_000_000)).then()
    story.when(ExpireJob(began + 10_000_001)).then(Dead(0, "max_time"))
    story.when(RequeueJob()).then(Requeued(0))
    deadline = deadline_of(story.job)
    assert deadline is not None
    assert deadline.at_us == story.job.updated_at_us + 10_000_000


def test_a_retry_that_would_come_too_late_is_not_waited_for() -> None:
    """A failure after which no attempt could start in time is the last, and a snooze beyond it is a failure."""
    late = {"expiry": Expiry(at(4))}
    running(**late).when(exits(1)).then(failed(1, None), Dead(1, "expired"))
    running(Policy(snooze_on="75", snooze_ms=2_000), **late).when(exits(75)).then(failed(75, None), Dead(1, "expired"))
    cancels = {"expiry": Expiry(at(4), cancels=True)}
    job = running(**cancels).when(exits(1)).then(failed(1, None), Cancelled(ended_by="expired")).job
    assert job is not None
    assert (job.state, job.attempts, job.error) == ("cancelled", 1, "exit code 1")
    running(max_retries=0, **late).when(exits(1)).then(failed(1, None), Dead(1, "exit_code"))


def test_a_run_that_began_in_time_goes_on_and_is_heard() -> None:
    """Its end counts, however long after the job would have expired."""
    running(expiry=Expiry(at(1))).when(ExpireJob(at(50))).then()
    running(expiry=Expiry(at(1))).when(CompleteJob(2)).then(Completed(2, 1))


def test_a_requeue_lifts_the_expiry() -> None:
    """A job that is run again on request has no last moment any more, but for its total time."""
    story = given(expiring(Expiry(at(2), max_time_ms=60_000)))
    story.when(ExpireJob(at(3))).then(Dead(0, "expired")).when(RequeueJob()).then(Requeued(0))
    assert story.job is not None
    assert story.job.expiry == Expiry(max_time_ms=60_000)
    assert story.job.ended_by is None
    story = (
        given(expiring(EXPIRES)).when(ExpireJob(at(11))).then(Dead(0, "expired")).when(RequeueJob()).then(Requeued(0))
    )
    assert story.job is not None
    assert story.job.options is None


def test_an_edit_gives_and_takes_policy_and_expiry() -> None:
    """Each is the whole of it, an empty one none, and the same again no change."""
    given_both = Edited(options=JobOptions(policy=Policy(ok_on="1"), expiry=Expiry(at(9))))
    no_policy, no_expiry = (Edited(options=JobOptions(policy=Policy())), Edited(options=JobOptions(expiry=Expiry())))
    story = given(Enqueued(SPEC)).when(EditJob(given_both)).then(given_both)
    story.when(EditJob(given_both)).then()
    story.when(EditJob(no_policy)).then(no_policy)
    story.when(EditJob(no_expiry)).then(no_expiry)
    assert story.job is not None
    assert (story.job.spec, story.job.options) == (SPEC, None)


def test_the_last_attempt_has_what_is_left_of_the_total_time() -> None:
    """A run may take its timeout, or what max_time leaves it where that is less."""
    total = Expiry(max_time_ms=4_000)
    job = running(expiry=total, timeout_ms=5_000).job
    assert job is not None
    spent_ms = ((job.started_at_us or 0) - job.created_at_us) // 1000
    assert attempt_ms(job) == 4_000 - spent_ms
    brief, plain = running(expiry=total, timeout_ms=500).job, running(timeout_ms=500).job
    assert brief is not None
    assert plain is not None
    assert (attempt_ms(brief), attempt_ms(plain)) == (500, 500)
