"""`queuectl show`: one job in full."""

import click

from .. import offers
from ..context import Session, pass_session
from ..params import Place, as_of_option, json_option
from ..render import document, pairs
from ..text import escape
from ..verb import Verb


@click.command(
    cls=Verb,
    examples=("queuectl show job1", "queuectl show job1 --as-of '5m ago'"),
)
@click.argument("job_id", metavar="JOB", shell_complete=offers.jobs())
@as_of_option
@json_option
@pass_session
def command(session: Session, *, job_id: str, as_of: Place | None, as_json: bool) -> None:
    """Show everything about a job as it stands, or as it stood."""
    queue = session.reading()
    job = session.seen(as_of).job(queue.match_id(job_id, or_removed=as_of is not None))
    cause = queue.cause_of(job.number)
    if as_json:
        from ...documents import cause_json, job_json

        document({**job_json(job), "caused_by": cause_json(cause)})
    else:
        from ..jobtext import details
        from ..story import cause_text

        pairs([*details(job), ("caused by", escape(cause_text(cause)) if cause else "")])
