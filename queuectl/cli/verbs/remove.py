"""`queuectl remove`: take ended jobs out of the views, those named or those that a filter means."""

from typing import Any

import click

from ...core.results import Acted
from ..command import Verb
from ..input import completions
from ..input.bulk_options import act_on_all, acting_options, meant, say_acted
from ..input.job_ref import each_named_job
from ..session import Session, pass_session

SAID = ("Remove", "Removed")


@click.command(
    cls=Verb,
    examples=(
        "queuectl remove job1 job2",
        "queuectl remove --queue mail --until '30d ago' --dry-run",
        "queuectl remove --state cancelled --match rsync",
    ),
)
@acting_options(completions.ENDED_STATES)
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    /,
    *,
    job_ids: tuple[str, ...],
    reason: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Remove ended jobs: completed, dead or cancelled ones.

    Their history stays in the log, what they printed goes, and their ids are free again. Name the jobs, or
    say which: these are counted, and it asks first. Exits 1 when one of those named was refused; the others
    are removed all the same.
    """
    where, consent = meant(job_ids, options)
    queue, code = session.existing(), 0
    if where is not None:
        acted = act_on_all(queue, "remove", where, said=SAID, consent=consent, reason=reason)
    else:
        removed, code = each_named_job(queue, job_ids, lambda job_id: queue.remove(job_id, reason=reason)[0])
        acted = Acted(removed, 0)
    if as_json or acted.ids or where is not None:
        say_acted(acted, SAID, consent, as_json=as_json)
    ctx.exit(code)
