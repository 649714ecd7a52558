"""What people are told beside what they asked for: a line each, on stderr, once and not at each command."""

import sys
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ...events.types import Enqueued, Recorded, WorkerStarted, WorkerStopped
from ...store.writable import why_not
from .format import cells, duration, escape
from .table import note

if TYPE_CHECKING:
    from ...core.job import Job
    from ...core.results import Unserved
    from ...queue import Queue

FIRST_EVENTS = 1_000
"""Of a log that is longer before a job came, that job is not the first; counting them all would take its time."""

LOOKED_BACK = 1_000
"""Events among which it is looked for what was said before."""

_TOLD_BY = ("enqueued", "worker_started", "worker_stopped")

START = "queuectl worker start"

MOST_NAMED = 3
"""Queues that one line names."""


def advise(queue: "Queue", enqueued: Mapping[str, int], first: str) -> None:
    """Print what there is to say to a person who enqueued jobs, so many in each of some queues.

    `first` is the id of one of them.
    """
    unserved, job = queue.ui.unserved(list(enqueued)), queue.job(first)
    newly = [each for each in unserved if each.waiting <= enqueued[each.queue] or _is_news(queue, each.queue, job)]
    _tell(_limit_text(queue, job, sum(enqueued.values())), unserved_text(queue.path, newly))


def advise_waiting(queue: "Queue", job: "Job") -> None:
    """Print the same where somebody waits for a job just enqueued; its id too, in any case, if nobody would run it."""
    limit = _limit_text(queue, job, 1) if sys.stderr.isatty() else None
    unserved = unserved_text(queue.path, queue.ui.unserved([job.spec.queue]))
    enqueued = f"Enqueued {escape(job.id)}; it stays if you stop waiting (Ctrl-C)"
    _tell(limit, unserved, enqueued if unserved else None)


def cut_text(run: str, missing: int, output_error: str | None) -> str:
    """Return that of what a run printed so many bytes were not kept, why, and how more of the next one is."""
    told = f"{run}: {missing:,} bytes of what it printed were not kept"
    if output_error is not None:
        return f"{told}, since the queue's disk did not take them: {escape(output_error)}"
    return (
        f"{told}; for more of the next run type: "
        "queuectl config set output_limit_bytes BYTES; for all of it let the command print to a file"
    )


def _is_news(queue: "Queue", name: str, first: "Job") -> bool:
    """Whether `first` is also the first job of a queue since its last worker went; else it would be said each time.

    One that came before and waits for a later time does not count: nobody was needed yet.
    """
    dead = (info for info in queue.workers() if info.state == "dead" and name in (info.queues or [name]))
    went_us = max((info.heartbeat_at_us or info.started_at_us for info in dead), default=0)
    until = first.number - 1
    looked = queue.events(after=max(0, until - LOOKED_BACK), until=until, types=_TOLD_BY, last=LOOKED_BACK)
    for each in reversed(list(looked)):
        if isinstance(each.event, Enqueued):
            spec = each.event.spec
            if spec.queue == name and (spec.run_at_us or 0) <= max(first.due_us, queue.ui.now_us()):
                return each.at_us <= went_us
        elif _served(queue, each, name):
            return True
    return True


def _served(queue: "Queue", worker: Recorded, name: str) -> bool:
    """Whether the worker that an event is about, its start or its end, took from a queue."""
    starts = [worker]
    if isinstance(worker.event, WorkerStopped):
        starts = list(queue.events(job=str(worker.stream), until=worker.position, types=["worker_started"]))
    last = starts[-1].event if starts else None
    return not isinstance(last, WorkerStarted) or last.queues is None or name in last.queues


class Holdup:
    """Prints, once each time that it comes to be so, that nobody serves the queues of jobs somebody waits for."""

    def __init__(self, queue: "Queue") -> None:
        self._queue = queue
        self._is_told = False

    def __call__(self, queues: Collection[str]) -> None:
        """Look, and tell."""
        told = unserved_text(self._queue.path, self._queue.ui.unserved(sorted(queues)))
        if told is not None and not self._is_told:
            note(told)
        self._is_told = told is not None


def unserved_text(path: Path, unserved: "Sequence[Unserved]") -> str | None:
    """Return a line about queues whose jobs wait for a worker that is not there, None if there are none."""
    return f"{_told(unserved)}; {way_to_start(path, _start(unserved))}" if unserved else None


def unserved_lines(path: Path, unserved: "Sequence[Unserved]", width: int) -> list[str]:
    """Return the same as lines of that width at the most."""
    return start_lines(path, _told(unserved), _start(unserved), width) if unserved else []


def no_workers(name: str | None) -> tuple[str, str]:
    """Return that no worker is there, of a queue or of any if None is given, and how one is started."""
    from ...hints import start_worker

    return f"No workers{' of this queue' if name else ''}", start_worker(name)


def way_to_start(path: Path, start: str = START) -> str:
    """Return how a worker of a queue is started, or why this user cannot."""
    return ": ".join(_way(path, start))


def start_lines(path: Path, told: str, start: str, width: int) -> list[str]:
    """Return a line that ends in how to start a worker, or several: a screen cuts off what does not fit."""
    lead, rest = _way(path, start)
    whole = f"{told}; {lead}: {rest}"
    if cells(whole) <= width:
        return [whole]
    from textwrap import wrap  # only where a screen is narrow

    last = f"{lead}: {rest}"
    if cells(last) <= width - 2:
        return [*wrap(f"{told};", width, subsequent_indent="  "), f"  {last}"]
    words = wrap(rest, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return [*wrap(f"{told}; {lead}:", width, subsequent_indent="  "), *words]


def _way(path: Path, start: str) -> tuple[str, str]:
    reason = why_not(path)
    return ("start one", start) if reason is None else ("none can be started here", reason)


def _start(unserved: "Sequence[Unserved]") -> str:
    return unserved[0].start_command if len(unserved) == 1 else START


def _told(unserved: "Sequence[Unserved]") -> str:
    named = [escape(each.told) for each in islice(unserved, MOST_NAMED)]
    more = f"{len(unserved) - MOST_NAMED:,} more queues" if len(unserved) > MOST_NAMED else ""
    [*others, last] = [*named, more] if more else named
    which = f"{', '.join(others)}{' and ' if others else ''}{last}"
    return f"No running worker serves {which}"


def _limit_text(queue: "Queue", job: "Job", count: int) -> str | None:
    """Return that runs have a time limit by default, if the first job with it is this one, or of `count` from it.

    Jobs that bring a limit of their own need not be told.
    """
    if job.number > FIRST_EVENTS:
        return None
    enqueued = queue.events(until=min(job.number + count - 1, FIRST_EVENTS), types=["enqueued"])
    specs = ((each.position, each.event.spec) for each in enqueued if isinstance(each.event, Enqueued))
    position, spec = next(((at, spec) for at, spec in specs if spec.timeout_is_default and spec.timeout_ms), (0, None))
    if spec is None or position < job.number:
        return None
    limit = duration((spec.timeout_ms or 0) / 1000)
    return f"A run is stopped after {limit}, the default; --timeout 2h says otherwise, --timeout 0 is never."


def _tell(*lines: str | None) -> None:
    for each in lines:
        if each is not None:
            note(each)
