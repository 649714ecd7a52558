"""The rules of the decider, each as given/when/then, and one matrix of them all."""

import pytest
from msgspec.structs import replace

from queuectl.core.commands import (
    CancelJob,
    ClaimJob,
    CompleteJob,
    ConfirmCancel,
    EditJob,
    EnqueueJob,
    ExpireJob,
    FailJob,
    JobCommand,
    PauseJob,
    RecoverJob,
    ReleaseJob,
    RemoveJob,
    RenewLease,
    RequeueJob,
    ResumeJob,
    RetryPolicy,
    StartJob,
    TakeJob,
    TellEnd,
)
from queuectl.core.decider import decide, decide_config
from queuectl.core.job import JobState
from queuectl.errors import JobNotFound, QueuectlError, StaleLease, WrongState
from queuectl.events.types import (
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    ConfigChanged,
    Dead,
    Edited,
    Enqueued,
    Failed,
    Failure,
    Output,
    Released,
    Removed,
    Renewed,
    Requeued,
    Started,
)
from tests.decider_spec import CLAIMED, ENQUEUED, FAILED, HISTORIES, POLICY, SPEC, STARTED, at, given

OUT = Output(3, b"o" * 32)
ERR = Output(4, b"e" * 32)
FAIL = FailJob(2, POLICY, "exit_code", "boom", return_code=1)
EXPIRED = RetryPolicy(now_us=at(30))

# -- the matrix: every command in every situation ------------------------------------------------

COMMANDS: dict[str, JobCommand] = {
    "Claim": ClaimJob("w2", at(60), at(3)),
    "Start": StartJob(2, "host", 10),
    "Take": TakeJob("w2", at(60), "host", 10, at(3)),
    "Expire": ExpireJob(at(3)),
    "Renew": RenewLease(2, at(60)),
    "Complete": CompleteJob(2),
    "Fail": FAIL,
    "Recover": RecoverJob(2, EXPIRED),
    "Release": ReleaseJob(2, "shutdown"),
    "Cancel": CancelJob(),
    "Confirm": ConfirmCancel(2),
    "Requeue": RequeueJob(),
    "Edit": EditJob(Edited(priority=5)),
    "Remove": RemoveJob(),
    "Pause": PauseJob(),
    "Resume": ResumeJob(),
    "Tell": TellEnd(9, JobState.COMPLETED),
}
MATRIX = """
          absent   pending    claimed          running          stopping   failed     completed  dead      cancelled
Claim     unknown  Claimed    wrong            wrong            wrong      Claimed    wrong      wrong     wrong
Start     unknown  stale      Started          stale            stale      stale      stale      stale     stale
Take      unknown  taken      wrong            wrong            wrong      taken      wrong      wrong     wrong
Expire    unknown  nothing    nothing          nothing          nothing    nothing    nothing    nothing   nothing
Renew     unknown  stale      Renewed          Renewed          Renewed    stale      stale      stale     stale
Complete  unknown  stale      Completed        Completed        Completed  stale      stale      stale     stale
Fail      unknown  stale      Failed           Failed           Cancelled  stale      stale      stale     stale
Recover   unknown  stale      Released         Failed           Cancelled  stale      stale      stale     stale
Release   unknown  stale      Released         Released         Cancelled  stale      stale      stale     stale
Cancel    unknown  Cancelled  CancelRequested  CancelRequested  nothing    Cancelled  wrong      wrong     wrong
Confirm   unknown  stale      Cancelled        Cancelled        Cancelled  stale      stale      stale     stale
Requeue   unknown  wrong      wrong            wrong            wrong      Requeued   Requeued   Requeued  Requeued
Edit      unknown  Edited     wrong            wrong            wrong      Edited     Edited     Edited    Edited
Remove    unknown  wrong      wrong            wrong            wrong      wrong      Removed    Removed   Removed
Pause     unknown  Paused     Paused           Paused           Paused     Paused     wrong      wrong     wrong
Resume    unknown  nothing    nothing          nothing          nothing    nothing    nothing    nothing   nothing
Tell      unknown  nothing    nothing          nothing          nothing    nothing    nothing    nothing   nothing

          paused     frozen
Claim     wrong      wrong
Start     stale      Started
Take      wrong      wrong
Expire    nothing    nothing
Renew     stale      Renewed
Complete  stale      Completed
Fail      stale      Failed
Recover   stale      Released
Release   stale      Released
Cancel    Cancelled  CancelRequested
Confirm   stale      Cancelled
Requeue   wrong      wrong
Edit      Edited     wrong
Remove    wrong      wrong
Pause     nothing    nothing
Resume    Resumed    Resumed
Tell      nothing    nothing
"""
REFUSALS: dict[str, type[QueuectlError]] = {
    "unknown": JobNotFound,
    "wrong": WrongState,
    "stale": StaleLease,
}
SEVERAL = {"nothing": [], "taken": ["Claimed", "Started"]}
"""Answers that are not one event."""


