"""`queuectl pause`: keep jobs from running for now, and have running ones stand still."""

from typing import Any

import click

from ...core.job import Job
from ..command import Verb
from ..input import completions
from ..input.bulk_options import act_on, acting_options
from ..output.format import escape
from ..session import Session, pass_session

SAID = ("Pause", "Paused")


@click.command(
    cls=Verb,
    examples=(
        "queuectl pause job1 job2 --reason 'the disk is full'",
        "queuectl pause --queue mail --state pending",
    ),
)
@acting_options(completions.UNFINISHED)
@pass_session
@click.pass_context
def command(ctx: click.Context, session: Session, /, *, job_ids: tuple[str, ...], **options: Any) -> None:
    """Keep waiting jobs from running; have running ones stand still.

    Until they are resumed. All that is of a run is stopped (SIGSTOP), and so is its time limit; it keeps its slot.
    Name the jobs, or say which: these are counted, and it asks first. Exits 1 when one of those named was refused;
    the others are paused all the same. `queuectl queue pause NAME` holds a whole queue, jobs yet to come too.
    """
    ctx.exit(act_on(session, "pause", job_ids, options, said=SAID, told=_told))


def _told(job: Job) -> str:
    if job.lease is None:
        return f"Paused {escape(job.id)}"
    return f"Paused {escape(job.id)}; it runs, and {escape(job.lease.worker)} has it stand still"
