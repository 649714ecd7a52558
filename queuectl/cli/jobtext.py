"""A job as people read it: a row of a table, or its every detail."""

from collections.abc import Iterator, Sequence

from ..job import Job, JobState
from .render import Column, on_terminal, state_colour, table
from .text import command_text, duration, escape, moment

COLUMNS = (
    Column("ID"),
    Column("STATE", paint=state_colour),
    Column("QUEUE"),
    Column("PRIO", right=True),
    Column("TRIES", right=True),
    Column("WHEN"),
    Column("TOOK", right=True),
    Column("COMMAND", wide=True),
    Column("LAST ERROR", wide=True),
)


def job_table(jobs: Sequence[Job], *, errors: bool = False) -> None:
    """Print a table of jobs; `errors` adds why each failed."""
    table(COLUMNS, rows(jobs, errors=errors))


def rows(jobs: Sequence[Job], *, errors: bool = False) -> list[tuple[str, ...]]:
    """Give jobs as rows of COLUMNS."""
    return [_row(job, errors) for job in jobs]


def _row(job: Job, errors: bool) -> tuple[str, ...]:
    spec, last = job.spec, job.last
    ended = job.finished_at_us is not None and last is not None and last.duration_ms is not None
    return (
        escape(spec.id),
        state_text(job),
        "" if spec.queue == "default" else spec.queue,
        str(spec.priority) if spec.priority else "",
        f"{job.attempts}/{spec.max_retries + 1}" if job.attempts else "",
        when_text(job),
        duration(last.duration_ms / 1000) if ended and last and last.duration_ms is not None else "",
        command_text(spec.command),
        escape(last.error) if errors and last and last.error else "",
    )


def state_text(job: Job) -> str:
    """Give the state, with how the last run ended where it ended badly."""
    if job.state not in (JobState.FAILED, JobState.DEAD) or job.last is None:
        return str(job.state)
    why = job.last.signal or job.last.return_code
    return str(job.state) if why is None else f"{job.state} ({why})"


def when_text(job: Job) -> str:
    """Give the time that matters in the job's state: when it is due, or when it last changed."""
    short = on_terminal()
    if job.state == JobState.FAILED:
        return f"retry {moment(job.due_us, short=short)}"
    if job.state == JobState.PENDING and job.due_us > job.updated_at_us:
        return f"due {moment(job.due_us, short=short)}"
    return moment(job.updated_at_us, short=short)


def details(job: Job) -> Iterator[tuple[str, str]]:
    """Give everything about a job, as key and value; an empty value says nothing."""
    spec, lease, last = job.spec, job.lease, job.last
    yield "id", escape(spec.id)
    yield "state", state_text(job)
    yield "command", command_text(spec.command)
    yield "queue", spec.queue
    yield "priority", str(spec.priority) if spec.priority else ""
    yield "attempts", f"{job.attempts} of {spec.max_retries + 1}"
    yield "timeout", duration(spec.timeout_ms / 1000) if spec.timeout_ms else "none"
    yield "directory", escape(spec.cwd or "")
    for name, value in (spec.env or {}).items():
        yield "environment", escape(f"{name}={value}")
    yield "created", moment(job.created_at_us)
    yield "due", moment(job.due_us) if job.due_us else ""
    yield "started", moment(job.started_at_us)
    yield "finished", moment(job.finished_at_us)
    yield "worker", escape(lease.worker if lease else last.worker if last else "")
    yield "lease until", moment(lease.expires_at_us) if lease else ""
    yield "cancelling", "asked for" if lease and lease.cancel_requested else ""
    if last is not None:
        yield "exit code", "" if last.return_code is None else str(last.return_code)
        yield "signal", last.signal or ""
        yield "took", "" if last.duration_ms is None else duration(last.duration_ms / 1000)
        yield "last error", escape(last.error or "")
    yield "version", str(job.version)
