"""What must hold after a soak, proven from the log's events and from what the commands themselves wrote down.

Pure: takes evidence, gives violations as sentences. Asks neither the views nor the worker's code.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from queuectl import Recorded
from queuectl.events.types import Cancelled, Completed, Dead, Enqueued, Failed, Failure, Released, Started

LEAVES_NO_START: Final = {"lost", "released", "cancelled", "spawn_error", "timeout"}
"""Ends of attempts whose command may not have come to write its first line."""


class Line(NamedTuple):
    """What a command wrote about itself; see job.py. `more`: the exit code, or whom it found alive."""

    kind: str
    job_id: str
    attempt: int
    token: int
    pid: int
    started: int
    at_ns: int
    more: tuple[str, ...] = ()


class Run(NamedTuple):
    """A claim that was started, and how it ended by the log: "" where it did not."""

    token: int
    job_id: str
    attempt: int
    end: str = ""
    return_code: int | None = None


class Evidence(NamedTuple):
    """What a soak leaves: ids acknowledged, the log, the journals, and what was seen from outside."""

    acknowledged: Sequence[str]
    events: Sequence[Recorded]
    lines: Sequence[Line]
    differences: Sequence[str] = ()
    leftovers: Sequence[str] = ()
    troubles: Sequence[str] = ()


def violations(evidence: Evidence) -> list[str]:
    """Return all that must not be, as sentences; nothing where all is well."""
    runs = runs_of(evidence.events)
    return [
        *out_of_order(evidence.events),
        *not_ended(evidence.acknowledged, evidence.events),
        *not_as_started(runs, evidence.lines),
        *not_as_ended(runs, evidence.lines),
        *overlapping(runs, evidence.lines),
        *(f"replay differs: {each}" for each in evidence.differences),
        *(f"left over: {each}" for each in evidence.leftovers),
        *evidence.troubles,
    ]


def parse(text: str) -> Line:
    """Read a line of a journal; raises ValueError for one that is torn."""
    kind, job_id, attempt, token, pid, started, at_ns, *more = text.split(" ")
    return Line(kind, job_id, int(attempt), int(token), int(pid), int(started), int(at_ns), tuple(more))


def runs_of(events: Iterable[Recorded]) -> dict[int, Run]:
    """Return the runs that were started, by their tokens."""
    ids = {}
    runs: dict[int, Run] = {}
    for recorded in events:
        event = recorded.event
        if isinstance(event, Enqueued):
            ids[recorded.stream] = event.spec.id
        elif isinstance(event, Started):
            runs[event.token] = Run(event.token, ids[recorded.stream], event.attempt)
        elif isinstance(event, Completed | Failed | Released | Cancelled) and event.token in runs:
            end = event.failure if isinstance(event, Failed) else type(event).__name__.lower()
            return_code = getattr(event, "return_code", None)
            runs[event.token] = runs[event.token]._replace(end=str(end), return_code=return_code)
    return runs


def out_of_order(events: Sequence[Recorded]) -> list[str]:
    """Find gaps in the log, and times that go back."""
    found = []
    position, at_us = 0, 0
    for each in events:
        if each.position != position + 1:
            found.append(f"the log goes from position {position} to {each.position}")
        if each.at_us < at_us:
            found.append(f"time goes back by {at_us - each.at_us} us at position {each.position}")
        position, at_us = each.position, each.at_us
    return found


def not_ended(acknowledged: Iterable[str], events: Iterable[Recorded]) -> list[str]:
    """Find jobs that were acknowledged and are not in the log, and those of the log that did not end."""
    ids: dict[str, int | str] = {}
    last: dict[int | str, Recorded] = {}
    for each in events:
        if isinstance(each.event, Enqueued):
            ids[each.event.spec.id] = each.stream
        last[each.stream] = each
    lost = [f"{job_id} was acknowledged and is not in the log" for job_id in acknowledged if job_id not in ids]
    ends = {job_id: last[stream].event for job_id, stream in ids.items()}
    return lost + [
        f"{job_id} has not ended: its last event is {type(event).__name__}"
        for job_id, event in ends.items()
        if not isinstance(event, Completed | Dead | Cancelled)
    ]


def not_as_started(runs: dict[int, Run], lines: Iterable[Line]) -> list[str]:
    """Find commands that the log knows nothing of, that ran twice, or that never ran."""
    starts = [line for line in lines if line.kind == "start"]
    found = []
    for line in starts:
        run = runs.get(line.token)
        if run is None or (run.job_id, run.attempt) != (line.job_id, line.attempt):
            found.append(f"{_named(line)} ran, and the log says {run or 'nothing'} of its token")
    counted = Counter(line.token for line in starts)
    found += [f"{_named(runs[token])} ran {count} times" for token, count in counted.items() if count > 1]
    silent = [run for run in runs.values() if run.token not in counted and run.end not in LEAVES_NO_START]
    return found + [f"{_named(run)} ended as {run.end or 'nothing'} and never ran" for run in silent]


def not_as_ended(runs: dict[int, Run], lines: Iterable[Line]) -> list[str]:
    """Find ends in the log that are not how the command ended."""
    codes = {line.token: int(line.more[0]) for line in lines if line.kind == "end"}
    wants = {"completed", str(Failure.EXIT_CODE)}
    return [
        f"{_named(run)} is {run.end} with code {run.return_code}, and its command ended with {codes.get(run.token)}"
        for run in runs.values()
        if run.end in wants and codes.get(run.token) != run.return_code
    ]


def overlapping(runs: dict[int, Run], lines: Iterable[Line]) -> list[str]:
    """Find attempts of one job that ran side by side: by their times, and by what the later one saw."""
    by_job = defaultdict(list)
    ended = {}
    found = []
    for line in lines:
        if line.kind == "start":
            by_job[line.job_id].append(line)
        elif line.kind == "end":
            ended[line.token] = line.at_ns
        elif line.kind == "overlap" and not _may_go_on(runs, line):
            found.append(f"{_named(line)} found process {line.more[1]} ({line.more[2]}) of run {line.more[0]} alive")
    for starts in by_job.values():
        starts.sort(key=lambda line: line.at_ns)
        for before, after in pairwise(starts):
            late_ms = (ended.get(before.token, 0) - after.at_ns) / 1e6
            if late_ms > 0:
                found.append(f"{_named(after)} began {late_ms:.1f} ms before the end of run {before.token}")
    return found


def _may_go_on(runs: dict[int, Run], line: Line) -> bool:
    """Return whether the one found alive may be: what has left its command's group outlives all ends but a loss."""
    other = runs.get(int(line.more[0]))
    return line.more[2] == "detached" and other is not None and other.end != Failure.LOST


def _named(what: Line | Run) -> str:
    return f"{what.job_id} attempt {what.attempt} (run {what.token})"
