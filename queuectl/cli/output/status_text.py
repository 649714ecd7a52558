"""The queue at a glance, as text for people."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.job import JobState
from ...display import as_typed
from .advice import no_workers, start_lines, unserved_lines
from .blocker_text import pause_text
from .format import cells, coarse, cut, duration, escape, moment, plural
from .table import SCREENFUL, STATE_COLOURS, on_terminal, paint, terminal_width

if TYPE_CHECKING:
    from ...core.due_times import DueTimes
    from ...core.results import Status, WorkerInfo
    from ...history.past import Past
    from ...queue import Queue

_WIDTH = len(JobState.PROCESSING)

NARROW = 60
"""Columns of a terminal below which counts stand close to the states."""

NAME_LEAST = 12
"""Columns that the name of a queue has at the least."""


def glance(queue: "Queue", name: str | None = None) -> Iterator[str]:
    """Yield the lines of the status, or those about the queue `name`."""
    yield from _lines(queue, name, "")
    yield from (paint(told, "yellow") for told in _clock(queue.log.due_times()))


def glance_back(past: "Past", name: str | None = None) -> Iterator[str]:
    """Return the same of the queue as it was; nothing was due or late then."""
    return _lines(past, name, f", as it was at {moment(past.moment.at_us)}")


def _lines(queue: "Queue | Past", name: str | None, past: str) -> Iterator[str]:
    status = queue.status(queue=name)
    which = f"Queue at {escape(str(queue.path))}, {plural(status.head, 'event')}"
    yield (which if name is None else f"Queue {escape(name)} of {escape(str(queue.path))}") + past
    yield ""
    room = _room()
    workers = [info for info in queue.workers() if info.serves(name)]
    lost = sum(name in (None, run.queue) for info in workers if info.state == "dead" for run in info.runs)
    wide = 9 if room >= NARROW else max(len(f"{count:,}") for count in status.jobs.values())
    for state in JobState:
        count = status.jobs[state]
        colour = STATE_COLOURS[state] if count else None
        said = cut(f"  {state.ljust(_WIDTH)} {count:>{wide},}{_remark(state, count, status, lost)}".rstrip(), room)
        yield said.replace(state, paint(state, colour), 1)
    if name is None and set(status.queues) - {"default"}:
        yield from _queues(status.queues)
    if status.paused:
        yield ""
        yield from (paint(cut(told, room), "yellow") for told in _paused(status, past, queue.ui.now_us()))
    yield ""
    if workers or not past:
        yield from _workers(queue.path, workers, name)
    else:
        yield "No workers"
    if workers and not past:
        yield from (paint(told, "yellow") for told in unserved_lines(queue.path, status.unserved, _room()))


def _clock(times: "DueTimes") -> Iterator[str]:
    """Return the line that the log is ahead of the machine's clock, and what comes of it."""
    if times.is_ahead:
        ahead, level_at = coarse(times.ahead_us / 1_000_000), moment(times.level_at_us)
        told = f"The log is {ahead} ahead of this machine's clock"
        yield f"{told}: delays and retries take up to twice as long until {level_at}"


def _remark(state: JobState, count: int, status: "Status", lost: int) -> str:
    if state is JobState.PROCESSING and lost:
        return f"  {lost:,} of a worker that is gone"
    if state is JobState.PENDING and status.oldest_pending_s is not None:
        return f"  the oldest has waited {duration(status.oldest_pending_s)}{_held(status)}"
    if state is JobState.PENDING and status.waiting["paused"]:
        return f"  {_held(status).lstrip('; ')}"
    if state is JobState.FAILED and count:
        return "  waiting for a retry"
    if state is JobState.DEAD and count:
        return "  see: queuectl dlq list"
    return ""


def _held(status: "Status") -> str:
    paused = status.waiting["paused"]
    return f"; {paused:,} of these and of the failed paused" if paused else ""


