"""`queuectl clear`: take ended jobs out of the views."""

from typing import Any

import click

from ...core.job import ENDED, JobState
from ...core.times import before_us
from ..command import Verb
from ..input.bulk_options import Consent, act_on_all, consent_options, filter_from, filter_options, tell_acted
from ..input.param_types import duration_s, json_option, now_us, reason_option
from ..output.table import document
from ..session import Session, pass_session

SAID = ("Clear", "Cleared")


@click.command(
    cls=Verb,
    examples=(
        "queuectl clear --older-than 2d",
        "queuectl clear --state completed --state cancelled --queue mail --dry-run",
    ),
)
@filter_options(ENDED)
@click.option("--older-than", type=duration_s, metavar="DURATION", help="Only those that ended so long ago: 1h30m, 2d.")
@consent_options
@reason_option
@json_option
@pass_session
def command(
    session: Session,
    /,
    *,
    older_than: float | None,
    yes: bool,
    dry_run: bool,
    reason: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Remove ended jobs from the lists.

    Completed ones, unless --state names others. Their history stays in the log, and their ids are free
    again. On a terminal it asks first; without one it goes ahead.
    """
    if older_than is not None:
        if options["until_us"] is not None:
            raise click.UsageError("--older-than and --until say the same thing; leave one out")
        options["until_us"] = before_us(older_than, now_us=now_us(), field="older-than")
    options["state"] = options["state"] or (JobState.COMPLETED,)
    where, consent = filter_from(options), Consent(yes, dry_run, lenient=True)
    assert where is not None, "a state is always asked for"
    acted = act_on_all(session.existing(), "remove", where, said=SAID, consent=consent, reason=reason)
    if as_json:
        kind = "would_clear" if dry_run else "cleared"
        document({kind: len(acted.ids), "ids": acted.ids} if dry_run else {kind: len(acted.ids)})
    else:
        [*others, last] = sorted(where.named_states)
        tell_acted(acted, SAID, consent, noun=f"{', '.join(others)}{' or ' if others else ''}{last} job")
