"""`queuectl status`: the queue at a glance."""

from typing import TYPE_CHECKING

import click

from ..context import Session, pass_session
from ..params import Place, as_of_option, json_option
from ..render import document, json_line, line, on_terminal
from ..verb import Verb

if TYPE_CHECKING:
    from ...asof import Past
    from ...queue import Queue

REFRESH_S = 1.0


@click.command(
    cls=Verb,
    examples=(
        "queuectl status",
        "queuectl status --json",
        "queuectl status --as-of 'yesterday 17:30'",
    ),
)
@click.option("--watch", is_flag=True, help="Show it again whenever something happened, until Ctrl-C.")
@as_of_option
@json_option
@pass_session
def command(session: Session, *, watch: bool, as_of: Place | None, as_json: bool) -> None:
    """Show how many jobs are in which state, and who works."""
    if watch and as_of is not None:
        raise click.UsageError("the past does not change; leave out --watch or --as-of")
    if watch:
        _watch(session, as_json)
    else:
        _print(session.seen(as_of), as_json)


def _print(queue: "Queue | Past", as_json: bool, *, one_line: bool = False) -> None:
    if as_json:
        from ...documents import status_json

        (json_line if one_line else document)(status_json(queue.status()))
        return
    from ..glance import glance

    for each in glance(queue):
        line(each)


def _watch(session: Session, as_json: bool) -> None:
    queue = session.reading()
    while True:
        head = queue.head()
        if on_terminal() and not as_json:
            click.clear()
        _print(queue, as_json, one_line=True)
        queue.wait_for_change(head, REFRESH_S)
        if not on_terminal() or as_json:
            while not queue.wait_for_change(head, REFRESH_S):
                pass
