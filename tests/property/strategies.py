"""Hypothesis strategies for events, jobs' commands and batches, and how long to look."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
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
)
from queuectl.core.job import Job, JobState
from queuectl.events.types import (
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    ConfigChanged,
    Dead,
    DependencyMet,
    Edited,
    Enqueued,
    EnvironmentKept,
    Event,
    Expiry,
    Failed,
    Failure,
    JobOptions,
    JobSpec,
    LimitRemoved,
    LimitSet,
    Output,
    Paused,
    Policy,
    Recorded,
    Released,
    Removed,
    Renewed,
    Requeued,
    Resumed,
    RetentionApplied,
    Snoozed,
    Started,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
)
from tests.depth import tries

thorough = settings(max_examples=tries(300))
brief = settings(max_examples=tries(60))

texts = st.text(max_size=40)  # all of Unicode, NUL and control characters too, but no lone surrogates
positions = st.integers(1, 2**53)
counts = st.integers(0, 2**63 - 1)
signed = st.integers(-(2**63), 2**63 - 1)
times = st.integers(0, 2**62)
floats = st.floats(allow_nan=False, allow_infinity=False)
maybe_counts = st.none() | counts
digests = st.binary(min_size=32, max_size=32)
outputs = st.none() | st.builds(Output, counts, st.binary(min_size=32, max_size=32))
commands_to_run = texts | st.lists(texts, min_size=1, max_size=5).map(tuple)
states = st.sampled_from([state.value for state in JobState])

policies_kept = st.none() | st.builds(
    Policy,
    *(st.none() | texts for _ in range(4)),
    maybe_counts,
    maybe_counts,
    st.none() | st.lists(counts, max_size=3).map(tuple),
    maybe_counts,
)
expiries = st.none() | st.builds(Expiry, st.none() | times, st.none() | times, st.booleans(), maybe_counts)
metas = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | signed | floats | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
options = st.builds(
    JobOptions,
    st.booleans(),
    st.none() | st.dictionaries(texts, texts, max_size=4),
    st.none() | metas,
    policies_kept,
    expiries,
    st.none() | st.lists(texts, max_size=3).map(tuple),
    st.none() | texts,
    st.none() | times,
)
few_metas = st.sampled_from([None, {}, {"a": [1, None]}])
few_labels = st.sampled_from([None, {}, {"team": "a"}, {"team": "b", "urgent": ""}, {"urgent": "yes"}])
uses = st.sampled_from(
    [None, ("api",), ("api=2", "user:a"), ("mutex:m",), ("mutex:m", "api"), ("user:a",), ("user:b",)]
)

specs = st.builds(
    JobSpec,
    id=texts,
    command=commands_to_run,
    queue=texts,
    priority=signed,
    max_retries=counts,
    timeout_ms=maybe_counts,
    backoff_base=floats,
    cwd=st.none() | texts,
    env=st.none() | st.dictionaries(texts, texts, max_size=4),
    run_at_us=st.none() | times,
    timeout_is_default=st.booleans(),
    merge=st.booleans(),
    shell=st.none() | texts,
    inherited=st.none() | st.binary(min_size=16, max_size=16),
    due_us=st.none() | times,
)
values = signed | floats | texts

EVENTS: dict[type[Any], st.SearchStrategy[Any]] = {
    Enqueued: st.builds(Enqueued, specs, st.none() | options),
    Paused: st.builds(Paused, st.none() | times),
    Resumed: st.builds(Resumed),
    LimitSet: st.builds(LimitSet, maybe_counts, maybe_counts, maybe_counts, counts),
    LimitRemoved: st.builds(LimitRemoved),
    DependencyMet: st.builds(DependencyMet, positions, texts),
    Claimed: st.builds(Claimed, texts, times),
    Started: st.builds(Started, positions, counts, texts, counts),
    Renewed: st.builds(Renewed, positions, times),
    Completed: st.builds(
        Completed,
        *(positions, counts, maybe_counts, st.none() | signed, outputs, outputs),
        *(st.none() | texts for _ in range(3)),
    ),
    Failed: st.builds(
        Failed,
        positions,
        counts,
        texts,
        texts,
        st.none() | signed,
        st.none() | texts,
        maybe_counts,
        st.none() | times,
        outputs,
        outputs,
        st.none() | texts,
        st.none() | texts,
    ),
    Snoozed: st.builds(
        Snoozed,
        *(positions, counts, texts, texts, times, texts, st.none() | signed, st.none() | texts, maybe_counts),
        *(outputs, outputs, st.none() | texts),
    ),
    Dead: st.builds(Dead, counts, texts, st.none() | texts),
    Released: st.builds(Released, positions, texts),
    CancelRequested: st.builds(CancelRequested, positions),
    Cancelled: st.builds(
        Cancelled,
        *(st.none() | positions, maybe_counts, maybe_counts, outputs, outputs, st.none() | texts, st.none() | texts),
    ),
    Requeued: st.builds(Requeued, counts),
    Edited: st.builds(
        Edited,
        st.none() | commands_to_run,
        st.none() | texts,
        st.none() | signed,
        maybe_counts,
        maybe_counts,
        st.none() | floats,
        st.none() | texts,
        st.none() | st.dictionaries(texts, texts, max_size=4),
        st.none() | times,
        st.none() | texts,
        st.none() | times,
        st.none() | options,
        st.none() | st.binary(max_size=16),
        st.none() | st.booleans(),
    ),
    Removed: st.builds(Removed, states),
    ConfigChanged: st.builds(ConfigChanged, texts, st.none() | values, st.none() | values),
    EnvironmentKept: st.builds(EnvironmentKept, st.dictionaries(texts, st.none() | texts, max_size=4)),
    WorkerStarted: st.builds(WorkerStarted, texts, counts, counts, st.none() | st.lists(texts, max_size=3).map(tuple)),
    WorkerStopping: st.builds(WorkerStopping, st.booleans()),
    WorkerStopped: st.builds(WorkerStopped, texts),
    RetentionApplied: st.builds(
        RetentionApplied, counts, counts, counts, counts, digests, texts, digests, st.booleans()
    ),
}
"""Every event type there is, with values far beyond what the program makes."""

events: st.SearchStrategy[Event] = st.one_of(*EVENTS.values())


@st.composite
def recorded(draw: st.DrawFn, event: st.SearchStrategy[Event] = events) -> Recorded:
    """Draw an event as a log keeps it: of a job, of a job it begins, or of a named stream."""
    position = draw(positions)
    stream = draw(st.just(position) | st.integers(1, position) | st.text(min_size=1, max_size=20))
    prev = draw(st.integers(0, position - 1))
    return Recorded(position, draw(times), stream, prev, draw(texts), draw(event), draw(st.none() | texts))


# -- commands, as a user or a worker might send them to a job --------------------------------------

moments = st.integers(0, 1000).map(lambda seconds: seconds * 1_000_000)
policies = st.builds(
    RetryPolicy,
    moments,
    st.floats(0, 10_000),
    st.floats(0, 2),
    st.floats(0, 1, exclude_max=True),
)
bases = st.floats(0, 1e300)
rules = st.builds(
    Policy,
    ok_on=st.none() | st.just("1-9,timeout"),
    dead_on=st.none() | st.just("5-65,spawn"),
    snooze_on=st.just("60-99,lost"),
    retry_on=st.none() | st.just("100-255,signal"),
    max_snoozes=st.none() | st.integers(0, 2),
    snooze_ms=st.none() | st.integers(0, 5_000),
    waits_ms=st.none() | st.just((1_000, 3_000)),
    wait_max_ms=st.none() | st.integers(0, 5_000),
)
small_specs = st.builds(
    JobSpec,
    id=st.just("job1"),
    command=st.just("true"),
    max_retries=st.integers(0, 3),
    backoff_base=bases,
    run_at_us=st.none() | moments,
)
only = st.none() | st.sampled_from(JobState)
short = st.sampled_from(["w1", "w2"])
RIGHT = -1  # stands for the token of the claim that holds the job when the command is put to it
tokens = st.just(RIGHT) | st.integers(0, 30)
durations = st.none() | st.integers(0, 10_000)

edits = st.builds(
    Edited,
    command=st.none() | st.just("false"),
    priority=st.none() | st.integers(-1, 1),
    queue=st.none() | st.sampled_from(["default", "other"]),
    max_retries=st.none() | st.integers(0, 3),
    timeout_ms=st.none() | st.sampled_from([0, 5]),
    backoff_base=st.none() | bases,  # named, for drawn from its type alone it is anything, even no number
    cwd=st.none() | texts,
    env=st.none() | st.sampled_from([{}, {"A": "b"}]),
    run_at_us=st.none() | moments,
    shell=st.none() | st.sampled_from(["", "bash"]),
    due_us=st.none() | moments,
    inherited=st.none() | st.sampled_from([b"", bytes(16)]),
    merge=st.none() | st.booleans(),
    options=st.none()
    | st.builds(
        JobOptions,
        st.just(False),
        few_labels,
        few_metas,
        st.none() | st.just(Policy()) | rules,
        st.none() | st.just(Expiry()) | st.builds(Expiry, moments, cancels=st.booleans()),
        st.just(()) | uses,
    ),
)

small_options = st.builds(
    JobOptions,
    st.booleans(),
    few_labels.filter(bool) | st.none(),
    few_metas,
    st.none() | rules,
    st.none() | st.builds(Expiry, moments, cancels=st.booleans(), max_time_ms=st.none() | st.integers(1, 5_000)),
    uses,
)
enqueues = st.builds(EnqueueJob, small_specs, st.none() | small_options)
commands: st.SearchStrategy[JobCommand] = st.one_of(
    enqueues,
    st.builds(ClaimJob, short, moments, moments),
    st.builds(StartJob, tokens, short, st.integers(1, 100)),
    st.builds(TakeJob, short, moments, short, st.integers(1, 100), moments),
    st.builds(ExpireJob, moments),
    st.builds(RenewLease, tokens, moments),
    st.builds(CompleteJob, tokens, durations),
    st.builds(FailJob, tokens, policies, st.sampled_from(Failure), short, st.none() | st.integers(0, 255)),
    st.builds(RecoverJob, tokens, policies, st.booleans(), st.none() | counts, st.booleans()),
    st.builds(ReleaseJob, tokens, short, durations),
    st.just(CancelJob()),
    st.builds(ConfirmCancel, tokens, durations),
    st.builds(RequeueJob, only),
    st.just(PauseJob()),
    st.just(ResumeJob()),
    st.builds(EditJob, edits),
    st.builds(RemoveJob, only, st.booleans()),
)
"""Every command there is, as a user or a worker might put it to a job in any state."""

working = st.one_of(  # what workers do all day; without it few plans would get as far as a second attempt
    st.builds(ClaimJob, short, moments),
    st.builds(StartJob, st.just(RIGHT), short, st.integers(1, 100)),
    st.builds(FailJob, st.just(RIGHT), policies, st.sampled_from(Failure), short),
)
plans = st.builds(
    lambda first, others: [first, *others], enqueues, st.lists(working | commands, min_size=6, max_size=25)
)


def aimed(command: Any, job: Job | None) -> JobCommand:
    """Return the command with the job's own token where it says RIGHT."""
    if getattr(command, "token", None) != RIGHT:
        return command
    return replace(command, token=0 if job is None or job.lease is None else job.lease.token)
