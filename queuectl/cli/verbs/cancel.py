"""`queuectl cancel`: keep jobs from running, or stop them."""

import click

from ...job import Job, JobState
from .. import offers
from ..context import Session, pass_session
from ..exits import each
from ..naming import taken
from ..params import json_option, reason_option
from ..render import document, line
from ..text import escape
from ..verb import Verb


@click.command(
    cls=Verb,
    examples=("queuectl cancel job1 job2",),
)
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...", shell_complete=offers.jobs(*offers.OPEN))
@reason_option
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context, session: Session, *, job_ids: tuple[str, ...], reason: str | None, as_json: bool
) -> None:
    """Cancel waiting jobs at once; have the workers stop running ones.

    Exits 1 when one was refused; the others are cancelled all the same.
    """
    queue = session.existing()
    jobs, code = each(job_ids, lambda job_id: queue.cancel(taken(queue, job_id), reason=reason))
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
