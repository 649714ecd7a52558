"""`queuectl retry`: run jobs again now."""

import click

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
    examples=('queuectl retry job1 --reason "the disk is back"',),
)
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...", shell_complete=offers.jobs(*offers.AGAIN))
@reason_option
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context, session: Session, *, job_ids: tuple[str, ...], reason: str | None, as_json: bool
) -> None:
    """Run jobs again, now.

    They may have failed, completed, died or been cancelled. Exits 1 when one was refused; the others
    run all the same.
    """
    queue = session.existing()
    jobs, code = each(job_ids, lambda job_id: queue.retry(taken(queue, job_id), reason=reason))
    if as_json:
        from ...documents import job_json

        document([job_json(job) for job in jobs])
    else:
        for job in jobs:
            line(f"Requeued {escape(job.id)}")
    ctx.exit(code)
