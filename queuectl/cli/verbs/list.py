"""`queuectl list`: the jobs there are."""

import click

from ...job import JobState
from ..context import Session, pass_session
from ..params import json_option
from ..render import json_array, note, on_terminal
from ..verb import Verb

SCREENFUL = 100
"""How many a terminal is shown unasked."""


@click.command(
    cls=Verb,
    examples=(
        "queuectl list",
        "queuectl list --state dead --json",
        "queuectl list --queue mail --limit 20",
    ),
)
@click.option("--state", type=click.Choice([str(state) for state in JobState]), help="Only those in this state.")
@click.option("--queue", metavar="NAME", help="Only those of this queue.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many.  [terminal: 100]")
@click.option("--after", metavar="ID", help="Go on behind this one.")
@json_option
@pass_session
def command(
    session: Session, *, state: str | None, queue: str | None, limit: int | None, after: str | None, as_json: bool
) -> None:
    """List jobs.

    Waiting ones by when they run where --state asks for them, others newest first.
    """
    most = SCREENFUL if limit is None and on_terminal() and not as_json else limit
    wanted = JobState(state) if state else None
    jobs = session.existing().jobs(state=wanted, queue=queue, limit=most, after=after)
    if as_json:
        from ...documents import job_json

        json_array(map(job_json, jobs))
        return
    from ..jobtext import job_table

    if not jobs:
        note("No such jobs." if state or queue or after else 'No jobs; enqueue one: queuectl enqueue ID "COMMAND"')
        return
    job_table(jobs)
    if limit is None and len(jobs) == most:
        note(f"The first {most}; go on with --after {jobs[-1].id}, or see more with --limit.")
