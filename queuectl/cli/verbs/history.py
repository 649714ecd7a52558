"""`queuectl history`: all that ever happened to a job."""

import click

from ..context import Session, pass_session
from ..params import json_option
from ..render import json_array, table
from ..verb import Verb


@click.command(
    cls=Verb,
    examples=("queuectl history job1",),
)
@click.argument("job_id", metavar="JOB")
@json_option
@pass_session
def command(session: Session, *, job_id: str, as_json: bool) -> None:
    """Show every event of a job.

    Those of earlier jobs of its id stand before them.
    """
    events = session.reading().history(job_id)
    if as_json:
        from ...documents import event_json

        json_array(event_json(recorded, job_id) for recorded in events)
        return
    from ..story import COLUMNS, row

    # The job is the same on every line: an empty column is left out.
    table(COLUMNS, [row(recorded, "") for recorded in events])
