"""`queuectl migrate`: bring the store up to this release."""

import click

from ..command import Verb
from ..exit_codes import REFUSED
from ..input.param_types import json_option
from ..output.format import escape
from ..output.progress import progress
from ..output.table import document, line
from ..session import Session, pass_session


@click.command(cls=Verb, examples=("queuectl migrate --check", "queuectl migrate"))
@click.option("--check", is_flag=True, help="Only tell what is to be done; exit 1 where there is something.")
@json_option
@pass_session
@click.pass_context
def command(ctx: click.Context, session: Session, *, check: bool, as_json: bool) -> None:
    """Bring a store of an older release up to this one.

    Whatever opens the queue does the same by itself; this is to choose the moment. The log is never
    rewritten. Interrupted, it leaves the store as it was, and the next one completes it.
    """
    from ...queue import Queue

    left = "{:,} events done; the store is as it was; type it again, it begins anew".format
    with progress("Making the views", left=left) as shown:
        found = Queue.migrate(session.path, check=check, progress=shown.done)
    if as_json:
        document({"checked": check, "steps": found.steps, "notes": found.notes})
    else:
        for step in found.steps:
            line(escape(f"{'To do' if check else 'Done'}: {step}"))
        for told in found.notes:
            line(escape(f"Note: {told}"))
        if not found.steps:
            line("There is nothing to do")
    if check and found.steps:
        ctx.exit(REFUSED)