def _paused(status: "Status", past: str, now_us: int) -> Iterator[str]:
    """Return a line for each queue that is paused, a screenful at the most on a terminal."""
    some = status.paused[: SCREENFUL if on_terminal() else None]
    for each in some:
        told = pause_text(each.paused_at_us, each.until_us, each.by, each.reason, now_us)
        go_on = "" if past else f"; queuectl queue resume {as_typed(each.name)}"
        yield f"Queue {escape(each.name)} is paused{told}{go_on}"
    if left := len(status.paused) - len(some):
        yield f"... and {left:,} more: queuectl queue list"


def _queues(every: "Mapping[str, Mapping[JobState, int]]") -> Iterator[str]:
    yield ""
    queues = _to_list(every)
    whole = max(len("queue"), *(len(escape(name)) for name in queues))
    width = min(whole, max(NAME_LEAST, _room() // 3))
    columns = _columns(queues, width)
    titles = "  ".join(f"{state:>{wide}}" for state, wide in columns.items())
    yield paint(f"  {'queue'.ljust(width)}  {titles}", None, bold=True)
    for name, counts in queues.items():
        yield f"  {cut(escape(name), width).ljust(width)}  " + "  ".join(
            f"{counts[state]:>{wide},}" for state, wide in columns.items()
        )
    if left := len(every) - len(queues):
        yield cut(f"  ... and {left:,} more; --queue NAME shows one, and a pipe or --json has all", _room())


def _to_list(queues: "Mapping[str, Mapping[JobState, int]]") -> "Mapping[str, Mapping[JobState, int]]":
    """Return a screenful of queues on a terminal, first those with more than what went well; all elsewhere."""
    if not on_terminal() or len(queues) <= SCREENFUL:
        return queues
    quiet = (JobState.COMPLETED, JobState.CANCELLED)
    is_quiet = {
        name: not any(counts[state] for state in counts if state not in quiet) for name, counts in queues.items()
    }
    listed = set(sorted(queues, key=is_quiet.__getitem__)[:SCREENFUL])
    return {name: counts for name, counts in queues.items() if name in listed}


def _columns(queues: "Mapping[str, Mapping[JobState, int]]", width: int) -> dict[JobState, int]:
    """Return the states to tell of, and how wide: as a narrow terminal needs it, at last those that call for an act."""
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
    columns = {state: wide for state, wide in columns.items() if most[state]}
    for spared in (JobState.CANCELLED, JobState.COMPLETED, JobState.PROCESSING, JobState.DEAD):
        if _taken(columns) > room and len(columns) > 1:
            columns.pop(spared, None)
    return columns


def _taken(columns: Mapping[JobState, int]) -> int:
    return sum(2 + wide for wide in columns.values())


def _workers(path: Path, workers: "list[WorkerInfo]", name: str | None) -> Iterator[str]:
    if not workers:
        yield from start_lines(path, *no_workers(name), _room())
        return
    yield "Workers"
    for info in workers:
        yield from _worker(info)


def _worker(info: "WorkerInfo") -> Iterator[str]:
    state, room = paint(info.state, STATE_COLOURS.get(info.state)), _room()
    at_work = _at_work(info)
    if cells(f"  {escape(info.id)}  {info.state}{at_work}") <= room:
        yield f"  {escape(info.id)}  {state}{at_work}"
        return
    yield f"  {cut(escape(info.id), room - 4 - len(info.state))}  {state}"
    from textwrap import wrap  # only where a screen is narrow

    lead, colon, command = at_work.lstrip(",; ").partition(": ")
    yield from wrap(lead + colon.rstrip(), room, initial_indent="    ", subsequent_indent="    ")
    if command:  # whole, so that it can be copied, however the terminal breaks it
        yield f"      {command}"


def _room() -> int:
    return terminal_width() if on_terminal() else sys.maxsize


def _at_work(info: "WorkerInfo") -> str:
    if info.state != "dead":
        busy = min(len(info.running), info.slots)
        ahead = f", {len(info.running) - busy:,} claimed ahead" if len(info.running) > busy else ""
        return f", {busy} of {plural(info.slots, 'slot')} busy{ahead}"
    if info.running:
        return f"; the next worker takes over {plural(len(info.running), 'job')} of it"
    return f"; take it off the list: queuectl worker stop {as_typed(info.id)}"
