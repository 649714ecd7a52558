"""`queuectl subscriptions`: how far programs that subscribed have read the log."""

from typing import TYPE_CHECKING

import click

from ..command import ListingSet
from ..input import completions
from ..input.param_types import json_option, whole
from ..output.format import duration, escape, moment
from ..output.table import Column, document, line, note, on_terminal, table
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...core.results import Subscriber

COLUMNS = (
    Column("NAME"),
    Column("POSITION", right=True, spare=3),
    Column("BEHIND", right=True),
    Column("FOR", right=True, spare=1),
    Column("MOVED", spare=2),
    Column("NOTE", wide=True),
)


@click.group(cls=ListingSet)
def command() -> None:
    """See how far programs that subscribed to the log have read.

    Lists them where no verb is typed.
    """


@command.command("list", examples=("queuectl subscriptions list",))
@json_option
@pass_session
def list_all(session: Session, *, as_json: bool) -> None:
    """List the subscriptions.

    Where each is, and how far behind the log, in events and in time.
    """
    found = session.reading().log.subscriptions()
    if as_json:
        from ...queries.json_form import subscriber_json

        document([subscriber_json(each) for each in found])
    elif found:
        table(COLUMNS, [_row(each) for each in found])
    else:
        note("No subscriptions; a program makes one with Queue.subscribe(NAME).")


@command.command("rewind", examples=("queuectl subscriptions rewind mailer 1200",))
@click.argument("name", shell_complete=completions.subscriptions)
@click.argument("position", metavar="POS", type=whole(0))
@json_option
@pass_session
def rewind(session: Session, *, name: str, position: int, as_json: bool) -> None:
    """Set a subscription back.

    The events after POS are given again, with 0 all of them. A program that reads it now is
    refused when it next acknowledges; start it again.
    """
    session.existing().log.rewind(name, position)
    if as_json:
        document({"name": name, "position": position})
    else:
        line(f"Rewound {escape(name)} to {position}")


@command.command("remove", examples=("queuectl subscriptions remove mailer",))
@click.argument("name", shell_complete=completions.subscriptions)
@json_option
@pass_session
def remove(session: Session, *, name: str, as_json: bool) -> None:
    """Forget a subscription.

    A program that reads it now is refused when it next acknowledges.
    """
    session.existing().log.remove(name)
    if as_json:
        document({"name": name})
    else:
        line(f"Removed subscription {escape(name)}")


def _row(each: "Subscriber") -> tuple[str, ...]:
    return (
        escape(each.name),
        str(each.position),
        f"{each.lag:,}",
        duration(each.lag_s) if each.lag else "",
        moment(each.moved_at_us, short=on_terminal()),
        "events it has not read may be gone, by retention" if each.may_lack else "",
    )