def _cells() -> list[tuple[str, str, str]]:
    cells: list[tuple[str, str, str]] = []
    for block in MATRIX.split("\n\n"):
        head, *rows = (line.split() for line in block.strip().splitlines())
        cells += [(row[0], state, answer) for row in rows for state, answer in zip(head, row[1:], strict=True)]
    return cells


@pytest.mark.parametrize(("command", "situation", "answer"), _cells())
def test_every_command_in_every_situation_has_one_answer(command: str, situation: str, answer: str) -> None:
    """Each command in each situation yields the event, or the typed refusal, that the matrix names."""
    story = given(*HISTORIES[situation])
    if answer in REFUSALS:
        story.when(COMMANDS[command]).then_refused(REFUSALS[answer])
        return
    events = decide(COMMANDS[command], story.job)
    assert [type(event).__name__ for event in events] == SEVERAL.get(answer, [answer])
    story.tell(events)


def test_the_matrix_misses_no_command_and_no_situation() -> None:
    """The matrix has a cell for every command to a job in every situation there is; an enqueue is to none."""
    cells = {(command, situation) for command, situation, _ in _cells()}
    assert cells == {(command, situation) for command in COMMANDS for situation in HISTORIES}
    assert {type(command) for command in COMMANDS.values()} == set(JobCommand.__args__) - {EnqueueJob}


# -- enqueue and claim ---------------------------------------------------------------------------


def test_enqueue_records_what_was_asked_for() -> None:
    """An enqueued job carries its specification unchanged."""
    given().when(EnqueueJob(SPEC)).then(Enqueued(SPEC))


def test_an_id_is_free_again_after_removal() -> None:
    """A removed job's id can be enqueued anew."""
    given(*HISTORIES["completed"]).when(RemoveJob()).then(Removed("completed")).when(EnqueueJob(SPEC)).then(ENQUEUED)


def test_a_claim_is_made_for_one_worker_at_a_time() -> None:
    """A job that one worker holds cannot be claimed by another."""
    given(ENQUEUED).when(ClaimJob("w1", at(30))).then(CLAIMED).when(ClaimJob("w2", at(60))).then_refused(
        WrongState, "cannot claim 'job1': it is processing"
    )


def test_the_claim_ends_up_as_the_token() -> None:
    """The position of the claim is the token its worker must show."""
    job = given(ENQUEUED).when(ClaimJob("w1", at(30))).then(CLAIMED).job
    assert job is not None
    assert job.lease is not None
    assert job.lease.token == 2


# -- attempts, retries, death --------------------------------------------------------------------


