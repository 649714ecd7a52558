"""`queuectl status`: the queue at a glance."""

import click

from ..context import Session, pass_session
from ..params import json_option
from ..render import document, json_line, line, on_terminal
from ..verb import Verb

REFRESH_S = 1.0


@click.command(
    cls=Verb,
    examples=(
        "queuectl status",
        "queuectl status --json",
    ),
)
@click.option("--watch", is_flag=True, help="Show it again whenever something happened, until Ctrl-C.")
@json_option
@pass_session
def command(session: Session, *, watch: bool, as_json: bool) -> None:
    """Show how many jobs are in which state, and who works."""
    if watch:
        _watch(session, as_json)
    else:
        _print(session, as_json)


def _print(session: Session, as_json: bool, *, one_line: bool = False) -> None:
    queue = session.reading()
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
        _print(session, as_json, one_line=True)
        queue.wait_for_change(head, REFRESH_S)
        if not on_terminal() or as_json:
            while not queue.wait_for_change(head, REFRESH_S):
                pass
