"""The queue at a glance, as text for people."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import as_typed
from ..job import JobState
from .advice import START, start_lines, unserved_lines
from .render import STATE_COLOURS, on_terminal, paint, terminal_width
from .text import duration, escape, moment, plural

if TYPE_CHECKING:
    from ..answers import Status, WorkerInfo
    from ..asof import Past
    from ..queue import Queue

_WIDTH = len(JobState.PROCESSING)


def glance(queue: "Queue | Past", name: str | None = None) -> Iterator[str]:
    """Give the lines of the status, or those about the queue `name`."""
    status = queue.status(queue=name)
    when = getattr(queue, "moment", None)
    past = "" if when is None else f", as it was at {moment(when.at_us)}"
    which = f"Queue at {escape(str(queue.path))}, {plural(status.head, 'event')}"
    yield (which if name is None else f"Queue {escape(name)} of {escape(str(queue.path))}") + past
    yield ""
    for state in JobState:
        count = status.jobs[state]
        colour = STATE_COLOURS[state] if count else None
        yield f"  {paint(state.ljust(_WIDTH), colour)} {count:>9,}{_remark(state, count, status)}".rstrip()
    if name is None and set(status.queues) - {"default"}:
        yield from _queues(status.queues)
    yield ""
    workers = [info for info in queue.workers() if info.serves(name)]
    if workers or not past:
        yield from _workers(queue.path, workers, name)
    else:
        yield "No workers"
    if workers and not past:
        yield from (paint(told, "yellow") for told in unserved_lines(queue.path, status.unserved, _room()))


def _remark(state: JobState, count: int, status: "Status") -> str:
    if state is JobState.PENDING and status.oldest_pending_s is not None:
        return f"  the oldest has waited {duration(status.oldest_pending_s)}"
    if state is JobState.FAILED and count:
        return "  waiting for a retry"
    if state is JobState.DEAD and count:
        return "  see: queuectl dlq list"
    return ""


def _queues(queues: "Mapping[str, Mapping[JobState, int]]") -> Iterator[str]:
    yield ""
    width = max(len("queue"), *(len(escape(name)) for name in queues))
    columns = _columns(queues, width)
    titles = "  ".join(f"{state:>{wide}}" for state, wide in columns.items())
    yield paint(f"  {'queue'.ljust(width)}  {titles}", None, bold=True)
    for name, counts in queues.items():
        yield f"  {escape(name).ljust(width)}  " + "  ".join(
            f"{counts[state]:>{wide},}" for state, wide in columns.items()
        )


def _columns(queues: "Mapping[str, Mapping[JobState, int]]", width: int) -> dict[JobState, int]:
    """Give the states to tell of, and how wide: as a narrow terminal needs it, at last only those that have a job."""
    columns = dict.fromkeys(JobState, _WIDTH)
    if not on_terminal():
        return columns
    room = terminal_width() - 2 - width
    if _taken(columns) <= room:
        return columns
    most = {state: max(counts[state] for counts in queues.values()) for state in JobState}
    columns = {state: max(len(state), len(f"{count:,}")) for state, count in most.items()}
    if _taken(columns) <= room:
        return columns
    return {state: wide for state, wide in columns.items() if most[state]}


def _taken(columns: Mapping[JobState, int]) -> int:
    return sum(2 + wide for wide in columns.values())


def _workers(path: Path, workers: "list[WorkerInfo]", name: str | None) -> Iterator[str]:
    if not workers:
        of = "" if name in (None, "default") else f" --queue {as_typed(name)}"
        yield from start_lines(path, f"No workers{' of this queue' if name else ''}", START + of, _room())
        return
    yield "Workers"
    for info in workers:
        yield f"  {escape(info.id)}  {paint(info.state, STATE_COLOURS.get(info.state))}{_at_work(info)}"


def _room() -> int:
    return terminal_width() if on_terminal() else sys.maxsize


def _at_work(info: "WorkerInfo") -> str:
    if info.state != "dead":
        return f", {len(info.running)} of {plural(info.slots, 'slot')} busy"
    if info.running:
        return f"; the next worker takes over {plural(len(info.running), 'job')} of it"
    return f"; take it off the list: queuectl worker stop {as_typed(info.id)}"
