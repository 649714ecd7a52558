"""`queuectl cancel`: keep jobs from running, or stop them."""

from typing import Any

import click

from ...core.job import Job, JobState
from ..command import Verb
from ..input import completions
from ..input.bulk_options import act_on, acting_options
from ..output.format import escape
from ..session import Session, pass_session

SAID = ("Cancel", "Cancelled")


@click.command(
    cls=Verb,
    examples=(
        "queuectl cancel job1 job2",
        "queuectl cancel --queue mail --state pending",
        "queuectl cancel --match rsync --dry-run",
        "queuectl cancel --label release=7",
        "queuectl cancel --running-longer-than 2h",
    ),
)
@acting_options(completions.UNFINISHED)
@pass_session
@click.pass_context
def command(ctx: click.Context, session: Session, /, *, job_ids: tuple[str, ...], **options: Any) -> None:
    """Cancel waiting jobs at once; have the workers stop running ones.

    Name the jobs, or say which: these are counted, and it asks first. Exits 1 when one of those
    named was refused; the others are cancelled all the same.
    """
    ctx.exit(act_on(session, "cancel", job_ids, options, said=SAID, told=_told))


def _told(job: Job) -> str:
    if job.state == JobState.CANCELLED or job.lease is None:
        return f"Cancelled {escape(job.id)}"
    return f"Asked {escape(job.lease.worker)} to stop {escape(job.id)}"
