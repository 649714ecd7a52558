"""Whatever is asked of a job, in whatever order, the rules hold."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from queuectl.core.commands import EnqueueJob, JobCommand
from queuectl.core.decider import decide
from queuectl.core.edited import lifted
from queuectl.core.job import Job, JobState
from queuectl.errors import JobNotFound, StaleLease, WrongState
from queuectl.events.types import Edited, JobEvent, Requeued, Started
from tests.decider_spec import HISTORIES, RULED_HISTORIES, Story, typed
from tests.decider_spec import given as told
from tests.property.strategies import aimed, brief, commands, plans, thorough

SITUATIONS = HISTORIES | RULED_HISTORIES
REFUSALS = (JobNotFound, StaleLease, WrongState)


def ask(command: JobCommand, job: Job | None) -> tuple[JobEvent, ...] | str:
    """Return what is decided: events, or the refusal as text; any other error escapes."""
    if job is not None and isinstance(command, EnqueueJob):
        return "asked of no job that is there"
    try:
        return decide(command, job)
    except REFUSALS as refusal:
        return f"{type(refusal).__name__}: {refusal}"


def walk(story: Story, plan: list[JobCommand]) -> Iterator[tuple[Job | None, Job | None]]:
    """Put commands to a job one after another, and give the job before and after each that was legal."""
    for command in plan:
        before = story.job
        events = ask(aimed(command, before), before)
        if isinstance(events, tuple):
            yield before, story.tell(events).job


@thorough
@given(situation=st.sampled_from(sorted(SITUATIONS)), command=commands)
def test_every_state_and_command_is_legal_or_refused(situation: str, command: JobCommand) -> None:
    """Any command in any state yields events that apply, or one of the three typed refusals, and nothing else."""
    list(walk(told(*SITUATIONS[situation]), [command]))


@thorough
@given(plan=plans)
def test_a_job_on_its_way_is_always_sound(plan: list[JobCommand]) -> None:
    """Whatever was decided applies; a lease is held exactly while processing; attempts stay within their bound."""
    story = Story()
    most = 0
    for _, job in walk(story, plan):
        if job is None:
            most = 0
            continue
        most = max(most, job.spec.max_retries)  # an edit may allow fewer than there have been
        assert (job.lease is not None) == (job.state is JobState.PROCESSING)
        assert job.version == story.log.head() >= job.number
        assert 0 <= job.attempts <= most + 1


@brief
@given(plan=plans, command=commands)
def test_deciding_is_pure(plan: list[JobCommand], command: JobCommand) -> None:
    """The same command on the same job gives the same answer, and leaves the job as it was."""
    story = Story()
    list(walk(story, plan))
    command, before = aimed(command, story.job), repr(story.job)
    first, second = ask(command, story.job), ask(command, story.job)
    assert first == second if isinstance(first, str) else typed(first) == typed(second)
    assert repr(story.job) == before


@thorough
@given(plan=plans)
def test_one_claim_is_at_most_one_attempt(plan: list[JobCommand]) -> None:
    """No token ever has two starts, whatever its worker and the others do."""
    story = Story()
    list(walk(story, plan))
    tokens = [each.event.token for each in story.log.read() if isinstance(each.event, Started)]
    assert len(tokens) == len(set(tokens))


@thorough
@given(plan=plans)
def test_only_an_edit_changes_what_was_asked_for(plan: list[JobCommand]) -> None:
    """What was asked for stays as it was from the enqueue to the removal, but for edits and what a requeue lifts.

    Id and number stay always.
    """
    story = Story()
    for before, after in walk(story, plan):
        if before is not None and after is not None:
            assert (after.id, after.number) == (before.id, before.number)
            last = list(story.log.read())[-1].event if after.version > before.version else None
            was_edited = isinstance(last, Edited)
            options = lifted(before.options) if isinstance(last, Requeued) else before.options
            assert (after.spec, after.options) == (before.spec, options) or was_edited
            if was_edited:
                same = replace(after, spec=before.spec, options=before.options, version=0, updated_at_us=0, due_us=0)
                assert same == replace(before, version=0, updated_at_us=0, due_us=0)