def test_max_retries_two_is_three_attempts_then_dead() -> None:
    """With max_retries=2 the third failure, and no earlier one, is the last."""
    story = given(ENQUEUED)
    for attempt, token in ((1, 2), (2, 5)):
        story.tell((CLAIMED,)).when(StartJob(token, "host", 10)).then(Started(token, attempt, "host", 10))
        retry_at_us = at(3 + 2**attempt)
        story.when(replace(FAIL, token=token)).then(
            replace(FAILED, token=token, attempt=attempt, retry_at_us=retry_at_us)
        )
    story.tell((CLAIMED,)).when(StartJob(8, "host", 10)).then(Started(8, 3, "host", 10))
    last = replace(FAILED, token=8, attempt=3, retry_at_us=None)
    job = story.when(replace(FAIL, token=8)).then(last, Dead(3, "exit_code")).job
    assert job is not None
    assert (job.state, job.attempts) == (JobState.DEAD, 3)


def test_no_retries_is_one_attempt() -> None:
    """With max_retries=0 the first failure is the last."""
    once = Enqueued(replace(SPEC, max_retries=0))
    given(once, CLAIMED, STARTED).when(FAIL).then(replace(FAILED, retry_at_us=None), Dead(1, "exit_code"))


@pytest.mark.parametrize(
    ("policy", "base", "wait_s"),
    [
        (POLICY, 2.0, 2),
        (POLICY, 10.0, 10),
        (replace(POLICY, max_delay_s=4.0), 10.0, 4),
        (replace(POLICY, jitter=0.5, roll=0.5), 10.0, 12.5),
        (replace(POLICY, jitter=0.5, roll=0.5, max_delay_s=4.0), 10.0, 5),
    ],
)
def test_the_retry_waits_base_to_the_attempt_capped_then_jittered(
    policy: RetryPolicy, base: float, wait_s: float
) -> None:
    """The first retry is due base seconds after the failure, at most the cap, plus jitter by the roll."""
    given(Enqueued(replace(SPEC, backoff_base=base)), CLAIMED, STARTED).when(replace(FAIL, retry=policy)).then(
        replace(FAILED, retry_at_us=at(3 + wait_s))
    )


def test_a_failure_keeps_all_that_is_known_of_it() -> None:
    """Failure, error, return code, signal, duration, outputs and the tail of stderr reach the event."""
    command = FailJob(2, POLICY, Failure.SIGNAL, "killed", None, "SIGKILL", 1200, OUT, ERR, "tail")
    given(ENQUEUED, CLAIMED, STARTED).when(command).then(
        Failed(2, 1, "signal", "killed", None, "SIGKILL", 1200, at(5), OUT, ERR, "tail")
    )


def test_a_failure_before_the_start_counts_as_an_attempt() -> None:
    """A command that could not even be spawned uses up an attempt."""
    given(ENQUEUED, CLAIMED).when(FailJob(2, POLICY, Failure.SPAWN_ERROR, "no such file")).then(
        Failed(2, 1, "spawn_error", "no such file", retry_at_us=at(5))
    )


def test_completion_records_the_run() -> None:
    """A completed run keeps its attempt, duration, return code and outputs."""
    given(ENQUEUED, CLAIMED, STARTED).when(CompleteJob(2, 1200, 0, OUT, ERR)).then(Completed(2, 1, 1200, 0, OUT, ERR))


# -- leases --------------------------------------------------------------------------------------

UNDER_A_TOKEN: list[JobCommand] = [
    command for command in COMMANDS.values() if getattr(command, "token", None) is not None
]


@pytest.mark.parametrize("command", UNDER_A_TOKEN, ids=lambda command: type(command).__name__)
def test_a_worker_that_lost_its_lease_can_do_nothing(command: JobCommand) -> None:
    """Under the token of an earlier claim nothing about the job can be changed."""
    given(ENQUEUED, CLAIMED, Released(2, "w1 is gone"), Claimed("w2", at(60))).when(command).then_refused(
        StaleLease, "under token 2: worker w2 holds it under token 4"
    )


@pytest.mark.parametrize("situation", ["completed", "dead", "cancelled", "failed", "pending"])
def test_a_result_that_comes_too_late_is_refused(situation: str) -> None:
    """A completion for a job that nobody holds is refused, and the message says how it stands."""
    given(*HISTORIES[situation]).when(CompleteJob(2)).then_refused(StaleLease, f"the job is {situation}")


