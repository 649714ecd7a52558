"""The parts of the view as lines of coloured pieces, fitted to a width; pure, and the same for a screen and a pipe."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...core.job import Job, JobState
from ..output.advice import START, start_lines, unserved_lines
from ..output.blocker_text import pause_text
from ..output.format import cells, command_text, cut, cut_front, duration, escape, plural
from ..output.job_text import state_text
from ..output.table import STATE_COLOURS

if TYPE_CHECKING:
    from ...core.results import Overview, WorkerInfo
    from .tail import Tail

StyledText = tuple[str, str]
"""A text and its style: colours and attributes by name, a blank between."""

Line = list[StyledText]

GAP: Final = "  "
WIDE: Final = 76
"""Columns from which on words are written out."""

_BARS: Final = "▁▂▃▄▅▆▇█"
_SHORT: Final = {"pending": "pend", "processing": "run", "completed": "done", "cancelled": "canc"}
_RATE_COLOURS: Final = {"enqueued": "blue", "completed": "green", "failed": "yellow"}


def fit(line: Line, width: int) -> Line:
    """Cut a line to a width."""
    fitting: Line = []
    for text, style in line:
        left = width - sum(cells(each) for each, _ in fitting)
        if left <= 0:
            break
        fitting.append((cut(text, left), style))
    return fitting


def width_of(line: Line) -> int:
    """Count the columns that a line fills."""
    return sum(cells(text) for text, _ in line)


def title(path: str, seen: "Overview", clock: str, width: int) -> Line:
    """Return the title: which queue, how long its log is, how many work, and what time it is."""
    right = f"{plural(seen.status.active_workers, 'worker')}{GAP}{plural(seen.status.head, 'event')}{GAP}{clock}"
    left = cut(escape(path), max(8, width - cells(right) - len("queuectl") - 2 * len(GAP)))
    space = width - len("queuectl") - len(GAP) - cells(left) - cells(right)
    return [("queuectl", "bold"), (GAP + left, ""), (" " * max(len(GAP), space), ""), (right, "dim")]


def states(seen: "Overview", chosen: JobState | None, queue: str | None, width: int) -> Line:
    """Count the jobs in each state; the one that the list is filtered by stands out."""
    counts = seen.status.jobs if queue is None else seen.status.queues.get(queue, dict.fromkeys(JobState, 0))
    told: Line = [] if queue is None else [(f"queue {escape(queue)}", "bold"), (GAP, "")]
    told.append((f"all {sum(counts.values()):,}", "reverse" if chosen is None else ""))
    for state in JobState:
        name = str(state) if width >= WIDE + 14 else _SHORT.get(state, str(state))
        style = STATE_COLOURS[state] if counts[state] else "dim"
        told += [(GAP, ""), (f"{name} {counts[state]:,}", f"{style} reverse" if chosen is state else style)]
    return told


def rates(tail: "Tail", now_us: int, width: int) -> Line:
    """Return how many jobs a second came, ended well and failed over the last minute."""
    each = (width - 2 * len(GAP)) // 3
    told: Line = []
    for name, per_s, is_more, counts in tail.rates(now_us):
        shown = name if width >= WIDE else {"completed": "done", "enqueued": "new"}.get(name, name)
        head = f"{shown} {'>' if is_more else ''}{_rate(per_s)} "
        line = sparkline(counts, max(0, each - len(head)))
        told += [(head, ""), (line.ljust(each - len(head)), _RATE_COLOURS[name]), (GAP, "")]
    return told[:-1]


def _rate(per_s: float) -> str:
    if 0 < per_s < 0.5:
        return f"{per_s * 60:.0f}/min"
    return f"{per_s:.1f}/s" if 0 < per_s < 100 else f"{per_s:,.0f}/s"


def sparkline(counts: Sequence[int], width: int) -> str:
    """Draw counts over time, the last at the right, each column a few seconds."""
    if width < 1 or not counts:
        return ""
    step = -(-len(counts) // width)
    start = len(counts) % step
    sums = [sum(counts[at : at + step]) for at in range(start, len(counts), step)]
    most = max(sums, default=0) or 1
    return "".join(_BARS[-(-each * 7 // most)] for each in sums)


def queues(seen: "Overview", most: int, width: int) -> Iterator[Line]:
    """Yield a line for each queue, the busiest first, where there are several."""
    paused = {each.name: each for each in seen.status.paused}
    if not (set(seen.status.queues) - {"default"} or paused) or not seen.status.queues or most < 2:
        return
    busy = (JobState.PROCESSING, JobState.PENDING, JobState.FAILED)
    ordered = sorted(seen.status.queues.items(), key=lambda item: [-item[1][state] for state in busy])
    shown = ordered[: most if len(ordered) <= most else most - 1]
    name_width = min(24, max(cells(escape(name)) for name, _ in shown))
    for name, counts in shown:
        line: Line = [(_padded(escape(name), name_width), "bold")]
        for state in (each for each in JobState if counts[each] or width >= WIDE):
            style = STATE_COLOURS[state] if counts[state] else "dim"
            line += [(GAP, ""), (f"{_SHORT.get(state, str(state))} {counts[state]:>{5 * (width >= WIDE)},}", style)]
        if (pause := paused.get(name)) is not None:
            told = pause_text(pause.paused_at_us, pause.until_us, None, None, seen.at_us)
            line += [(f"{GAP}paused{told}", "yellow")]
        yield line
    if len(ordered) > len(shown):
        yield [(f"... and {plural(len(ordered) - len(shown), 'queue')} more", "dim")]


def workers(path: Path, seen: "Overview", most: int, width: int) -> Iterator[Line]:
    """Yield a line for each worker: what each slot runs, since when."""
    if not seen.workers:
        yield from ([(told, "dim")] for told in start_lines(path, "no workers", START, width))
        return
    shown = seen.workers[: most if len(seen.workers) <= most else most - 1]
    for info in shown:
        yield [(escape(info.id), "bold"), (f" {info.state}", STATE_COLOURS.get(info.state, "red")), *_at_work(info)]
    if len(seen.workers) > len(shown):
        yield [(f"... and {plural(len(seen.workers) - len(shown), 'worker')} more", "dim")]


def unserved(path: Path, seen: "Overview", width: int) -> Iterator[Line]:
    """Yield what there is to say about the queues that none of the workers there are serves."""
    if seen.workers:
        yield from ([(told, "yellow")] for told in unserved_lines(path, seen.status.unserved, width))


def _at_work(info: "WorkerInfo") -> Line:
    runs = [
        f"{escape(run.job_id)} {_since(run.since_us, info.at_us)}" + (" cancelling" if run.is_cancelling else "")
        for run in info.runs
    ]
    ahead = f" +{len(runs) - info.slots}" if len(runs) > info.slots else ""  # claimed, and started as slots get free
    return [
        (f" {min(len(runs), info.slots)}/{info.slots}{ahead}", ""),
        (f"{GAP}{', '.join(runs)}" if runs else f"{GAP}idle", "dim"),
    ]


def failures(tail: "Tail", now_us: int, most: int, width: int) -> Iterator[Line]:
    """Yield the last attempts that failed, and why: of one that is too long its last words, the cause."""
    for each in islice(tail.failures, most):
        ago = f"{_since(each.at_us, now_us)} ago ".rjust(9)
        then = "" if each.retry_at_us is None else "  (to be retried)"
        job_id = f"{escape(each.job_id)}: "
        room = max(12, width - cells(ago) - cells(job_id) - cells(then))
        colour = "red" if each.retry_at_us is None else "yellow"
        yield [(ago, "dim"), (job_id, ""), (cut_front(escape(each.error), room), colour), (then, "dim")]


def retries(seen: "Overview", most: int) -> Iterator[Line]:
    """Yield what is retried next, and when."""
    for job in seen.retries[:most]:
        tries = f" attempt {job.attempts + 1} of {job.spec.max_retries + 1}"
        yield [(f"{_until(job.runs_at_us, seen.at_us)} ".rjust(9), "yellow"), (escape(job.id), ""), (tries, "dim")]


def job_table(jobs: Sequence[Job], now_us: int, width: int) -> tuple[Line, list[Line]]:
    """Return the titles and a line for each job; the command has what the others leave."""
    rows = [_row(job, now_us) for job in jobs]
    titles = ("ID", "STATE", "QUEUE", "TRIES", "WHEN", "COMMAND")
    is_used = [True, True, width >= WIDE, width >= WIDE - 16, True, True]
    most = (max(8, width // 4), len("processing, paused"), 12, 7, 12, 0)
    widths = [
        min(most[at], max(cells(titles[at]), max((cells(row[at]) for row in rows), default=0))) * is_used[at]
        for at in range(5)
    ]
    widths.append(max(0, width - sum(widths) - len(GAP) * sum(is_used[:5])))
    colours = [STATE_COLOURS[job.state] for job in jobs]
    return fit(_laid_out(titles, widths, "bold", "bold"), width), [
        fit(_laid_out(row, widths, colour, ""), width) for row, colour in zip(rows, colours, strict=True)
    ]


def _row(job: Job, now_us: int) -> tuple[str, ...]:
    tries = f"{job.attempts}/{job.spec.max_retries + 1}" if job.attempts else ""
    queue = escape(job.spec.queue)
    return escape(job.id), state_text(job), queue, tries, _when(job, now_us), command_text(job.spec.command)


def _when(job: Job, now_us: int) -> str:
    if job.state is JobState.PROCESSING:
        return _since(job.started_at_us if job.lease and job.lease.attempt else job.updated_at_us, now_us)
    if job.runs_at_us > now_us and job.state in (JobState.PENDING, JobState.FAILED):
        return _until(job.runs_at_us, now_us)
    if job.state is JobState.FAILED:
        return "due"
    return f"{_since(job.updated_at_us, now_us)} ago"


def _laid_out(row: Sequence[str], widths: Sequence[int], state_style: str, style: str) -> Line:
    line: Line = []
    for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
        if width:
            line += [(_padded(cut(cell, width), width), state_style if at == 1 else style), (GAP, "")]
    return line[:-1]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def _since(at_us: int | None, now_us: int) -> str:
    return duration(max(1, (now_us - (at_us or now_us)) // 1_000_000))


def _until(at_us: int, now_us: int) -> str:
    return "due" if at_us <= now_us else f"in {duration(-(-(at_us - now_us) // 1_000_000))}"
