"""`queuectl cancel`: keep jobs from running, or stop them."""

from typing import Any

import click

from ...job import WAITING, Job, JobState
from ..choosing import act_on_chosen, chosen_by, dry_run_option, filter_options, told, yes_option
from ..context import Session, pass_session
from ..exits import each
from ..params import json_option, reason_option
from ..render import document, line, note
from ..text import escape
from ..verb import Verb

_STATES = [state for state in JobState if state in WAITING | {JobState.PROCESSING}]


@click.command(
    cls=Verb,
    examples=(
        "queuectl cancel job1 job2",
        "queuectl cancel --queue mail --state pending",
        "queuectl cancel --match rsync --dry-run",
    ),
)
@click.argument("job_ids", nargs=-1, metavar="[JOB...]")
@filter_options(_STATES)
@yes_option
@dry_run_option
@reason_option
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    *,
    job_ids: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    reason: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Cancel waiting jobs at once; have the workers stop running ones.

    Name the jobs, or say which: those are counted, and it asks before it acts. Exits 1 when one of
    those named was refused; the others are cancelled all the same.
    """
    where = named_or_chosen(job_ids, chosen_by(options))
    queue = session.existing()
    if where is not None:
        chosen = queue.choose("cancel", where)
        acted = act_on_chosen(
            queue, chosen, ("cancel", "Cancelled"), yes=yes, dry_run=dry_run, as_json=as_json, reason=reason
        )
        tell_acted(acted, "Cancelled, or asked to stop,", as_json=as_json)
        return
    jobs, code = each(job_ids, lambda job_id: queue.cancel(job_id, reason=reason))
    if as_json:
        from ...documents import job_json

        document([job_json(job) for job in jobs])
    else:
        for job in jobs:
            line(_told(job))
    ctx.exit(code)


def _told(job: Job) -> str:
    if job.state == JobState.CANCELLED or job.lease is None:
        return f"Cancelled {escape(job.id)}"
    return f"Asked {escape(job.lease.worker)} to stop {escape(job.id)}"
