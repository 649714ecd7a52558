"""What people name: jobs that are to change, by an id or the beginning of one, and queues, perhaps with a slip."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from ...core.job_filter import Filter
from ..exit_codes import do_each
from ..output.format import escape
from ..output.table import note

if TYPE_CHECKING:
    from ...history.past import Past
    from ...queue import Queue


R = TypeVar("R")


def named_job(queue: "Queue", typed: str) -> str:
    """Return the id of the job that someone means to change, and say which where it was not typed whole.

    Raises JobNotFound or AmbiguousJob.
    """
    job_id = queue.ui.match_id(typed)
    if job_id != typed:
        note(f"{escape(typed)} is taken for {escape(job_id)}")
    return job_id


def each_named_job(queue: "Queue", typed: Iterable[str], action: Callable[[str], R]) -> tuple[list[R], int]:
    """Do `action` on each job that someone means to change, once, however often and in whatever way it is named.

    A refusal is told and the rest is done all the same. Gives the results, and the exit code.
    """
    job_ids, unknown = do_each(typed, lambda each_typed: named_job(queue, each_typed))
    results, refused = do_each(job_ids, action)
    return results, refused or unknown


def named_jobs(queue: "Queue", typed: Sequence[str] | None) -> list[str] | None:
    """Return the ids of the jobs that someone means to change; None means all of a kind."""
    return None if typed is None else [named_job(queue, each) for each in typed]


def tell_unknown(queue: "Queue", name: str | None, opened: "Queue | Past | None" = None) -> bool:
    """Print that there is no queue of a name that was typed, with those that come near; returns whether it did.

    `opened` is the queue as it was, where that was asked for: one that had jobs then is known.
    """
    if name is None or (near := queue.ui.near_queues(name)) is None:
        return False
    if opened is not None and opened.ui.count(Filter(queue=name)):
        return False
    meant = f"did you mean {' or '.join(map(escape, near))}?" if near else "`queuectl status` names those that have"
    note(f"There is no queue {escape(name)}: it has no jobs, and no worker names it; {meant}")
    return True
