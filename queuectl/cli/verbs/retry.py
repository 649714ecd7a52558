"""`queuectl retry`: run jobs again now."""

from typing import Any

import click

from ...job import JobState
from .. import offers
from ..choosing import (
    Consent,
    act_on_all,
    acted_json,
    consent_options,
    filter_from,
    filter_options,
    named_or_meant,
    tell_acted,
)
from ..context import Session, pass_session
from ..exits import each
from ..naming import taken
from ..params import json_option, reason_option
from ..render import document, line
from ..text import escape
from ..verb import Verb

SAID = ("Retry", "Requeued")
BADLY = (JobState.FAILED, JobState.DEAD)


@click.command(
    cls=Verb,
    examples=(
        'queuectl retry job1 --reason "the disk is back"',
        "queuectl retry --queue mail --since yesterday",
        "queuectl retry --state cancelled --match rsync --yes",
    ),
)
@click.argument("job_ids", nargs=-1, metavar="[JOB...]", shell_complete=offers.jobs(*offers.AGAIN))
@filter_options(offers.AGAIN)
@consent_options
@reason_option
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    /,
    *,
    job_ids: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    reason: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run jobs again, now.

    Name jobs that failed, completed, died or were cancelled, or say which: these are counted, and it
    asks first; without --state they are those that failed or died. Exits 1 when one of those named
    was refused; the others run all the same.
    """
    where, consent = filter_from(options, state=BADLY), Consent(yes, dry_run)
    named_or_meant(job_ids, where, consent)
    queue = session.existing()
    if where is not None:
        acted = act_on_all(queue, "retry", where, said=SAID, consent=consent, reason=reason)
        document(acted_json(acted, consent)) if as_json else tell_acted(acted, SAID, consent)
        return
    jobs, code = each(job_ids, lambda job_id: queue.retry(taken(queue, job_id), reason=reason))
    if as_json:
        from ...documents import job_json

        document([job_json(job) for job in jobs])
    else:
        for job in jobs:
            line(f"Requeued {escape(job.id)}")
    ctx.exit(code)
