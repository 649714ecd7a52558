"""Unique keys in a unit of work: who holds one, and what becomes of a request for a key that is held."""

from collections.abc import Container
from typing import Any

from msgspec.structs import replace

from ..core.commands import EditJob, EnqueueJob, JobCommand, PauseJob
from ..core.edit import edit_into
from ..core.evolve import evolve
from ..core.job import WAITING, Job
from ..core.unique import REFUSE, REPLACE
from ..errors import KeyTaken
from ..events.append import Append
from ..events.types import Event, Frozen, Recorded
from ..projections import unique
from ..projections.views import Views
from ..store.store import Transaction
from .decisions import decide_all


class Met(Frozen):
    """A request whose key a job holds: that job, and whether it was edited into what was asked.

    The number of a job that is new in the same batch is 0.
    """

    job: Job
    is_edited: bool


def holder_of(txn: Transaction, views: Views, key: str, now_us: int, *, without: Container[int] = ()) -> Job | None:
    """Return the job that holds a unique key at a moment, None where it is free; those `without` are going."""
    views.flush()
    numbers = (number for number in unique.holders(txn, key, now_us) if number not in without)
    return next((job for job in map(views.job, numbers) if job is not None), None)


class Keys:
    """The unique keys that are asked for together, and by which append of a batch their holders are made or changed."""

    def __init__(self, txn: Transaction, views: Views, now_us: int, batch: list[Append], reason: str | None) -> None:
        self._txn, self._views, self._now_us = txn, views, now_us
        self._batch, self._reason = batch, reason
        self._held: dict[str, tuple[int, Job]] = {}

    def meet(self, key: str, order: EnqueueJob, index: int, going: Container[int]) -> Met | None:
        """Return who holds the key of an order, having it changed if that is asked; None where the key is free.

        Raises KeyTaken, with the `index` of the order. The numbers in `going` are of jobs that the batch removes.
        """
        place, holder = self._held.get(key) or (
            None,
            holder_of(self._txn, self._views, key, self._now_us, without=going),
        )
        if holder is None:
            return None
        if order.if_exists == REFUSE:
            raise KeyTaken("enqueue", holder.id, key, holder.state, index=index)
        if order.if_exists != REPLACE:
            return Met(holder, False)
        if holder.state not in WAITING:
            raise KeyTaken("replace", holder.id, key, holder.state, refused=holder.id, index=index)
        if events := _edits(order, holder):
            if place is None:
                place = len(self._batch)
                self._batch.append(Append(holder.number, holder.version, events, self._reason))
            else:
                before = self._batch[place]
                self._batch[place] = replace(before, events=before.events + events)
            holder = self._after(holder, events)
            self._held[key] = place, holder
        return Met(holder, True)

    def take(self, key: str, events: tuple[Event, ...]) -> None:
        """Note that the last append of the batch, of these events, makes a job that holds a key from there on."""
        self._held[key] = len(self._batch) - 1, self._after(None, events)

    def _after(self, job: Job | None, events: tuple[Event, ...]) -> Any:
        """Return what a job will be after events, but for the positions that those will have."""
        for event in events:
            number, version = (0, 0) if job is None else (job.number, job.version)
            job = evolve(job, Recorded(version, self._now_us, number, version, "", event))
        return job


def _edits(order: EnqueueJob, holder: Job) -> tuple[Event, ...]:
    """Decide what makes a waiting job what an order asks for; a pause that it has stays."""
    is_paused = order.options is not None and order.options.paused
    wanted: list[JobCommand] = [EditJob(edit_into(holder, order)), *([PauseJob()] if is_paused else [])]
    decided = decide_all([(holder.number, each) for each in wanted], [holder] * len(wanted), reason=None)
    return decided.batch[0].events if decided.batch else ()
