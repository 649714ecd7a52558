"""What jobs wait for of others: parents, looked up as a job is enqueued."""

from collections.abc import Container, Mapping

from msgspec.structs import replace

from .. import hints
from ..core.commands import EnqueueJob
from ..core.decider import decide
from ..core.dependencies import KINDS, fate, with_parents
from ..core.job import ENDED, JobState
from ..display import shown
from ..errors import Unusable
from ..events.append import Append
from ..events.types import Cancelled, DependencyMet, JobEvent
from ..projections import ids
from ..projections.views import Views
from ..store.store import Transaction


def look_up_parents(
    txn: Transaction, views: Views, batch: list[Append], born: Mapping[int, EnqueueJob], replaced: Container[int]
) -> None:
    """Have the jobs of a batch name their parents by number, and say what is known of their ends already.

    `born` says which append brings which job into being. Raises InvalidInput for a parent that is not there, and for
    one that is `replaced`, by its number, further on.
    """
    places: dict[str, int] = {}
    place = 0
    for at, append in enumerate(batch):
        order = born.get(at)
        if order is not None and order.options is not None and order.options.after:
            order, told = _looked_up(txn, views, order, places, place, replaced)
            batch[at] = replace(append, events=(*decide(order, None), *told, *append.events[1:]))
        if order is not None:
            places[order.spec.id] = place
        place += len(batch[at].events)


def _looked_up(
    txn: Transaction, views: Views, order: EnqueueJob, places: Mapping[str, int], place: int, replaced: Container[int]
) -> tuple[EnqueueJob, tuple[JobEvent, ...]]:
    """Return an order with the numbers of the job's parents, and what is known of their ends already, as events.

    `places` says where in the batch the jobs of some ids come to be, and `place` where this one does. Raises
    InvalidInput for a parent that is not there, or is among the `replaced`.
    """
    options = order.options
    assert options is not None, "it waits for others"
    numbers: list[int] = []
    events: list[JobEvent] = []
    for edge in options.after or ():
        if edge.id in places:
            numbers.append(places[edge.id] - place)
            continue
        number = ids.find(txn, edge.id)
        parent = None if number is None else views.job(number)
        if number is None or parent is None:
            raise no_parent(edge.id)
        if number in replaced:
            raise Unusable("after", shown(edge.id), "one that is not replaced further on", then=hints.PARENT_FIRST)
        numbers.append(number)
        if parent.state in ENDED:
            word = fate(edge, options, completed=parent.state is JobState.COMPLETED)
            if word == "":
                events.append(DependencyMet(number, str(parent.state)))
            elif word is not None:
                events.append(Cancelled(ended_by=word))
    cancelled = [event for event in events if isinstance(event, Cancelled)]
    told = [event for event in events if not isinstance(event, Cancelled)] + cancelled[:1]
    return EnqueueJob(order.spec, with_parents(options, numbers)), tuple(told)


def no_parent(job_id: str) -> Unusable:
    """Return the refusal of a job that is to wait for one that is not there."""
    expected = "the id of a job that is there, or of one enqueued before it"
    if ":" in job_id:
        expected += f", or that with a kind after a colon: {', '.join(KINDS)}"
    return Unusable("after", shown(job_id), expected, then=hints.LIST)
