"""What people are told beside what they asked for: a line each, on stderr, once and not at each command."""

import sys
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from .render import note
from .text import duration, escape

if TYPE_CHECKING:
    from ..answers import Unserved
    from ..job import Job
    from ..queue import Queue

FIRST_EVENTS = 1_000
"""Of a log that is longer before a job came, that job is not the first; counting them all would take its time."""

NAMED = 3
"""Queues that one line names."""


def advise(queue: "Queue", enqueued: Mapping[str, int], first: str) -> None:
    """Print what there is to say after jobs were enqueued, so many in each of some queues, if a person looks on.

    `first` is the id of one of them.
    """
    if sys.stderr.isatty():
        unserved = queue.unserved(list(enqueued))
        # Only where nothing waited before: else it would be said each time.
        newly = [each for each in unserved if each.waiting <= enqueued[each.queue]]
        _tell(_limit_text(queue, queue.job(first), sum(enqueued.values())), unserved_text(newly))


def advise_waiting(queue: "Queue", job: "Job") -> None:
    """Print the same where somebody waits for a job just enqueued; that nobody would run it, in any case."""
    limit = _limit_text(queue, job, 1) if sys.stderr.isatty() else None
    _tell(limit, unserved_text(queue.unserved([job.spec.queue])))


class Holdup:
    """Tells, once each time that it comes to be so, that nobody serves the queues of jobs somebody waits for."""

    def __init__(self, queue: "Queue") -> None:
        self._queue = queue
        self._is_told = False

    def __call__(self, queues: Collection[str]) -> None:
        """Look, and tell."""
        told = unserved_text(self._queue.unserved(sorted(queues)))
        if told is not None and not self._is_told:
            note(told)
        self._is_told = told is not None


def unserved_text(unserved: "Sequence[Unserved]") -> str | None:
    """Return a line about queues whose jobs wait for a worker that is not there, None if there are none."""
    if not unserved:
        return None
    named = [escape(each.told) for each in islice(unserved, NAMED)]
    more = f"{len(unserved) - NAMED:,} more queues" if len(unserved) > NAMED else ""
    [*others, last] = [*named, more] if more else named
    which = f"{', '.join(others)}{' and ' if others else ''}{last}"
    start = unserved[0].start_command if len(unserved) == 1 else "queuectl worker start"
    return f"No running worker serves {which}; start one: {start}"


def _limit_text(queue: "Queue", job: "Job", count: int) -> str | None:
    """Return that runs have a time limit by default, if this is the first job, or of the first `count`."""
    spec = job.spec
    if not spec.timeout_is_default or not spec.timeout_ms or job.number > FIRST_EVENTS:
        return None
    if sum(queue.status().jobs.values()) > count:
        return None
    limit = duration(spec.timeout_ms / 1000)
    return f"A run is stopped after {limit}, the default; --timeout 2h says otherwise, --timeout 0 is never."


def _tell(*lines: str | None) -> None:
    for each in lines:
        if each is not None:
            note(each)
