"""`queuectl resume`: let paused jobs go on."""

from typing import Any

import click

from ..command import Verb
from ..input import completions
from ..input.bulk_options import act_on, acting_options
from ..output.format import escape
from ..session import Session, pass_session

SAID = ("Resume", "Resumed")


@click.command(cls=Verb, examples=("queuectl resume job1", "queuectl resume --queue mail --yes"))
@acting_options(completions.UNFINISHED)
@pass_session
@click.pass_context
def command(ctx: click.Context, session: Session, /, *, job_ids: tuple[str, ...], **options: Any) -> None:
    """Let paused jobs go on, in the place that they had.

    Name the jobs, or say which: the paused ones of these are counted, and it asks first. Of a queue that was
    paused as a whole none starts before `queuectl queue resume NAME`.
    """
    ctx.exit(act_on(session, "resume", job_ids, options, said=SAID, told=lambda job: f"Resumed {escape(job.id)}"))
