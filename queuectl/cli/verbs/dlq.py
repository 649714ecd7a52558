"""`queuectl dlq`: the dead letter queue, where jobs lie whose last attempt failed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from ...core.job import JobState
from ...core.job_filter import Filter, filter_of
from ...core.results import Acted
from ...display import as_typed
from ...errors import WrongState
from ..command import VerbSet
from ..exit_codes import do_each
from ..input import completions
from ..input.bulk_options import Consent, act_on_all, acting_options, label_filter_option, meant, say_acted
from ..input.job_ref import named_jobs, tell_unknown
from ..input.param_types import LogPoint, as_of_option, json_option, queue_option, whole
from ..output.table import document_of_each, json_array, line, note, pairs
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...core.job import Job
    from ...core.job_filter import Act
    from ...queue import Queue

ROWS_AT_ONCE = 500
"""Rows whose widths are fitted to each other."""

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
    examples=("queuectl dlq list", "queuectl dlq list --queue mail", "queuectl dlq list --as-of yesterday"),
)
@queue_option(help="Only those of this queue.")
@label_filter_option
@click.option("--limit", "-n", type=whole(1), metavar="N", help="At most so many.")
@as_of_option
@json_option
@pass_session
def list_dead(
    session: Session,
    *,
    queue: str | None,
    labels: tuple[str, ...],
    limit: int | None,
    as_of: LogPoint | None,
    as_json: bool,
) -> None:
    """List dead jobs and their last errors, the last to die first.

    An error is told without the exit code or signal before it, which the state has, and under its job where
    the line has no room for all of it.
    """
    opened = session.seen(as_of)
    is_unknown = tell_unknown(session.reading(), queue, opened)
    jobs = opened.ui.each_job(filter_of(state=JobState.DEAD, queue=queue, labels=labels or None), limit=limit)
    if as_json:
        from ...queries.json_form import job_json

        json_array(map(job_json, jobs))
        return
    from ..output.job_text import print_dead

    is_first = True
    while page := list(islice(jobs, ROWS_AT_ONCE)):
        print_dead(page, opened.ui.now_us(), titled=is_first)
        is_first = False
    if is_first and not is_unknown:
        note("No such jobs." if labels else "No dead jobs.")


@command.command(
    "show",
    examples=("queuectl dlq show bad1", "queuectl dlq show bad1 bad2"),
)
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...", shell_complete=completions.jobs(JobState.DEAD))
@json_option
@pass_session
@click.pass_context
def show_dead(ctx: click.Context, session: Session, *, job_ids: tuple[str, ...], as_json: bool) -> None:
    """Show everything about dead jobs.

    With --json one job is an object, and several are a list.
    """
    queue = session.reading()
    jobs, code = do_each(job_ids, lambda typed: _dead(queue, typed))
    if as_json:
        from ...queries.json_form import job_json

        document_of_each([job_json(job) for job in jobs], is_several=len(job_ids) > 1)
        ctx.exit(code)
    from ..output.job_text import job_details

    for place, job in enumerate(jobs):
        if place:
            line()
        pairs(job_details(job))
    if len(jobs) == 1:
        job_id = as_typed(jobs[0].id)
        note(f"What it printed: queuectl logs {job_id}; run it again: queuectl dlq retry {job_id}")
    ctx.exit(code)


def _dead(queue: "Queue", typed: str) -> "Job":
    job = queue.job(queue.ui.match_id(typed))
    if job.state != JobState.DEAD:
        raise WrongState("show as dead", job.id, job.state, f"see `queuectl show {as_typed(job.id)}`")
    return job


def _on_some(function: Any) -> Any:
    every = click.option("--all", "-a", "everything", is_flag=True, help="Every dead job.")
    return every(acting_options([JobState.DEAD])(function))


@command.command(
    "retry",
    examples=(
        "queuectl dlq retry bad1",
        "queuectl dlq retry --all --reason 'the disk is back'",
        "queuectl dlq retry --queue mail --since yesterday",
    ),
)
@_on_some
@click.option("--edit", "edits", is_flag=True, help="Change one job in your editor first.")
@pass_session
def retry_dead(session: Session, /, *, edits: bool, **given: Any) -> None:
    """Run dead jobs again, with 0 attempts: all of those named, or none.

    Where filters say which, they are counted, and it asks first; --all never asks.
    """
    if edits:
        _retry_edited(session, **given)
        return
    _act(session, "retry", ("Retry", "Requeued"), lenient=given["everything"], asks=not given["everything"], **given)


@command.command(
    "purge", examples=("queuectl dlq purge bad1", "queuectl dlq purge --all", "queuectl dlq purge --until '30d ago'")
)
@_on_some
@pass_session
def purge_dead(session: Session, /, **given: Any) -> None:
    """Remove dead jobs: all of those named, or none. Their history stays in the log.

    Where it is said which, they are counted, and it asks first: without a terminal filters need --yes, and
    --all goes ahead.
    """
    _act(session, "remove", ("Purge", "Purged"), lenient=given["everything"], asks=True, **given)


def _retry_edited(session: Session, *, job_ids: tuple[str, ...], reason: str | None, as_json: bool, **_: Any) -> None:
    from .retry import retry_edited

    queue = session.existing()
    for job_id in named_jobs(queue, job_ids) or ():
        job = queue.job(job_id)
        if job.state != JobState.DEAD:
            with _said_as("retry", _WHEN_RETRIED):
                raise WrongState("retry", job.id, job.state, "")
    acted = Acted([retry_edited(queue, job_ids, reason=reason).id], 0)
    say_acted(acted, ("Retry", "Requeued"), Consent(), as_json=as_json)


def _act(
    session: Session,
    verb: "Act",
    said: tuple[str, str],
    *,
    lenient: bool,
    asks: bool,
    job_ids: tuple[str, ...],
    everything: bool,
    reason: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    where, consent = meant(job_ids, options, everything)
    consent = consent._replace(yes=consent.yes or not asks, lenient=lenient)
    queue = session.existing()
    if job_ids:
        with _said_as(said[0].lower(), _WHEN_RETRIED if verb == "retry" else _WHEN_PURGED):
            act = queue.dlq.retry if verb == "retry" else queue.dlq.purge
            acted = Acted(act(named_jobs(queue, job_ids), reason=reason), 0)
    else:
        dead = (where or Filter())._replace(states=frozenset({JobState.DEAD}))
        acted = act_on_all(queue, verb, dead, said=said, consent=consent, reason=reason)
    say_acted(acted, said, consent, as_json=as_json)


@contextmanager
def _said_as(verb: str, hints: Mapping[JobState, str]) -> Iterator[None]:
    """Word a refusal as it was typed, with what does the same to a job that is not dead."""
    try:
        yield
    except WrongState as error:
        if error.state not in tuple(JobState):
            raise
        hint = hints.get(JobState(error.state), "only dead jobs are in the dead letter queue")
        hint = hint.replace("JOB", error.job_id)
        raise WrongState(verb, error.job_id, error.state, hint) from None
