"""`queuectl dlq`: the dead letter queue, where jobs lie whose last attempt failed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from ...errors import WrongState
from ...job import JobState
from .. import offers
from ..context import Session, pass_session
from ..naming import taken_all
from ..params import Place, as_of_option, json_option, reason_option, whole
from ..render import document, json_array, line, note, pairs
from ..text import escape, plural
from ..verb import VerbSet

_ENDED = (JobState.COMPLETED, JobState.CANCELLED)
_CLEARS = "it is not in the dead letter queue; `queuectl clear --state {}` removes the jobs that are"
_RETRIES = "it is not in the dead letter queue; `queuectl retry JOB` runs it again"
_CANCELS = "it is not in the dead letter queue; `queuectl cancel JOB` keeps it from running"

_WHEN_PURGED = dict.fromkeys((JobState.PENDING, JobState.PROCESSING, JobState.FAILED), _CANCELS) | {
    state: _CLEARS.format(state) for state in _ENDED
}
_WHEN_RETRIED = dict.fromkeys((*_ENDED, JobState.FAILED), _RETRIES)


@click.group(cls=VerbSet)
def command() -> None:
    """See the jobs that died, run them again, or let them go."""


@command.command(
    "list",
    examples=("queuectl dlq list", "queuectl dlq list --as-of yesterday"),
)
@click.option("--limit", type=whole(1), metavar="N", help="At most so many.")
@as_of_option
@json_option
@pass_session
def list_dead(session: Session, *, limit: int | None, as_of: Place | None, as_json: bool) -> None:
    """List dead jobs and their last errors, the last to die first."""
    jobs = session.seen(as_of).dead(limit=limit)
    if as_json:
        from ...documents import job_json

        json_array(map(job_json, jobs))
    elif jobs:
        from ..jobtext import job_table

        job_table(jobs, errors=True)
    else:
        note("No dead jobs.")


@command.command(
    "show",
    examples=("queuectl dlq show bad1",),
)
@click.argument("job_id", metavar="JOB", shell_complete=offers.jobs(JobState.DEAD))
@json_option
@pass_session
def show_dead(session: Session, *, job_id: str, as_json: bool) -> None:
    """Show everything about a dead job."""
    queue = session.reading()
    job = queue.job(queue.match_id(job_id))
    if job.state != JobState.DEAD:
        raise WrongState("show as dead", job.id, job.state, f"see `queuectl show {job.id}`")
    if as_json:
        from ...documents import job_json

        document(job_json(job))
        return
    from ..jobtext import details

    pairs(details(job))
    note(f"What it printed: queuectl logs {escape(job.id)}; run it again: queuectl dlq retry {escape(job.id)}")


def _chosen(job_ids: tuple[str, ...], everything: bool) -> tuple[str, ...] | None:
    if everything == bool(job_ids):
        raise click.UsageError("name the jobs, or type --all")
    return None if everything else job_ids


def _on_some(function: Any) -> Any:
    function = json_option(reason_option(function))
    function = click.option("--all", "everything", is_flag=True, help="Every dead job.")(function)
    return click.argument("job_ids", nargs=-1, metavar="[JOB...]", shell_complete=offers.jobs(JobState.DEAD))(function)


@command.command("retry", examples=("queuectl dlq retry bad1", "queuectl dlq retry --all --reason 'the disk is back'"))
@_on_some
@pass_session
def retry_dead(
    session: Session, *, job_ids: tuple[str, ...], everything: bool, reason: str | None, as_json: bool
) -> None:
    """Run dead jobs again, with 0 attempts: all of those named, or none."""
    chosen = _chosen(job_ids, everything)
    queue = session.existing()
    with _said_as("retry", _WHEN_RETRIED):
        done = queue.dlq_retry(taken_all(queue, chosen), reason=reason)
    _tell("Requeued", done, as_json)


@command.command("purge", examples=("queuectl dlq purge bad1", "queuectl dlq purge --all"))
@_on_some
@pass_session
def purge_dead(
    session: Session, *, job_ids: tuple[str, ...], everything: bool, reason: str | None, as_json: bool
) -> None:
    """Remove dead jobs: all of those named, or none. Their history stays in the log."""
    chosen = _chosen(job_ids, everything)
    queue = session.existing()
    with _said_as("purge", _WHEN_PURGED):
        done = queue.dlq_purge(taken_all(queue, chosen), reason=reason)
    _tell("Purged", done, as_json)


@contextmanager
def _said_as(verb: str, hints: Mapping[JobState, str]) -> Iterator[None]:
    """Tell a refusal in the word that was typed, with what does it to a job that is not dead."""
    try:
        yield
    except WrongState as error:
        hint = hints.get(JobState(error.state), "only dead jobs are in the dead letter queue")
        hint = hint.replace("JOB", error.job_id)
        raise WrongState(verb, error.job_id, error.state, hint) from None


def _tell(what: str, ids: list[str], as_json: bool) -> None:
    if as_json:
        document({"ids": ids})
    else:
        line(f"{what} {escape(ids[0])}" if len(ids) == 1 else f"{what} {plural(len(ids), 'job')}")
