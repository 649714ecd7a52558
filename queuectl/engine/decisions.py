"""What many orders come to at once, each decided on its job as it stands; pure."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from ..core.commands import JobCommand, RequeueJob
from ..core.decider import decide
from ..core.evolve import evolve
from ..core.job import Job
from ..errors import KeyTaken, QueuectlError
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
    holder_of: Callable[[str], Job | None] = lambda key: None,
) -> Decided:
    """Decide what orders do to the jobs found for them; several for one job become one append, each decided in turn.

    An order for a job that is not `meant` is left out. `holder_of` returns the job that holds a unique key before.
    """
    batch: dict[int, Append] = {}
    holders: dict[str, Job] = {}
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
            if type(command) is RequeueJob and job is not None and job.unique is not None:
                _take_key(job.unique, job, holders, holder_of)
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


def _take_key(key: str, job: Job, holders: dict[str, Job], holder_of: Callable[[str], Job | None]) -> None:
    """Let a job that runs again hold its key; raises KeyTaken where another does, or will by an order before."""
    holder = holders.get(key) or holder_of(key)
    if holder is not None and holder.number != job.number:
        raise KeyTaken("retry", holder.id, key, holder.state, refused=job.id)
    holders[key] = job


def _foresee(job: Job, events: Sequence[Event]) -> Job | None:
    """Return what a job will be after events, but for the positions and the time that those will have."""
    after: Job | None = job
    for event in events:
        after = evolve(after, Recorded(job.version, job.updated_at_us, job.number, job.version, "", event))
    return after
