"""What is appended so that jobs come into being, each under an id that is free or becomes free with it."""

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .. import hints
from ..core.commands import EnqueueJob, RemoveJob
from ..core.decider import decide
from ..core.job import ENDED, Job
from ..errors import DuplicateJob, WrongState
from ..events.append import AFTER_PREVIOUS, Append
from ..events.types import NEW_STREAM, Frozen
from ..projections import edges, ids, jobs, removed
from ..projections.views import Views
from ..store.event_reader import EventReader
from ..store.store import Transaction
from ..system.clock import Clock
from ..system.lazy import Later
from .parents import look_up_parents

if TYPE_CHECKING:
    from . import unique_keys
    from .unique_keys import Keys, Met
else:
    unique_keys = Later("engine.unique_keys")  # only where some job asks for a key


class Enqueuing(Frozen):
    """Jobs brought into being, the batch that says so, and the numbers of the ended jobs that they replace.

    `met` are the requests whose unique key is held, which bring none into being.
    """

    batch: list[Append]
    replaced: list[int]
    met: Sequence["Met"]
    jobs: Sequence[Job] = ()

    def done(self, jobs: Sequence[Job]) -> "Enqueuing":
        """Return it with the jobs that its batch brought into being or changed, as they are afterwards."""
        if not self.met:
            return replace(self, jobs=jobs)
        changed = {each.job.number for each in self.met if each.job.number}
        after = {job.number: job for job in jobs if job.number in changed}
        met = [replace(each, job=after.get(each.job.number, each.job)) for each in self.met]
        return replace(self, met=met, jobs=[job for job in jobs if job.number not in changed])


def new_jobs(
    txn: Transaction,
    views: Views,
    clock: Clock,
    orders: Sequence[EnqueueJob],
    skip_existing: bool,
    generated: Container[int],
    replacing: Container[int],
    reason: str | None,
    now_us: int,
) -> Enqueuing:
    """Return what is appended so that jobs come into being; raises DuplicateJob, or KeyTaken, which is one.

    A job that holds the unique key of an order is met before the order's id is looked at.

    Args:
        txn: What is read.
        views: The views, with what was applied already.
        clock: Makes an id anew that turns out to be taken.
        orders: The jobs.
        skip_existing: Leave those out whose id is taken.
        generated: The indexes of those whose id was generated.
        replacing: The indexes of those that may replace an ended job of their id.
        reason: Why, if it was said.
        now_us: The log's time.

    """
    batch: list[Append] = []
    replaced: list[int] = []
    met: list[Met] = []
    keys: Keys | None = None
    taken: set[str] = set()
    any_removed = txn.count(removed.TABLE) > 0
    born: dict[int, EnqueueJob] = {}
    known = ids.taken(txn, [order.spec.id for index, order in enumerate(orders) if index in generated])
    for index, order in enumerate(orders):
        job_id, earlier = order.spec.id, None
        key = None if order.options is None else order.options.unique
        if key is not None:
            keys = keys or unique_keys.Keys(txn, views, now_us, batch, reason)
            if (holder := keys.meet(key, order, index, replaced)) is not None:
                met.append(holder)
                continue
        if index in generated:
            while job_id in taken or job_id in known:
                job_id = clock.job_ids(1)[0]
                order = replace(order, spec=replace(order.spec, id=job_id))
                known |= ids.taken(txn, [job_id])
        elif (number := ids.find(txn, job_id)) is not None or job_id in taken:
            job = None if number is None else views.job(number) or next(jobs.each(txn, [number]))
            if job is not None and index in replacing and job.state in ENDED and job_id not in taken:
                if next(edges.children(txn, job.number), None) is not None:
                    raise WrongState("replace", job_id, f"{job.state}, and others wait for it", hints.RETRY_OR_FREE)
                batch.append(Append(job.number, job.version, decide(RemoveJob(replaced=True), job), reason))
                replaced.append(job.number)
                earlier = AFTER_PREVIOUS
            elif skip_existing:
                continue
            else:
                state = job.state if job and job_id not in taken else "in this very batch"
                raise DuplicateJob(job_id, state, index=index, replace=job is not None and index in replacing)
        taken.add(job_id)
        if earlier is None:
            earlier = last_event_of_removed(txn, views, job_id) if any_removed else 0
        events = decide(order, None)
        born[len(batch)] = order
        batch.append(Append(NEW_STREAM, earlier, events, reason))
        if key is not None and keys is not None:
            keys.take(key, events)
    if any(order.options is not None and order.options.after for order in orders):
        views.flush()
        look_up_parents(txn, views, batch, born, replaced)
    return Enqueuing(batch, replaced, met)


def last_event_of_removed(txn: Transaction, views: Views, job_id: str) -> int:
    """Return the position of the last event of the removed job that had an id last, 0 for none."""
    number = views.removed(job_id)
    return 0 if number is None else EventReader(txn).version(number)
