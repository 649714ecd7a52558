"""`queuectl wait`: until jobs have ended."""

import click

from ...job import JobState
from .. import offers
from ..context import Session, pass_session
from ..exits import REFUSED
from ..params import duration_s, json_option
from ..render import document, line
from ..text import escape
from ..verb import Verb


@click.command(
    cls=Verb,
    examples=("queuectl wait job1 job2 --timeout 10m",),
)
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...", shell_complete=offers.jobs(*offers.OPEN))
@click.option("--timeout", type=duration_s, metavar="SECONDS", help="Give up after so long, and exit 124.")
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context, session: Session, *, job_ids: tuple[str, ...], timeout: float | None, as_json: bool
) -> None:
    """Wait until jobs have ended.

    Exits 0 when all completed, 1 when any died or was cancelled, 124 when the time ran out.
    """
    queue = session.reading()
    jobs = queue.wait([queue.match_id(job_id) for job_id in job_ids], timeout_s=timeout)
    if as_json:
        from ...documents import job_json

        document([job_json(job) for job in jobs])
    else:
        from ..jobtext import state_text

        for job in jobs:
            line(f"{escape(job.id)} {state_text(job)}")
    if any(job.state != JobState.COMPLETED for job in jobs):
        ctx.exit(REFUSED)
