"""Given events, when a command, then events or a refusal: the decider's rules as sentences.

    given(ENQUEUED).when(ClaimJob("w1", at(30))).then(Claimed("w1", at(30)))

Positions start at 1, so the claim in `given(ENQUEUED, CLAIMED)` is event 2 and its token is 2.
Events are compared with their types: a NamedTuple equals any other tuple of the same values.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from queuectl.core.commands import JobCommand, RetryPolicy
from queuectl.core.decider import decide
from queuectl.core.evolve import evolve
from queuectl.core.job import Job
from queuectl.errors import QueuectlError
from queuectl.events.append import Append, with_tokens
from queuectl.events.types import (
    NEW_STREAM,
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    Dead,
    Enqueued,
    Expiry,
    Failed,
    JobEvent,
    JobOptions,
    JobSpec,
    Paused,
    Policy,
    Snoozed,
    Started,
)
from tests.contract.memory_log import MemoryLog


def at(seconds: float) -> int:
    """Return a moment of the test's own clock, in microseconds."""
    return 1_000_000_000_000 + int(seconds * 1_000_000)


SPEC = JobSpec("job1", "echo hi", max_retries=2)
ENQUEUED = Enqueued(SPEC)
CLAIMED = Claimed("w1", at(30))
STARTED = Started(2, 1, "host", 10)
FAILED = Failed(2, 1, "exit_code", "boom", return_code=1, retry_at_us=at(5))
SNOOZED = Snoozed(2, 1, "exit_code", "boom", at(5), "snooze_on 1", return_code=1)
POLICY = RetryPolicy(now_us=at(3))

HISTORIES: dict[str, tuple[JobEvent, ...]] = {
    "absent": (),
    "pending": (ENQUEUED,),
    "claimed": (ENQUEUED, CLAIMED),
    "running": (ENQUEUED, CLAIMED, STARTED),
    "stopping": (ENQUEUED, CLAIMED, STARTED, CancelRequested(2)),
    "failed": (ENQUEUED, CLAIMED, STARTED, FAILED),
    "completed": (ENQUEUED, CLAIMED, STARTED, Completed(2, 1)),
    "dead": (ENQUEUED, CLAIMED, STARTED, replace(FAILED, retry_at_us=None), Dead(1, "exit_code")),
    "cancelled": (ENQUEUED, Cancelled()),
    "paused": (ENQUEUED, Paused()),
    "frozen": (ENQUEUED, CLAIMED, Paused()),
}
"""Every situation a job can be in; claimed, running, stopping and frozen are all `processing`."""

RULED = JobOptions(
    policy=Policy("1", "65-66", "75", snooze_ms=4_000, max_snoozes=2), expiry=Expiry(at(20), max_time_ms=60_000)
)
RULED_HISTORIES: dict[str, tuple[JobEvent, ...]] = {
    "ruled": (Enqueued(SPEC, RULED),),
    "ruled, running": (Enqueued(SPEC, RULED), CLAIMED, STARTED),
    "ruled, snoozed": (Enqueued(SPEC, RULED), CLAIMED, STARTED, SNOOZED),
    "ruled, dead": (Enqueued(SPEC, RULED), Dead(0, "expired")),
}
"""Situations of a job that says what follows from how its runs end, and until when they may start."""


def typed(events: Any) -> list[tuple[type[Any], Any]]:
    """Pair events with their types, so that only like equals like."""
    return [(type(event), event) for event in events]


class Story:
    """What happened to one job so far."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.job: Job | None = None

    def tell(self, events: tuple[JobEvent, ...]) -> "Story":
        """Append events, one a second, and fold them."""
        for event in with_tokens(events, self.log.head()):
            stream = NEW_STREAM if self.job is None else self.job.number
            append = Append(stream, 0 if self.job is None else self.job.version, (event,))
            [recorded] = self.log.append([append], at_us=at(self.log.head()), actor="test")
            self.job = evolve(self.job, recorded)
        return self

    def when(self, command: JobCommand) -> "Decision":
        """Ask for something."""
        return Decision(self, command)


class Decision:
    """A command put to a job, its answer not yet looked at."""

    def __init__(self, story: Story, command: JobCommand) -> None:
        self.story = story
        self.command = command

    def then(self, *events: JobEvent) -> Story:
        """Expect exactly these events, and go on from them."""
        decided = decide(self.command, self.story.job)
        assert typed(decided) == typed(events)
        return self.story.tell(decided)

    def then_refused(self, error: type[QueuectlError], words: str = "") -> None:
        """Expect this very error, with these words in its message."""
        with pytest.raises(error) as caught:
            decide(self.command, self.story.job)
        assert type(caught.value) is error
        assert words in str(caught.value)


def given(*events: JobEvent) -> Story:
    """Begin with these events."""
    return Story().tell(events)


def job_after(*events: JobEvent) -> Job:
    """Fold events into the job they make."""
    job = given(*events).job
    assert job is not None
    return job
