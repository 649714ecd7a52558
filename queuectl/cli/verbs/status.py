"""`queuectl status`: the queue at a glance."""

import click

from ..command import Verb
from ..input.job_ref import tell_unknown
from ..input.param_types import LogPoint, as_of_option, json_option, queue_option
from ..output.table import document, line
from ..session import Session, pass_session


@click.command(
    cls=Verb,
    examples=(
        "queuectl status",
        "queuectl status --queue mail",
        "queuectl status --json",
        "queuectl status --as-of 'yesterday 17:30'",
        "queuectl status --watch",
    ),
)
@queue_option(help="Only the jobs of this queue, and the workers that serve it.")
@click.option(
    "--watch",
    "-w",
    is_flag=True,
    help="Show it again whenever something happened; on a terminal as top.",
)
@as_of_option
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context, session: Session, *, queue: str | None, watch: bool, as_of: LogPoint | None, as_json: bool
) -> None:
    """Show how many jobs are in which state, and who works.

    On a terminal a screenful of queues is listed, first those where something is to be done.
    With --watch on a terminal as `queuectl top`; elsewhere a block a change, with --json a line a change.
    """
    if watch and as_of is not None:
        raise click.UsageError("the past does not change; leave out --watch or --as-of")
    if not watch:
        _print(session, as_of, queue, as_json)
        return
    tell_unknown(session.reading(), queue)
    from ..top import frame, start

    if start.is_possible() and not as_json:
        ctx.exit(start.show(session.reading(), frame.TopFilter(None, queue)))
    from ..output.watch import watch_status

    watch_status(session.reading(), queue, as_json=as_json)


def _print(session: Session, as_of: LogPoint | None, queue: str | None, as_json: bool) -> None:
    past = None if as_of is None else session.past(as_of)
    tell_unknown(session.reading(), queue, past)
    if as_json:
        from ...queries.json_form import status_json

        document(status_json((session.reading() if past is None else past).status(queue=queue)))
        return
    from ..output.status_text import glance, glance_back

    lines = glance(session.reading(), queue) if past is None else glance_back(past, queue)
    for each in lines:
        line(each)
