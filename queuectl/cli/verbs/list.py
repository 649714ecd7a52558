"""`queuectl list`: the jobs there are."""

from itertools import chain

import click

from ...job import JobState
from .. import offers
from ..context import Session, pass_session
from ..paging import count, pages
from ..params import OneOf, Place, as_of_option, json_option, whole
from ..render import json_array, note, paged_table
from ..text import escape
from ..verb import Verb

SCREENFUL = 50
"""How many people are shown unasked."""


@click.command(
    cls=Verb,
    examples=(
        "queuectl list",
        "queuectl list --state dead --json",
        "queuectl list --queue mail --limit 20",
        "queuectl list --state processing --as-of 10:00",
    ),
)
@click.option("--state", type=OneOf([str(state) for state in JobState]), help="Only those in this state.")
@click.option("--queue", metavar="NAME", shell_complete=offers.queues, help="Only those of this queue.")
@click.option("--limit", type=whole(0), metavar="N", help=f"At most so many; 0 is all.  [{SCREENFUL}; --json: all]")
@click.option("--after", metavar="ID", shell_complete=offers.jobs(), help="Go on behind this one.")
@as_of_option
@json_option
@pass_session
def command(
    session: Session,
    *,
    state: str | None,
    queue: str | None,
    limit: int | None,
    after: str | None,
    as_of: Place | None,
    as_json: bool,
) -> None:
    """List jobs.

    Waiting ones by when they run where --state asks for them, others newest first.
    """
    opened, wanted = session.seen(as_of), JobState(state) if state else None
    most = SCREENFUL if limit is None and not as_json else limit or None
    after = None if after is None else session.reading().match_id(after, or_removed=as_of is not None)
    found = pages(opened, state=wanted, of=queue, limit=most, after=after)
    if as_json:
        from ...documents import job_json

        json_array(job_json(job) for page in found for job in page)
        return
    first = next(found, None)
    if first is None:
        note(
            "No such jobs."
            if state or queue or after or as_of
            else 'No jobs; enqueue one: queuectl enqueue ID "COMMAND"'
        )
        return
    from ..jobtext import COLUMNS, rows

    paged_table(COLUMNS, map(rows, chain([first], found)))
    if limit is None and opened.jobs(state=wanted, queue=queue, limit=1, after=first[-1].id):
        # Behind --after it is not known how many went before.
        left = "" if after else f"{max(count(opened, wanted, queue) - len(first), 1):,} "
        note(f"... and {left}more; --limit 0 shows all, --after {escape(first[-1].id)} goes on")
