"""`queuectl wait`: until jobs have ended."""

from typing import TYPE_CHECKING, Any

import click

from ...core.job import JobState
from ...core.job_filter import Filter
from ..command import Verb
from ..exit_codes import REFUSED
from ..input import completions
from ..input.bulk_options import TOLD, Consent, filter_from, filter_options, named_or_meant
from ..input.job_ref import tell_unknown
from ..input.param_types import duration_s, json_option
from ..output.advice import Holdup
from ..output.format import escape, plural
from ..output.table import document, line, note
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...core.job import Job
    from ...core.results import Waited
    from ...queue import Queue


@click.command(
    cls=Verb,
    examples=(
        "queuectl wait job1 job2 --timeout 10m",
        "queuectl wait --queue mail",
        "queuectl wait --all --timeout 1h",
    ),
)
@click.argument("job_ids", nargs=-1, metavar="[JOB...]", shell_complete=completions.jobs(*completions.UNFINISHED))
@click.option("--all", "-a", "everything", is_flag=True, help="Every job that has not ended.")
@filter_options(completions.UNFINISHED)
@click.option("--timeout", "-t", type=duration_s, metavar="SECONDS", help="Give up after so long, and exit 124.")
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    /,
    *,
    job_ids: tuple[str, ...],
    everything: bool,
    timeout: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Wait until jobs have ended.

    Name them, or say which of those that have not ended now: what is enqueued later is not waited for. It
    says so where no running worker serves their queues. Exits 0 when all completed, 1 when any died or was
    cancelled, 124 when the time ran out.
    """
    where = filter_from(options)
    named_or_meant(job_ids, where, Consent(), everything)
    queue = session.reading()
    holdup = Holdup(queue)
    if job_ids:
        jobs = queue.wait(list(dict.fromkeys(map(queue.ui.match_id, job_ids))), timeout_s=timeout, on_look=holdup)
        _tell_named(jobs, as_json)
        is_well = all(job.state == JobState.COMPLETED for job in jobs)
    else:
        is_unknown = where is not None and tell_unknown(queue, where.queue)
        waited = queue.wait_all(where or Filter(), timeout_s=timeout, on_look=holdup)
        _tell_meant(waited, as_json, nobody="" if is_unknown else _nobody(queue, where))
        is_well = not waited.not_completed and not waited.gone
    if not is_well:
        ctx.exit(REFUSED)


def _nobody(queue: "Queue", where: Filter | None) -> str:
    """Return what is said where there was nothing to wait for, in all queues or in one."""
    name = None if where is None else where.queue
    dead = queue.status(queue=name).jobs[JobState.DEAD]
    of_it = "" if name is None else f" of queue {escape(name)}"
    told = f" {plural(dead, 'job')}{of_it} {'is' if dead == 1 else 'are'} dead: queuectl dlq list" if dead else ""
    return f"There was nothing to wait for.{told}"


def _tell_named(jobs: "list[Job]", as_json: bool) -> None:
    if as_json:
        from ...queries.json_form import job_json

        document([job_json(job) for job in jobs])
        return
    from ..output.job_text import state_text

    for job in jobs:
        line(f"{escape(job.id)} {state_text(job)}")


def _tell_meant(waited: "Waited", as_json: bool, *, nobody: str) -> None:
    counts = {str(state): count for state, count in waited.counts.items()}
    if as_json:
        others = [{"id": job_id, "state": str(state)} for job_id, state in waited.not_completed]
        document({**counts, "gone": waited.gone, "not_completed": others})
        return
    total = sum(counts.values()) + waited.gone
    if not total:
        if nobody:
            note(nobody)
        return
    told = [f"{count:,} {state}" for state, count in counts.items() if count]
    told += [f"{waited.gone:,} archived meanwhile"] if waited.gone else []
    line(f"Ended {plural(total, 'job')}: {', '.join(told)}")
    for job_id, state in waited.not_completed[:TOLD]:
        line(f"  {escape(job_id)} {state}")
    if len(waited.not_completed) > TOLD:
        line(f"  ... and {len(waited.not_completed) - TOLD:,} more; --json tells them all")
