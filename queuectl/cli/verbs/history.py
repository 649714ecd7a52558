"""`queuectl history`: all that ever happened to a job, and the family it belongs to."""

from typing import TYPE_CHECKING

import click

from ...errors import JobNotFound
from ...events.types import CONFIG_STREAM, WORKER_STREAM, Enqueued
from ..command import Verb
from ..input import completions
from ..input.param_types import json_option, whole
from ..output.format import escape
from ..output.table import document, json_array, note, table
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...queue import Queue

DEPTH = 10
LIMIT = 200

LIVES = 10
"""Jobs of one id, one after the other, whose events are shown unasked."""


@click.command(
    cls=Verb,
    examples=(
        "queuectl history job1",
        "queuectl history --tree job1",
        "queuectl history nightly --all",
        "queuectl history config",
    ),
)
@click.argument("name", metavar="JOB|config|worker:ID", shell_complete=completions.jobs())
@click.option("--tree", is_flag=True, help="The jobs whose commands led to it, and those that its own enqueued.")
@click.option("--depth", type=whole(1, 100), metavar="N", help=f"Generations either way.  [default: {DEPTH}]")
@click.option("--limit", type=whole(1, 10_000), metavar="N", help=f"Jobs in the tree.  [default: {LIMIT}]")
@click.option("--all", "-a", "everything", is_flag=True, help=f"Also of jobs of its id before the last {LIVES}.")
@click.option("--last", "-n", type=whole(1), metavar="N", help="Only the newest so many events.")
@json_option
@pass_session
def command(
    session: Session,
    *,
    name: str,
    tree: bool,
    depth: int | None,
    limit: int | None,
    everything: bool,
    last: int | None,
    as_json: bool,
) -> None:
    """Show every event of a job, with the time since the one before.

    Those of earlier jobs of its id stand before them; renewals that follow each other are one line.
    `config` shows what was ever configured, and worker:ID the life of a worker, unless a job has that for
    an id.
    """
    if tree and (everything or last is not None):
        raise click.UsageError("--all and --last are about events, which a tree does not show; leave them out")
    if tree:
        _show_family(session, name, depth or DEPTH, limit or LIMIT, as_json)
    elif depth or limit:
        raise click.UsageError("--depth and --limit go with --tree")
    else:
        _show_events(session, name, None if everything else LIVES, last, as_json)


def _show_events(session: Session, name: str, lives: int | None, last: int | None, as_json: bool) -> None:
    from ..output.event_text import TIMELINE, Names, timeline

    queue = session.reading()
    name = _meant(queue, name)
    events = queue.history(name, lives=lives)
    if lives is not None and sum(isinstance(each.event, Enqueued) for each in events) == lives and events[0].prev:
        note(f"These are the last {lives} jobs of this id; --all shows the earlier ones too")
    elif (missing := queue.log.missing_history(events)) is not None:
        note(escape(missing))
    names, events = Names(queue), events[-last:] if last else events
    if as_json:
        from ...queries.json_form import event_json

        json_array(event_json(each, names.job_of(each), names.cause_of(each)) for each in events)
    elif events:
        table(TIMELINE, list(timeline(events, names)))
    else:
        note("No events.")


def _meant(queue: "Queue", name: str) -> str:
    if name == CONFIG_STREAM or name.startswith(WORKER_STREAM):
        return name
    try:
        return queue.ui.match_id(name, or_removed=True)
    except JobNotFound as error:
        try:
            queue.history(name, lives=1)  # the archive may still have it
        except JobNotFound as other:
            raise (error if error.near else other) from None
        return name


def _show_family(session: Session, job_id: str, depth: int, limit: int, as_json: bool) -> None:
    queue = session.reading()
    family = queue.family(queue.ui.match_id(job_id, or_removed=True), depth=depth, limit=limit)
    if as_json:
        from ...queries.json_form import family_json

        document(family_json(family))
        return
    from ..output.lineage_text import COLUMNS, family_rows, left_out

    table(COLUMNS, list(family_rows(family)))
    for told in left_out(family):
        note(told)
