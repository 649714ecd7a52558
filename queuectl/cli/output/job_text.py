"""A job as people read it: a row of a table, or its every detail."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ...core.comma_list import words_of
from ...core.dependencies import text_of
from ...core.expiry import ENDINGS
from ...core.held import Outcome
from ...core.job import ENDED, Job, JobState
from ...core.labels import json_text
from ...core.policy import LISTS, SNOOZES, backoff_text
from ...display import shown
from ...errors import InvalidInput
from ...events.types import JobSpec, Policy
from .format import coarse, command_text, duration, escape, labels_text, moment, plural
from .table import Column, fits, on_terminal, state_colour, table

if TYPE_CHECKING:
    from ...history.past import Past
    from ...queue import Queue

Cell = Callable[[Job, int], str]
"""Returns what stands in a column, of a job as it stands at a time."""


class Rows:
    """Jobs as rows of some columns, at one moment, when some of their workers were `gone`."""

    def __init__(self, columns: Sequence[Column], now_us: int, *, gone: Collection[str] = ()) -> None:
        self.columns = columns
        cells: dict[str, Cell] = {**CELLS, "state": partial(state_text, gone=gone)}
        self._cells = [cells[_name(column)] for column in columns]
        self._now_us = now_us

    def of(self, jobs: Iterable[Job]) -> list[list[str]]:
        """Return one row for each job."""
        return [[cell(job, self._now_us) for cell in self._cells] for job in jobs]


def chosen_columns(names: str | None) -> tuple[Column, ...]:
    """Return the columns named, with commas between them, which are then shown though they be empty.

    None: the usual ones. Raises InvalidInput with those there are.
    """
    if names is None:
        return COLUMNS
    known = {_name(column): column for column in EVERY_COLUMN}
    wanted = [name.lower().replace("_", "-") for name in words_of(names)]
    for name in wanted:
        if name not in known:
            raise InvalidInput("columns", shown(name), "one of " + ", ".join(known))
    return tuple(known[name]._replace(always=True, spare=0) for name in dict.fromkeys(wanted))


def gone_workers(opened: "Queue | Past", jobs: Iterable[Job]) -> Collection[str]:
    """Return which workers of jobs that run are gone; of the past that is not known."""
    holders = sorted({job.lease.worker for job in jobs if job.lease is not None})
    return opened.ui.gone_workers(holders) if holders else ()


def state_text(job: Job, now_us: int | None = None, *, gone: Collection[str] = ()) -> str:
    """Return the state, with how the last run ended where it ended badly, and when the next one is due.

    A job that is held by one of the workers that are `gone` is run by nobody.
    """
    if job.lease is not None and job.lease.worker in gone:
        return f"{job.state} (worker gone)"
    paused = ", paused" if job.is_paused and job.state not in ENDED else ""
    if job.state not in (JobState.FAILED, JobState.DEAD) and job.ended_by not in ENDINGS:
        return f"{job.state}{paused}"
    why = job.ended_by if job.ended_by in ENDINGS else None if job.last is None else job.last.why
    told = str(job.state) if why is None else f"{job.state} ({escape(str(why))})"
    if now_us is None or paused or job.state is not JobState.FAILED:
        return told + paused
    return (
        f"{told}, retry in {coarse((job.runs_at_us - now_us) / 1_000_000)}"
        if job.runs_at_us > now_us
        else f"{told}, retry due"
    )


def when_text(job: Job, now_us: int | None = None) -> str:
    """Return the time that matters in the job's state: when it is due, since when it runs, or when it last changed."""
    is_due_later = job.runs_at_us > (job.updated_at_us if now_us is None else min(now_us, job.updated_at_us))
    if job.state == JobState.PENDING and is_due_later:
        return f"due {_moment(job.runs_at_us)}"
    return _moment(job.running_since_us or job.updated_at_us)


def _moment(at_us: int | None) -> str:
    return moment(at_us, short=on_terminal())


def _tries(job: Job, now_us: int) -> str:
    return f"{job.attempts}/{job.spec.max_retries + 1}" if job.attempts else ""


