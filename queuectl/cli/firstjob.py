"""What somebody at a terminal is told once, when the first job goes into a queue."""

import sys
from typing import TYPE_CHECKING

from .render import note
from .text import duration

if TYPE_CHECKING:
    from ..job import Job
    from ..queue import Queue


def tell_of_timeout(queue: "Queue", job: "Job", *, count: int = 1) -> None:
    """Say that runs have a time limit by default, where this is the first job, or of the first `count`."""
    spec = job.spec
    if not spec.timeout_is_default or not spec.timeout_ms or not sys.stderr.isatty():
        return
    if sum(queue.status().jobs.values()) == count:
        limit = duration(spec.timeout_ms / 1000)
        note(f"A run is stopped after {limit}, the default; --timeout 2h says otherwise, --timeout 0 is never.")