def test_one_claim_starts_once() -> None:
    """A second start under the same token is refused, so one claim never counts two attempts."""
    given(*HISTORIES["running"]).when(StartJob(2, "host", 11)).then_refused(
        StaleLease, "attempt 1 was started under it"
    )


def test_a_renewal_moves_the_expiry() -> None:
    """After a renewal the job cannot be recovered at its first expiry."""
    given(*HISTORIES["running"]).when(RenewLease(2, at(60))).then(Renewed(2, at(60))).when(
        RecoverJob(2, EXPIRED)
    ).then_refused(WrongState, "worker w1 still holds its lease")


@pytest.mark.parametrize("situation", ["claimed", "running", "stopping"])
def test_a_lease_that_still_runs_is_not_recovered(situation: str) -> None:
    """A microsecond before its expiry a lease cannot be recovered."""
    early = RetryPolicy(now_us=at(30) - 1)
    given(*HISTORIES[situation]).when(RecoverJob(2, early)).then_refused(WrongState, "cannot recover 'job1'")


def test_a_lost_attempt_counts() -> None:
    """A started run whose lease expired has failed as lost, and its retry waits its turn."""
    given(*HISTORIES["running"]).when(RecoverJob(2, EXPIRED)).then(
        Failed(2, 1, "lost", "worker w1 let its lease expire; how the command ended is not known", retry_at_us=at(32))
    )


def test_a_job_that_keeps_killing_its_worker_ends_dead() -> None:
    """A lost attempt beyond max_retries goes to the dead letter queue like any other."""
    once = Enqueued(replace(SPEC, max_retries=0))
    job = (
        given(once, CLAIMED, STARTED)
        .when(RecoverJob(2, POLICY, gone=True, pid=12))
        .then(Failed(2, 1, "lost", "worker w1 (pid 12) is gone; how the command ended is not known"), Dead(1, "lost"))
        .job
    )
    assert job is not None
    assert job.state is JobState.DEAD


def test_a_claim_that_never_started_costs_nothing() -> None:
    """An expired claim that was not started is released with no attempt used."""
    job = (
        given(*HISTORIES["claimed"])
        .when(RecoverJob(2, EXPIRED))
        .then(Released(2, "worker w1 let its lease expire before it started the command"))
        .job
    )
    assert job is not None
    assert (job.state, job.attempts) == (JobState.PENDING, 0)


def test_a_worker_known_to_be_gone_is_not_waited_for() -> None:
    """The jobs of a worker that is known to be gone are taken back before the lease expires."""
    given(*HISTORIES["claimed"]).when(RecoverJob(2, POLICY, gone=True)).then(
        Released(2, "worker w1 is gone before it started the command")
    )


def test_releasing_a_started_run_gives_the_attempt_back() -> None:
    """A second attempt given back leaves the count at one, and the next run is the second again."""
    story = given(*HISTORIES["failed"], CLAIMED, Started(5, 2, "host", 10))
    job = story.when(ReleaseJob(5, "shutdown")).then(Released(5, "shutdown")).job
    assert job is not None
    assert (job.state, job.attempts) == (JobState.PENDING, 1)
    story.tell((CLAIMED,)).when(StartJob(8, "host", 11)).then(Started(8, 2, "host", 11))


# -- cancel --------------------------------------------------------------------------------------


@pytest.mark.parametrize("situation", ["pending", "failed"])
def test_a_waiting_job_is_cancelled_at_once(situation: str) -> None:
    """Cancelling a job that waits for its first or next run ends it there."""
    given(*HISTORIES[situation]).when(CancelJob()).then(Cancelled())


def test_a_running_job_is_asked_to_stop_once() -> None:
    """Cancelling a running job asks its worker, and asking again changes nothing."""
    given(*HISTORIES["running"]).when(CancelJob()).then(CancelRequested(2)).when(CancelJob()).then()


