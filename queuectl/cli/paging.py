"""Jobs read page by page: a list of all of them would have to be held whole."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..errors import JobNotFound
from ..job import Job, JobState

if TYPE_CHECKING:
    from ..asof import Past
    from ..queue import Queue

PAGE = 500


def pages(
    queue: "Queue | Past", *, state: JobState | None, of: str | None, limit: int | None, after: str | None
) -> Iterator[list[Job]]:
    """Give the jobs in a state and of a queue in pages that are not empty, `limit` of them at most or all.

    Each page is read anew; raises JobNotFound when there is no job `after`.
    """
    left, behind = limit, [after]
    while left is None or left > 0:
        most = PAGE if left is None else min(PAGE, left)
        page = _behind(behind, partial(queue.jobs, state=state, queue=of, limit=most))
        if page:
            yield page
        if len(page) < most:
            return
        behind = [job.id for job in page]
        left = None if left is None else left - len(page)


def _behind(ids: Sequence[str | None], read: Callable[..., list[Job]]) -> list[Job]:
    """Read on behind the last of these jobs that is still there; those behind it have been removed meanwhile."""
    for after in reversed(ids):
        try:
            return read(after=after)
        except JobNotFound as error:
            refused = error
    raise refused


def count(queue: "Queue | Past", state: JobState | None, of: str | None) -> int:
    """Count the jobs in a state and of a queue."""
    counted = queue.status().queues
    chosen = counted.values() if of is None else [counted[of]] if of in counted else []
    return sum(number for each in chosen for found, number in each.items() if state in (None, found))
