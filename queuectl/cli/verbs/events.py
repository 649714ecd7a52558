"""`queuectl events`: the log itself, as it is or as it grows."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

import click

from ...errors import InvalidInput
from ...events.codec import LAYOUTS
from ...events.types import Recorded
from ...queue import Queue
from ..context import Session, pass_session
from ..params import Place, json_option, place
from ..render import json_array, json_line, note, paged_table
from ..verb import Verb

if TYPE_CHECKING:
    from ..story import Names

TYPES = tuple(layout.name for layout in LAYOUTS)
PAGE = 500
"""Events laid out together: a table of all of them would have to be held whole."""

POLL_S = 1.0


@click.command(
    cls=Verb,
    examples=(
        "queuectl events --since 100 --type failed --type dead",
        "queuectl events --follow --json",
    ),
)
@click.option("--since", type=place, metavar="POS|TIME", help="From there on.")
@click.option("--until", type=place, metavar="POS|TIME", help="Up to there.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only these; may be repeated.")
@click.option("--follow", "-f", is_flag=True, help="Go on with those to come, until Ctrl-C.")
@json_option
@pass_session
def command(
    session: Session,
    *,
    since: Place | None,
    until: Place | None,
    types: tuple[str, ...],
    follow: bool,
    as_json: bool,
) -> None:
    """Show the events in the log."""
    for name in types:
        if name not in TYPES:
            raise InvalidInput("type", repr(name), "one of " + ", ".join(TYPES))
    if follow and until is not None:
        raise click.UsageError("--follow has no end; leave out --until")
    queue = session.reading()
    after, end = _bounds(queue, since, until)
    if follow:
        _follow(queue, after, types, as_json)
    else:
        _print(queue, queue.events(after=after, until=end, types=types or None), as_json)


def _bounds(queue: Queue, since: Place | None, until: Place | None) -> tuple[int, int | None]:
    after, end = 0, None
    if since is not None:
        after = queue.position_at(since.at_us - 1) if since.at_us is not None else max((since.position or 0) - 1, 0)
    if until is not None:
        end = queue.position_at(until.at_us) if until.at_us is not None else until.position
    return after, end


def _print(queue: Queue, events: Iterator[Recorded], as_json: bool) -> None:
    from ..story import Names

    names = Names(queue)
    if as_json:
        from ...documents import event_json

        json_array(event_json(recorded, names.job_of(recorded)) for recorded in events)
        return
    first = next(events, None)
    if first is None:
        note("No such events.")
        return
    _pages(chain([first], events), names)


def _pages(events: Iterator[Recorded], names: "Names") -> None:
    from ..story import COLUMNS, row

    def pages() -> Iterator[list[tuple[str, ...]]]:
        while page := [row(recorded, names.job_of(recorded)) for recorded in islice(events, PAGE)]:
            yield page

    paged_table(COLUMNS, pages())


def _follow(queue: Queue, after: int, types: tuple[str, ...], as_json: bool) -> None:
    from ...documents import event_json
    from ..story import Names

    names = Names(queue)
    while True:
        head = queue.head()
        found = queue.events(after=after, until=head, types=types or None)
        if as_json:
            for recorded in found:
                json_line(event_json(recorded, names.job_of(recorded)))
        else:
            _pages(found, names)
        after = head
        queue.wait_for_change(head, POLL_S)