@pytest.mark.parametrize("situation", ["completed", "dead", "cancelled"])
def test_a_job_that_ended_cannot_be_cancelled(situation: str) -> None:
    """Cancelling an ended job is refused with the state it is in."""
    given(*HISTORIES[situation]).when(CancelJob()).then_refused(WrongState, f"cannot cancel 'job1': it is {situation}")


def test_a_stopped_run_is_cancelled_with_its_output() -> None:
    """The worker's confirmation keeps attempt, duration and partial output."""
    given(*HISTORIES["stopping"]).when(ConfirmCancel(2, 800, OUT, ERR)).then(Cancelled(2, 1, 800, OUT, ERR))


def test_a_failure_while_cancel_is_requested_is_the_cancellation() -> None:
    """A run that fails once its stop was asked for is cancelled, not retried."""
    given(*HISTORIES["stopping"]).when(replace(FAIL, duration_ms=800, stdout=OUT)).then(Cancelled(2, 1, 800, OUT))


def test_a_run_that_ended_well_before_it_was_stopped_is_completed() -> None:
    """A completion wins over a cancel request that came too late."""
    given(*HISTORIES["stopping"]).when(CompleteJob(2)).then(Completed(2, 1))


@pytest.mark.parametrize("situation", ["claimed", "stopping"])
def test_a_cancel_request_outlives_its_worker(situation: str) -> None:
    """A job whose worker died after its stop was asked for is cancelled, not run again."""
    story = given(*HISTORIES[situation])
    if situation == "claimed":
        story.tell((CancelRequested(2),))
    attempt = None if situation == "claimed" else 1
    story.when(RecoverJob(2, EXPIRED)).then(Cancelled(2, attempt))


def test_a_cancel_request_outlives_a_release() -> None:
    """A job given back after its cancel was asked for does not run again; how long it ran is kept."""
    given(*HISTORIES["stopping"]).when(ReleaseJob(2, "shutdown")).then(Cancelled(2, 1))
    given(*HISTORIES["stopping"]).when(ReleaseJob(2, "shutdown", 800)).then(Cancelled(2, 1, 800))


# -- edit ----------------------------------------------------------------------------------------


def test_an_edit_tells_only_what_changes() -> None:
    """What already is as asked for is not told, and where all of it is, nothing happens."""
    edit = EditJob(Edited(command="echo hi", queue="mail", max_retries=2, timeout_ms=0, env={}))
    job = given(*HISTORIES["dead"]).when(edit).then(Edited(queue="mail")).job
    assert job is not None
    assert (job.state, job.spec) == (JobState.DEAD, replace(SPEC, queue="mail"))
    given(*HISTORIES["dead"]).when(EditJob(Edited(command="echo hi", cwd=""))).then()


def test_an_edit_empties() -> None:
    """No timeout, directory, environment or time is an edit too."""
    spec = replace(SPEC, timeout_ms=5, cwd="/", env={"A": "b"}, run_at_us=at(90))
    edit = Edited(timeout_ms=0, cwd="", env={}, run_at_us=0)
    job = given(Enqueued(spec)).when(EditJob(edit)).then(edit).job
    assert job is not None
    assert (job.spec, job.due_us) == (SPEC, 0)


def test_of_a_running_job_only_the_timeout_is_edited() -> None:
    """Whatever its run has come to, a job's time limit can be changed; what else is asked for is refused by name."""
    edit = Edited(timeout_ms=5_000)
    for history in ("claimed", "running", "stopping"):
        story = given(*HISTORIES[history])
        lease = None if story.job is None else story.job.lease
        job = story.when(EditJob(edit)).then(edit).job
        assert job is not None
        assert (job.spec.timeout_ms, job.state, job.lease) == (5_000, JobState.PROCESSING, lease)
        more = EditJob(replace(edit, cwd="/"))
        story.when(more).then_refused(WrongState, "change cwd of 'job1': it is processing")


