"""`queuectl clear`: take ended jobs out of the views."""

import click

from ...job import JobState
from ..context import Session, pass_session
from ..params import OneOf, duration_s, json_option, reason_option
from ..render import document, line
from ..text import plural
from ..verb import Verb

CLEARABLE = (JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED)


@click.command(
    cls=Verb,
    examples=("queuectl clear --older-than 2d",),
)
@click.option("--state", type=OneOf([str(state) for state in CLEARABLE]), default="completed", show_default=True)
@click.option("--older-than", type=duration_s, metavar="DURATION", help="Only those that ended so long ago: 1h30m, 2d.")
@reason_option
@json_option
@pass_session
def command(session: Session, *, state: str, older_than: float | None, reason: str | None, as_json: bool) -> None:
    """Remove ended jobs from the lists.

    Their history stays in the log, and their ids are free again.
    """
    count = session.existing().clear(state=JobState(state), older_than_s=older_than, reason=reason)
    if as_json:
        document({"cleared": count})
    else:
        line(f"Cleared {plural(count, f'{state} job')}")
