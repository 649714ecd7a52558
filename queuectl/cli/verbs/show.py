"""`queuectl show`: one job in full."""

import click

from ..context import Session, pass_session
from ..params import json_option
from ..render import document, pairs
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
    job = session.reading().job(job_id)
    if as_json:
        from ...documents import job_json

        document(job_json(job))
    else:
        from ..jobtext import details

        pairs(details(job))
