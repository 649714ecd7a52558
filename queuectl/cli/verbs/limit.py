"""`queuectl limit`: what jobs share, how much of it may be in use at once, and how many may start in a time."""

from typing import TYPE_CHECKING, Literal

import click

from ...core.limits import MOST_UNITS, check_running, limit_of_rate
from ..command import ListingSet
from ..input import completions
from ..input.param_types import JobValue, json_option, reason_option, whole
from ..output.format import duration, escape, moment, plural
from ..output.table import Column, document, line, note, on_terminal, pairs, table
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...core.results import LimitState

COLUMNS = (
    Column("LIMIT"),
    Column("USED", right=True),
    Column("OF", right=True),
    Column("RATE"),
    Column("NEXT START", spare=1),
    Column("BY", spare=2),
    Column("REASON", wide=True),
)

MOST_SHOWN = 50


def _running(field: str, text: str) -> int | Literal["none"]:
    is_number = text.isascii() and text.isdigit()
    found = check_running(int(text[:12]) if is_number else text)
    return "none" if found is None else found


def _rate_text(field: str, text: str) -> str:
    limit_of_rate(text)
    return text


@click.group(cls=ListingSet)
def command() -> None:
    """Limit how many jobs run at once, and how many start in a time.

    Lists the limits where no verb is typed.
    """


@command.command(
    "set",
    examples=(
        "queuectl limit set api --running 5 --rate 100/min",
        "queuectl limit set user --running 2 --reason 'two for each user'",
        "queuectl limit set queue:mail --running 4",
    ),
)
@click.argument("name", shell_complete=completions.limits)
@click.option(
    "--running",
    type=JobValue(_running),
    metavar="N|none",
    help="Units that may be in use at once; 0 lets nothing start.",
)
@click.option(
    "--rate", type=JobValue(_rate_text), metavar="N/TIME|none", help="How many may start: 100/min, 5/s, 10/30s."
)
@click.option(
    "--burst", type=whole(1, MOST_UNITS), metavar="N", help="How many of these may start at once.  [default: 1]"
)
@reason_option
@json_option
@pass_session
def set_limit(
    session: Session,
    *,
    name: str,
    running: int | Literal["none"] | None,
    rate: str | None,
    burst: int | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Set a limit, or change one: what is not said stays as it was.

    Jobs use it by `enqueue --use`: NAME, NAME=UNITS, or NAME:VALUE, where each value counts by itself. NAME:VALUE
    limits that value alone, and queue:NAME all jobs of a queue. What runs is not stopped.
    """
    is_news = session.created().limits.set(name, running=running, rate=rate, burst=burst, reason=reason)
    if as_json:
        document({"limit": name, "changed": is_news})
    else:
        line(f"Set limit {escape(name)}" if is_news else f"Limit {escape(name)} was so already")


@command.command("list", examples=("queuectl limit list",))
@json_option
@pass_session
def list_limits(session: Session, *, as_json: bool) -> None:
    """List the limits, and how much of each is in use."""
    limits = session.reading().limits.list()
    if as_json:
        from ...queries.json_form import limit_json

        document([limit_json(each) for each in limits])
    elif limits:
        table(COLUMNS, [_row(each) for each in limits])
    else:
        note("No limits; queuectl limit set NAME --running N sets one.")


@command.command("show", examples=("queuectl limit show api",))
@click.argument("name", shell_complete=completions.limits)
@json_option
@pass_session
def show(session: Session, *, name: str, as_json: bool) -> None:
    """Show a limit, which jobs use it, and how many wait for room."""
    queue = session.reading()
    state = queue.limits.state(name)
    holders, values, waiting = queue.limits.holders(name), queue.limits.values(name), queue.limits.waiting(name)
    if as_json:
        from ...queries.json_form import limit_json

        ids = [job.id for job in holders]
        document(limit_json(state) | {"holders": ids, "values": values, "waiting": waiting})
        return
    pairs(
        [
            ("limit", escape(state.name)),
            ("used", f"{state.used:,} of {_of(state)}"),
            ("rate", _rate(state)),
            ("next start", moment(state.next_start_us)),
            *(
                ("value", f"{escape(each)}: {plural(count, 'job')}")
                for each, count in list(values.items())[:MOST_SHOWN]
            ),
            *(("used by", escape(job.id)) for job in holders[:MOST_SHOWN]),
            ("waiting", plural(waiting, "job") if waiting else ""),
            ("set", f"{moment(state.set_at_us)} by {escape(state.by)}"),
            ("reason", escape(state.reason or "")),
        ]
    )


@command.command("remove", examples=("queuectl limit remove api",))
@click.argument("name", shell_complete=completions.limits)
@click.option("--force", "-f", is_flag=True, help="Also one that jobs use: they wait until it is set again.")
@reason_option
@json_option
@pass_session
def remove(session: Session, *, name: str, force: bool, reason: str | None, as_json: bool) -> None:
    """Remove a limit."""
    session.existing().limits.remove(name, force=force, reason=reason)
    if as_json:
        document({"limit": name})
    else:
        line(f"Removed limit {escape(name)}")


def _of(state: "LimitState") -> str:
    return "any number" if state.running is None else f"{state.running:,}"


def _rate(state: "LimitState") -> str:
    if state.starts is None or state.period_s is None:
        return ""
    burst = f", {state.burst:,} at once" if state.burst > 1 else ""
    return f"{state.starts:,} in {duration(state.period_s)}{burst}"


def _row(state: "LimitState") -> tuple[str, ...]:
    return (
        escape(state.name),
        f"{state.used:,}",
        "" if state.running is None else f"{state.running:,}",
        _rate(state),
        "" if state.next_start_us is None else moment(state.next_start_us, short=on_terminal()),
        escape(state.by),
        escape(state.reason or ""),
    )
