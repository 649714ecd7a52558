"""`queuectl list`: the jobs there are."""

from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from ...core.job import JobState
from ...core.job_filter import ORDER_KEYS, Filter
from ..command import Verb
from ..input import completions
from ..input.bulk_options import filter_from, filter_options
from ..input.job_ref import tell_unknown
from ..input.param_types import LogPoint, as_of_option, json_option, now_us, whole
from ..output.format import escape
from ..output.table import SCREENFUL, json_array, note, paged_table
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...history.past import Past
    from ...queue import Queue

ROWS_AT_ONCE = 500
"""Rows whose widths are fitted to each other; a table of all would have to be held whole."""


@click.command(
    cls=Verb,
    examples=(
        "queuectl list",
        "queuectl list --state dead --json",
        "queuectl list --queue mail --limit 20",
        "queuectl list --label team=a --label urgent",
        "queuectl list --state failed --state dead --since yesterday --match rsync",
        "queuectl list --state completed --order -took --columns id,took,command",
        "queuectl list --running-longer-than 10m",
        "queuectl list --state processing --as-of 10:00",
    ),
)
@filter_options()
@click.option("--order", metavar="KEY", help=f"{', '.join(ORDER_KEYS)}; -KEY for the largest first.")
@click.option(
    "--columns", metavar="NAMES", help="Which columns, for example id,took,error; a wrong one tells them all."
)
@click.option(
    "--limit", "-n", type=whole(0), metavar="N", help=f"At most so many; 0 is all.  [{SCREENFUL}; --json: all]"
)
@click.option("--after", metavar="ID", shell_complete=completions.jobs(), help="Go on after this one.")
@as_of_option
@json_option
@pass_session
def command(
    session: Session,
    /,
    *,
    order: str | None,
    columns: str | None,
    limit: int | None,
    after: str | None,
    as_of: LogPoint | None,
    as_json: bool,
    **options: Any,
) -> None:
    """List jobs.

    Waiting ones by when they run where --state asks for them, ended ones by their last change, the last
    first, others newest first. --since and --until are about a job's last change: when it was enqueued,
    claimed, ended or edited last.
    """
    where = filter_from(options) or Filter()
    if as_json and columns:
        raise click.UsageError("--columns is for the table; --json gives every field")
    opened = session.seen(as_of)
    if as_of is not None and where.running_since_us is not None:  # for so long at that moment
        where = where._replace(running_since_us=where.running_since_us - now_us() + opened.ui.now_us())
    most = SCREENFUL if limit is None and not as_json else limit or None
    after = None if after is None else session.reading().ui.match_id(after, or_removed=as_of is not None)
    is_unknown = tell_unknown(session.reading(), where.queue, opened)
    found = opened.ui.each_job(where, order=order, limit=most, after=after)
    if as_json:
        from ...queries.json_form import job_json

        json_array(map(job_json, found))
        return
    from ..output.job_text import Rows, chosen_columns, gone_workers

    wanted = chosen_columns(columns)
    first = list(islice(found, ROWS_AT_ONCE))
    if not first:
        if not is_unknown:
            note(_nothing(where, after, as_of))
        return
    shown = Rows(wanted, opened.ui.now_us(), gone=gone_workers(opened, first))
    paged_table(shown.columns, map(shown.of, chain([first], iter(lambda: list(islice(found, ROWS_AT_ONCE)), []))))
    if limit is None and opened.jobs(where, order=order, limit=1, after=first[-1].id):
        note(_more(opened, where, after, len(first), first[-1].id))


def _nothing(where: Filter, after: str | None, as_of: LogPoint | None) -> str:
    if where.is_counted and where != Filter() and not after and not as_of:
        names = [
            "running" if state is JobState.PROCESSING else str(state)
            for state in JobState
            if state in where.named_states
        ]
        are = f" are {' or '.join(names)}" if names else ""
        return f"No jobs{are}{'' if where.queue is None else f' in queue {escape(where.queue)}'}."
    if where != Filter() or after or as_of:
        return "No such jobs."
    return 'No jobs; enqueue one: queuectl enqueue ID "COMMAND"'


def _more(opened: "Queue | Past", where: Filter, after: str | None, shown: int, last: str) -> str:
    # Behind --after it is not known how many went before.
    left = f"{max(opened.ui.count(where) - shown, 1):,} " if where.is_counted and not after else ""
    return f"... and {left}more; --limit 0 shows all, --after {escape(last)} goes on"
