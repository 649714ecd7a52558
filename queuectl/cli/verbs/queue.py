"""`queuectl queue`: whole queues, paused and resumed."""

from typing import TYPE_CHECKING

import click

from ...core.times import moment_of
from ..command import ListingSet
from ..input import completions
from ..input.job_ref import tell_unknown
from ..input.param_types import json_option, reason_option, time_us
from ..output.format import duration, escape, moment
from ..output.table import Column, document, line, note, on_terminal, table
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...core.results import PausedQueue

COLUMNS = (
    Column("QUEUE"),
    Column("PAUSED FOR", right=True),
    Column("UNTIL", spare=1),
    Column("BY", spare=2),
    Column("REASON", wide=True),
)


@click.group(cls=ListingSet)
def command() -> None:
    """Hold whole queues, and let them go on.

    Lists those that are paused where no verb is typed.
    """


@command.command("list", examples=("queuectl queue list", "queuectl queue list --json"))
@json_option
@pass_session
def list_paused(session: Session, *, as_json: bool) -> None:
    """List the queues that are paused.

    `queuectl status` has all queues and their jobs.
    """
    queue = session.reading()
    paused = queue.queues.paused()
    if as_json:
        from ...queries.json_form import paused_queue_json

        document([paused_queue_json(each) for each in paused])
    elif paused:
        now_us = queue.ui.now_us()
        table(COLUMNS, [_row(each, now_us) for each in paused])
    else:
        note("No queue is paused.")


@command.command(
    "pause",
    examples=(
        "queuectl queue pause mail --reason 'the server is down'",
        "queuectl queue pause mail --until 'tomorrow 7:00'",
    ),
)
@click.argument("name", shell_complete=completions.queues)
@click.option(
    "--until", "until_us", type=time_us, metavar="TIME", help="It ends by itself then: 17:30, tomorrow 9am, in 2h."
)
@reason_option
@json_option
@pass_session
def pause(session: Session, *, name: str, until_us: int | None, reason: str | None, as_json: bool) -> None:
    """Start no job of a queue until it is resumed; what runs goes on.

    Jobs may be enqueued meanwhile. Again with another --until it ends then.
    """
    queue = session.existing()
    tell_unknown(queue, name)
    until = None if until_us is None else moment_of(until_us)
    is_news = queue.queues.pause(name, until=until, reason=reason)
    if as_json:
        document({"queue": name, "paused": True, "changed": is_news})
        return
    ends = "" if until_us is None else f" until {moment(until_us)}"
    line(f"Paused queue {escape(name)}{ends}" if is_news else f"Queue {escape(name)} was paused already{ends}")


@command.command("resume", examples=("queuectl queue resume mail",))
@click.argument("name", shell_complete=completions.paused_queues)
@reason_option
@json_option
@pass_session
def resume(session: Session, *, name: str, reason: str | None, as_json: bool) -> None:
    """Let the jobs of a queue start again."""
    is_news = session.existing().queues.resume(name, reason=reason)
    if as_json:
        document({"queue": name, "paused": False, "changed": is_news})
    else:
        line(f"Resumed queue {escape(name)}" if is_news else f"Queue {escape(name)} was not paused")


def _row(each: "PausedQueue", now_us: int) -> tuple[str, ...]:
    return (
        escape(each.name),
        duration(max(0, now_us - each.paused_at_us) / 1_000_000),
        "" if each.until_us is None else moment(each.until_us, short=on_terminal()),
        escape(each.by),
        escape(each.reason or ""),
    )
