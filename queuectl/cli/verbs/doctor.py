"""`queuectl doctor`: what is wrong with this queue, and what to type."""

import click

from ..command import Verb
from ..exit_codes import REFUSED
from ..input.param_types import json_option
from ..output.format import escape
from ..output.table import document, line, paint
from ..session import Session, pass_session

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command(
    cls=Verb,
    examples=(
        "queuectl doctor",
        "queuectl doctor --json",
    ),
)
@json_option
@pass_session
@click.pass_context
def command(ctx: click.Context, session: Session, *, as_json: bool) -> None:
    """Tell what is wrong with this queue, and what to type.

    Looks at the disk, the files, the clock, workers and views; `queuectl verify` looks at the log
    itself. Exits 1 where anything is wrong, warnings among it.
    """
    from ...integrity.doctor import examine

    found = examine(session.directory())
    if as_json:
        document([each._asdict() for each in found])
    else:
        for each in found:
            text = f"{each.check}: {each.found}" if each.found else each.check
            line(f"{paint(each.state.ljust(7), COLOURS[each.state])}  {escape(text)}")
            if each.do:
                line(f"         type: {escape(each.do)}")
    if any(each.state != "ok" for each in found):
        ctx.exit(REFUSED)