def test_a_timeout_that_was_edited_is_no_default() -> None:
    """Whoever names a timeout has said it, though it be as long as the default."""
    spec = replace(SPEC, timeout_ms=300_000, timeout_is_default=True)
    edit = EditJob(Edited(timeout_ms=300_000))
    job = given(Enqueued(spec)).when(edit).then(Edited(timeout_ms=300_000)).when(edit).then().job
    assert job is not None
    assert (job.spec.timeout_ms, job.spec.timeout_is_default) == (300_000, False)


def test_an_edit_sets_when_a_waiting_job_runs() -> None:
    """A retry waits for the time it was given; of a job that has ended, none can be set."""
    job = given(*HISTORIES["failed"]).when(EditJob(Edited(run_at_us=at(90)))).then(Edited(run_at_us=at(90))).job
    assert job is not None
    assert (job.state, job.due_us) == (JobState.FAILED, at(90))
    given(*HISTORIES["failed"]).when(EditJob(Edited(run_at_us=at(5)))).then()
    given(*HISTORIES["dead"]).when(EditJob(Edited(run_at_us=at(90)))).then_refused(WrongState, "it is dead")


# -- run again, remove ---------------------------------------------------------------------------


@pytest.mark.parametrize(("situation", "attempts"), [("completed", 0), ("dead", 0), ("cancelled", 0), ("failed", 1)])
def test_requeue_starts_the_count_anew_unless_the_job_was_failing(situation: str, attempts: int) -> None:
    """An ended job runs again with all its retries; a failed one only skips its wait."""
    job = given(*HISTORIES[situation]).when(RequeueJob()).then(Requeued(attempts)).job
    assert job is not None
    assert (job.state, job.attempts, job.due_us) == (JobState.PENDING, attempts, job.updated_at_us)


@pytest.mark.parametrize("command", [RequeueJob(JobState.DEAD), RemoveJob(JobState.DEAD)])
def test_only_limits_what_is_touched(command: JobCommand) -> None:
    """A requeue or removal meant for dead jobs refuses one that is completed."""
    given(*HISTORIES["completed"]).when(command).then_refused(WrongState, "it is completed")


@pytest.mark.parametrize("situation", ["pending", "running", "failed"])
@pytest.mark.parametrize("verb", [RequeueJob, RemoveJob])
def test_only_never_allows_more(situation: str, verb: type[RequeueJob] | type[RemoveJob]) -> None:
    """Naming a state in `only` does not let a command through that the state does not allow."""
    story = given(*HISTORIES[situation])
    assert story.job is not None
    command = verb(story.job.state)
    if situation == "failed" and verb is RequeueJob:
        story.when(command).then(Requeued(1))
    else:
        story.when(command).then_refused(WrongState, f"it is {story.job.state}")


@pytest.mark.parametrize("situation", ["completed", "dead", "cancelled"])
def test_an_ended_job_can_be_removed(situation: str) -> None:
    """Removing an ended job says what state it was in, and if a new one replaces it, and leaves no job."""
    assert given(*HISTORIES[situation]).when(RemoveJob()).then(Removed(situation)).job is None
    assert given(*HISTORIES[situation]).when(RemoveJob(replaced=True)).then(Removed(situation, True)).job is None


def test_what_is_asked_of_no_job_is_refused() -> None:
    """A command for a job that is not there is refused as such."""
    given().when(CancelJob()).then_refused(JobNotFound)


# -- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [(None, 5), (5, 6), (5, None)])
def test_a_configuration_change_records_old_and_new(old: int | None, new: int | None) -> None:
    """Setting, changing and unsetting a key each yield one event with both values."""
    assert decide_config("max_retries", old, new) == (ConfigChanged("max_retries", old, new),)


def test_setting_a_key_to_what_it_is_changes_nothing() -> None:
    """A configuration value that is there already yields no event."""
    assert decide_config("max_retries", 5, 5) == ()


def test_a_run_whose_command_was_never_launched_costs_no_attempt() -> None:
    """A job that waited for a slot of a worker that died is given back, though its run had been recorded as started."""
    given(*HISTORIES["running"]).when(RecoverJob(2, POLICY, gone=True, launched=False)).then(
        Released(2, "worker w1 is gone before it started the command")
    )