def _took(job: Job, now_us: int) -> str:
    """Return how long the last run took, or has taken so far if one goes on."""
    if job.running_since_us is not None:
        return duration(max(0, now_us - job.running_since_us) // 1_000_000)
    if job.finished_at_us is None or job.last is None or job.last.duration_ms is None:
        return ""
    return duration(job.last.duration_ms / 1000)


def _worker(job: Job, now_us: int) -> str:
    return escape(job.lease.worker if job.lease else job.last.worker if job.last else "")


def _exit(job: Job, now_us: int) -> str:
    if job.last is None:
        return ""
    return escape(job.last.signal or "") or ("" if job.last.return_code is None else str(job.last.return_code))


def _timeout(spec: JobSpec) -> str:
    limit = duration(spec.timeout_ms / 1000) if spec.timeout_ms else "none"
    return f"{limit} (default)" if spec.timeout_is_default else limit


def _rules(job: Job) -> Iterator[tuple[str, str]]:
    """Yield what follows from how its runs end, and until when they may start."""
    policy, expiry = job.policy, job.expiry
    if policy is not None:
        for name in LISTS:
            yield name.replace("_", " "), getattr(policy, name) or ""
        yield "snooze", _snooze(policy) if policy.snooze_on is not None else ""
        yield "backoff", _backoff(job.spec, policy)
    if expiry is not None and expiry.expires_us is not None:
        then = ", then it is cancelled" if expiry.cancels else ", then it is dead"
        yield "expires", moment(expiry.expires_us) + then
    if expiry is not None and expiry.max_time_ms is not None:
        yield "max time", duration(expiry.max_time_ms / 1000)


def _snooze(policy: Policy) -> str:
    waits = "as a retry waits" if policy.snooze_ms is None else f"for {duration(policy.snooze_ms / 1000)}"
    most = SNOOZES if policy.max_snoozes is None else policy.max_snoozes
    return f"{waits}, {plural(most, 'time')} at the most"


def _backoff(spec: JobSpec, policy: Policy) -> str:
    most = "" if policy.wait_max_ms is None else f", {duration(policy.wait_max_ms / 1000)} at the most"
    return "" if policy.waits_ms is None and not most else backoff_text(policy, spec.backoff_base) + most


def _name(column: Column) -> str:
    return NAMES.get(column.title, column.title.lower().replace(" ", "-"))


COLUMNS = (
    Column("ID"),
    Column("STATE", paint=state_colour),
    Column("QUEUE", spare=3),
    Column("PRIO", right=True, spare=4),
    Column("TRIES", right=True, spare=2),
    Column("WHEN", spare=1),
    Column("TOOK", right=True, spare=5),
    Column("COMMAND", wide=True),
)
"""Of a list."""

_ERROR = Column("LAST ERROR", wide=True)
DEAD_COLUMNS = (*COLUMNS[:-1], COLUMNS[-1]._replace(spare=1))
"""Of a list of jobs that failed for good, beside what the last error was."""

EVERY_COLUMN = (
    *COLUMNS,
    _ERROR,
    *(Column(title) for title in ("ENQUEUED", "STARTED", "FINISHED", "DUE", "WORKER")),
    Column("EXIT", right=True),
    Column("DIRECTORY", wide=True),
    Column("LABELS", wide=True),
    Column("USES", wide=True),
)

NAMES = {"PRIO": "priority", "LAST ERROR": "error"}
"""What columns are called where they are asked for, unless as their titles."""

CELLS: Mapping[str, Cell] = {
    "id": lambda job, now_us: escape(job.id),
    "state": state_text,
    "queue": lambda job, now_us: escape(job.spec.queue),
    "priority": lambda job, now_us: str(job.spec.priority) if job.spec.priority else "",
    "tries": _tries,
    "when": when_text,
    "took": _took,
    "command": lambda job, now_us: command_text(job.spec.command),
    "error": lambda job, now_us: escape(job.last.error) if job.last and job.last.error else "",
    "enqueued": lambda job, now_us: _moment(job.created_at_us),
    "started": lambda job, now_us: _moment(job.started_at_us),
    "finished": lambda job, now_us: _moment(job.finished_at_us),
    "due": lambda job, now_us: _moment(job.runs_at_us or None),
    "worker": _worker,
    "exit": _exit,
    "directory": lambda job, now_us: escape(job.spec.cwd or ""),
    "labels": lambda job, now_us: labels_text(job.labels),
    "uses": lambda job, now_us: ", ".join(job.use),
}


def print_dead(jobs: Sequence[Job], now_us: int, *, titled: bool = True) -> None:
    """Print jobs that failed for good, each with what its last error was: under it where the line has no room."""
    rows, causes = Rows(DEAD_COLUMNS, now_us).of(jobs), [failure_text(job) for job in jobs]
    columns = (*DEAD_COLUMNS, _ERROR._replace(wide=False))
    beside = [[*row, cause] for row, cause in zip(rows, causes, strict=True)]
    if fits(columns, beside):
        table(columns, beside, titled=titled)
    else:
        table(DEAD_COLUMNS, rows, titled=titled, below=causes)


def failure_text(job: Job) -> str:
    """Return what the last error was, without the exit code or signal before it, which the state tells.

    Before it stands what of the job's policy or its time says that no attempt follows.
    """
    last = job.last
    if last is None or not last.error:
        return "" if job.ended_by is None else f"[{escape(job.ended_by)}]"
    code = last.error.removeprefix(f"exit code {last.return_code}: ").removeprefix(f"killed by {last.signal}: ")
    by = "" if job.ended_by is None else f"[{escape(job.ended_by)}] "
    return by + escape(code)


def _ending(last: Outcome) -> str:
    """Return how a run ended, within a line."""
    took = "" if last.duration_ms is None else f" in {duration(last.duration_ms / 1000)}"
    how = last.error or ("cancelled" if last.return_code is None else "well")
    return f"ended{took} on {escape(last.worker)}: {escape(how)}"


def job_details(
    job: Job, inherited: Mapping[str, str | None] | None = None, *, gone: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield everything about a job, as key and value; an empty value says nothing.

    `inherited` is what it took along of the environment that it was enqueued from, `gone` as in state_text().
    """
    spec, lease, last = job.spec, job.lease, job.last
    yield "id", escape(spec.id)
    since_us = job.running_since_us
    yield "state", state_text(job, gone=gone) + ("" if since_us is None else f", since {moment(since_us)}")
    yield "command", command_text(spec.command)
    yield "queue", escape(spec.queue)
    yield "after", escape(", ".join(map(text_of, (job.options and job.options.after) or ())))
    yield "waits for", escape(", ".join(edge.id for edge in job.unmet)) if job.state not in ENDED else ""
    yield "uses", escape(", ".join(job.use))
    yield "unique key", escape(job.unique or "")
    yield "held until", f"{moment(job.unique_until_us)}, or its end" if job.unique_until_us else ""
    yield "priority", str(spec.priority) if spec.priority else ""
    yield "attempts", f"{job.attempts} of {spec.max_retries + 1}"
    yield "timeout", _timeout(spec)
    yield "directory", escape(spec.cwd or "")
    yield "shell", escape(spec.shell or "")
    yield from _rules(job)
    yield "output", "stderr goes to stdout" if spec.merge else ""
    for name, told in (inherited or {}).items():
        yield "inherits", escape(f"{name} (not set)" if told is None else f"{name}={told}")
    for name, value in (spec.env or {}).items():
        yield "environment", escape(f"{name}={value}")
    yield "labels", labels_text(job.labels)
    yield "meta", escape(json_text(job.meta)) if job.meta else ""
    yield "snoozed", plural(job.snoozes, "time") if job.snoozes else ""
    yield "ended by", escape(job.ended_by or "")
    yield "created", moment(job.created_at_us)
    yield "due", moment(job.runs_at_us) if job.due_us and job.state not in ENDED else ""
    yield "started", moment(job.started_at_us) if lease is None or lease.attempt else ""
    yield "finished", moment(job.finished_at_us)
    yield "worker", escape(lease.worker if lease else last.worker if last else "")
    yield "lease until", moment(lease.expires_at_us) if lease else ""
    yield "paused since", moment(job.paused_at_us)
    yield "cancelling", "asked for" if lease and lease.cancel_requested else ""
    if last is not None and lease is not None:  # how the run before ended, beside one that goes on
        yield "last run", _ending(last)
    elif last is not None:
        yield "exit code", "" if last.return_code is None else str(last.return_code)
        yield "signal", escape(last.signal or "")
        yield "took", "" if last.duration_ms is None else duration(last.duration_ms / 1000)
        yield "last error", escape(last.error or "")
    yield "version", str(job.version)
