"""Which panels there is room for, and the frame that --once prints."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...core.job import JobState
from ..output.table import line, paint
from . import panels
from .tail import Tail

if TYPE_CHECKING:
    from ...core.results import Overview
    from ...queue import Queue

JOBS = 200
"""Jobs in the list; a filter finds others."""

LEAST_JOBS = 6
"""Lines that the list keeps, however small the screen."""


class TopFilter(NamedTuple):
    """Which jobs are listed."""

    state: JobState | None = None
    queue: str | None = None


class SeenQueue(NamedTuple):
    """What a look at the queue found."""

    overview: "Overview"
    tail: Tail


def see(queue: "Queue", tail: Tail, chosen: TopFilter) -> SeenQueue:
    """Look at the queue. Raises NoQueue when it is gone."""
    queue.admin.check_there()
    tail.step(queue, queue.ui.now_us())
    found = queue.ui.overview(state=chosen.state, queue=chosen.queue, limit=JOBS, just_ended=tuple(tail.ended))
    return SeenQueue(found, tail)


def head(path: Path, seen: SeenQueue, chosen: TopFilter, width: int, most: int) -> Iterator[panels.Line]:
    """Yield what stands above the jobs: which queue, its counts and rates, its queues and workers."""
    found = seen.overview
    yield panels.title(str(path), found, f"{datetime.now():%H:%M:%S}", width)
    yield panels.states(found, chosen.state, chosen.queue, width)
    yield panels.rates(seen.tail, found.at_us, width)
    lacking = list(panels.unserved(path, found, width))
    yield from lacking
    left = most - 3 - len(lacking)
    by_queue = list(panels.queues(found, min(5, left // 2), width))
    yield from by_queue
    yield from panels.workers(path, found, max(1, min(5, left - len(by_queue))), width)


def foot(seen: SeenQueue, width: int, most: int) -> Iterator[panels.Line]:
    """Yield what stands below the jobs: what failed, and what is retried next."""
    retries = list(panels.retries(seen.overview, max(0, min(3, most // 2 - 1))))
    left = most - len(retries) - bool(retries)
    failures = list(panels.failures(seen.tail, seen.overview.at_us, max(0, min(4, left - 1)), width))
    for name, lines in (("Failed lately", failures), ("Next retries", retries)):
        if lines:
            yield [(name, "bold")]
            yield from lines


def print_frame(queue: "Queue", chosen: TopFilter, width: int) -> None:
    """Print one frame."""
    seen = see(queue, Tail(), chosen)
    titles, rows = panels.job_table(seen.overview.jobs, seen.overview.at_us, width)
    above = head(queue.path, seen, chosen, width, 14)
    for each in (*above, titles, *(rows or [[("no such jobs", "dim")]]), *foot(seen, width, 10)):
        line("".join(_painted(*piece) for piece in panels.fit(each, width)).rstrip())


def _painted(text: str, style: str) -> str:
    words = style.split()
    colour = next((word for word in words if word not in ("bold", "dim", "reverse")), None)
    return paint(text, colour, bold="bold" in words or "reverse" in words, dim="dim" in words)
