"""`queuectl cancel`: keep jobs from running, or stop them."""

from typing import Any

import click

from ...core.job import Job, JobState
from ..command import Verb
from ..input import completions
from ..input.bulk_options import act_on_all, acting_options, meant, say_acted
from ..input.job_ref import each_named_job
from ..output.format import escape
from ..output.table import document, line
from ..session import Session, pass_session

SAID = ("Cancel", "Cancelled")


@click.command(
    cls=Verb,
    examples=(
        "queuectl cancel job1 job2",
        "queuectl cancel --queue mail --state pending",
        "queuectl cancel --match rsync --dry-run",
        "queuectl cancel --running-longer-than 2h",
    ),
)
@acting_options(completions.UNFINISHED)
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    /,
    *,
    job_ids: tuple[str, ...],
    reason: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Cancel waiting jobs at once; have the workers stop running ones.

    Name the jobs, or say which: these are counted, and it asks first. Exits 1 when one of those
    named was refused; the others are cancelled all the same.
    """
    where, consent = meant(job_ids, options)
    queue = session.existing()
    if where is not None:
        acted = act_on_all(queue, "cancel", where, said=SAID, consent=consent, reason=reason)
        say_acted(acted, SAID, consent, as_json=as_json)
        return
    jobs, code = each_named_job(queue, job_ids, lambda job_id: queue.cancel(job_id, reason=reason))
    if as_json:
        from ...queries.json_form import job_json

        document([job_json(job) for job in jobs])
    else:
        for job in jobs:
            line(_told(job))
    ctx.exit(code)


def _told(job: Job) -> str:
    if job.state == JobState.CANCELLED or job.lease is None:
        return f"Cancelled {escape(job.id)}"
    return f"Asked {escape(job.lease.worker)} to stop {escape(job.id)}"
