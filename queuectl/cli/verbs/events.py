"""`queuectl events`: the log itself, as it is or as it grows."""

import sys
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from ...display import shown
from ...errors import InvalidInput
from ...events.codec import LAYOUTS
from ...events.types import Recorded
from ...queue import Queue
from ..command import Verb
from ..exit_codes import check_reader
from ..input import completions
from ..input.job_ref import tell_unknown
from ..input.param_types import LogPoint, Words, joined, json_option, log_point, queue_option, whole
from ..output.table import json_array, json_line, note, paged_table
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ..output.event_text import Names

TYPES = tuple(layout.name for layout in LAYOUTS)
ROWS_AT_ONCE = 500
"""Events laid out together: a table of all of them would have to be held whole."""

LOOK_EVERY_S = 1.0
"""How long a follower waits at a time; what comes meanwhile is seen at once."""


def _type(field: str, word: str) -> str:
    name = word.lower().replace("-", "_")
    if name not in TYPES:
        raise InvalidInput(field, shown(word), "one of " + ", ".join(TYPES))
    return name


@click.command(
    cls=Verb,
    examples=(
        "queuectl events --last 20",
        "queuectl events --since 100 --type failed --type dead",
        "queuectl events --job job1 --actor ann@host",
        "queuectl events --follow --queue mail --json",
    ),
)
@click.option("--since", type=log_point, metavar="POS|TIME", help="From there on.")
@click.option("--until", type=log_point, metavar="POS|TIME", help="Up to there.")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=Words(_type),
    callback=joined,
    metavar="TYPE",
    shell_complete=completions.event_types,
    help="Only these; may be repeated, or several with commas between them.",
)
@click.option(
    "--job", metavar="JOB", shell_complete=completions.jobs(), help="Only of this job, and of earlier ones of its id."
)
@queue_option(help="Only of jobs in this queue.")
@click.option("--actor", metavar="WHO", help="Only what this user@host or worker did.")
@click.option("--limit", type=whole(1), metavar="N", help="The first so many.")
@click.option("--last", "-n", type=whole(1), metavar="N", help="The newest so many.")
@click.option("--follow", "-f", is_flag=True, help="Go on with those to come, until Ctrl-C.")
@json_option
@pass_session
def command(
    session: Session,
    *,
    since: LogPoint | None,
    until: LogPoint | None,
    types: tuple[str, ...],
    job: str | None,
    queue: str | None,
    actor: str | None,
    limit: int | None,
    last: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show the events in the log."""
    if follow and until is not None:
        raise click.UsageError("--follow has no end; leave out --until")
    if limit is not None and last is not None:
        raise click.UsageError("--limit is for the first, --last for the newest; choose one")
    opened = session.reading()
    after, end = _bounds(opened, since, until)
    job = None if job is None else opened.ui.match_id(job, or_removed=True)
    choice: dict[str, Any] = {"types": types or None, "job": job, "queue": queue, "actor": actor}
    if follow:
        tell_unknown(opened, queue)
        _follow(opened, after, choice, limit, last, as_json)
        return
    found = opened.events(after=after, until=end, limit=limit, last=last, **choice)
    first = next(found, None)
    if first is not None:
        _print(opened, chain([first], found), as_json)
        return
    if as_json:
        json_array([])
    if not tell_unknown(opened, queue) and not as_json:
        note("No such events.")


def _bounds(queue: Queue, since: LogPoint | None, until: LogPoint | None) -> tuple[int, int | None]:
    after, end = 0, None
    if since is not None:
        before = max((since.position or 0) - 1, 0)
        after = before if since.at_us is None else queue.log.position_at(at_us=max(since.at_us - 1, 0))
    if until is not None:
        end = queue.log.position_at(at_us=until.at_us) if until.at_us is not None else until.position
    return after, end


def _print(queue: Queue, events: Iterator[Recorded], as_json: bool) -> None:
    from ..output.event_text import Names

    names = Names(queue)
    if as_json:
        json_array(_document(recorded, names) for recorded in events)
        return
    _pages(events, names)


def _pages(events: Iterator[Recorded], names: "Names") -> None:
    from ..output.event_text import COLUMNS, event_row

    def pages() -> Iterator[list[tuple[str, ...]]]:
        while page := [
            event_row(each, names.job_of(each), names.cause_of(each)) for each in islice(events, ROWS_AT_ONCE)
        ]:
            yield page

    paged_table(COLUMNS, pages())


def _document(recorded: Recorded, names: "Names") -> dict[str, Any]:
    from ...queries.json_form import event_json

    return event_json(recorded, names.job_of(recorded), names.cause_of(recorded))


def _follow(
    queue: Queue, after: int, choice: Mapping[str, Any], limit: int | None, last: int | None, as_json: bool
) -> None:
    from ..output.event_text import Names

    names = Names(queue)
    shown = 0

    def counted(events: Iterator[Recorded]) -> Iterator[Recorded]:
        nonlocal shown
        for recorded in events:
            shown += 1
            yield recorded

    while True:
        head = queue.log.head()
        left = None if limit is None else limit - shown
        found = counted(queue.events(after=after, until=head, limit=left, last=last, **choice))
        if as_json:
            for recorded in found:
                json_line(_document(recorded, names))
        else:
            _pages(found, names)
        if shown == limit:
            return
        after, last = head, None
        sys.stdout.flush()
        check_reader()
        queue.log.wait_for_change(head, LOOK_EVERY_S)
