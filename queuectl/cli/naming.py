"""Jobs that are to change, as people name them: by an id, or by the beginning of one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .render import note
from .text import escape

if TYPE_CHECKING:
    from ..queue import Queue


def taken(queue: "Queue", typed: str) -> str:
    """Give the id of the job that someone means to change, and say which where it was not typed whole.

    Raises JobNotFound or AmbiguousJob.
    """
    job_id = queue.match_id(typed)
    if job_id != typed:
        note(f"{escape(typed)} is taken for {escape(job_id)}")
    return job_id


def taken_all(queue: "Queue", typed: Sequence[str] | None) -> list[str] | None:
    """Give the ids of the jobs that someone means to change; None means all of a kind."""
    return None if typed is None else [taken(queue, each) for each in typed]
