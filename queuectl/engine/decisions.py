"""What many orders come to at once, each decided on its job as it stands; pure."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from ..core.commands import JobCommand
from ..core.decider import decide
from ..core.job import Job, evolve
from ..errors import QueuectlError
from ..events.append import Append
from ..events.types import Event, Recorded

JobOrder = tuple[int, JobCommand]
"""A job's number and what to do with it."""

Refusal = tuple[JobOrder, QueuectlError]


class Decided(Struct, frozen=True):
    """What orders come to: events to append, jobs that stay as they are, and what is refused."""

    batch: list[Append]
    unchanged: list[Job]
    refused: list[Refusal]

    @property
    def is_to_be_looked_at_again(self) -> bool:
        """Whether it says of a job that there is nothing to do, or nothing to be done: on newer state it may be."""
        return bool(self.refused or self.unchanged)


def decide_all(
    orders: Sequence[JobOrder],
    found: Sequence[Job | None],
    *,
    reason: str | None,
    meant: Callable[[Job], bool] | None = None,
) -> Decided:
    """Decide what orders do to the jobs found for them; several for one job become one append, each decided in turn.

    An order for a job that is not `meant` is left out.
    """
    batch: dict[int, Append] = {}
    unchanged: list[Job] = []
    refused: list[Refusal] = []
    for order, was in zip(orders, found, strict=True):
        number, command = order
        before = batch[number].events if number in batch else ()
        job = was if was is None or not before else _foresee(was, before)
        if meant is not None and job is not None and not meant(job):
            continue
        try:
            events = decide(command, job)
        except QueuectlError as refusal:
            refused.append((order, refusal))
            continue
        assert was is not None, "decide refuses a job that is not there"
        assert job is not None, "decide refuses a job that an order before removes"
        if events:
            batch[number] = Append(number, was.version, before + events, reason)
        else:
            unchanged.append(job)
    return Decided(list(batch.values()), unchanged, refused)


def _foresee(job: Job, events: Sequence[Event]) -> Job | None:
    """Return what a job will be after events, but for the positions and the time that those will have."""
    after: Job | None = job
    for event in events:
        after = evolve(after, Recorded(job.version, job.updated_at_us, job.number, job.version, "", event))
    return after
