"""`queuectl show`: one job in full."""

import click

from ..context import Session, pass_session
from ..params import json_option
from ..render import document, pairs
from ..text import escape
from ..verb import Verb


@click.command(
    cls=Verb,
    examples=("queuectl show job1",),
)
@click.argument("job_id", metavar="JOB")
@json_option
@pass_session
def command(session: Session, *, job_id: str, as_json: bool) -> None:
    """Show everything about a job as it stands."""
    queue = session.reading()
    job = queue.job(job_id)
    cause = queue.cause_of(job.number)
    if as_json:
        from ...documents import cause_json, job_json

        document({**job_json(job), "caused_by": cause_json(cause)})
    else:
        from ..jobtext import details
        from ..story import cause_text

        pairs([*details(job), ("caused by", escape(cause_text(cause)) if cause else "")])
