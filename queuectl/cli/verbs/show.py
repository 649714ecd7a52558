"""`queuectl show`: jobs in full."""

from typing import TYPE_CHECKING, NamedTuple

import click

from ...display import as_typed
from ..command import Verb
from ..exit_codes import do_each
from ..input import completions
from ..input.param_types import LogPoint, as_of_option, json_option
from ..output.format import escape
from ..output.table import document_of_each, line, pairs
from ..session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...core.job import Job
    from ...core.results import Cause, Run
    from ...queue import Queue


class _Found(NamedTuple):
    """A job with what its row does not have: `missing` bytes of its last run's output were not kept.

    `output_error` is what kept the disk from taking them, if it did not.
    """

    job: "Job"
    inherited: "Mapping[str, str | None]"
    cause: "Cause | None"
    earlier: int | None
    missing: int | None
    output_error: str | None


@click.command(
    cls=Verb,
    examples=("queuectl show job1", "queuectl show job1 job2", "queuectl show job1 --as-of '5m ago'"),
)
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...", shell_complete=completions.jobs())
@as_of_option
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context, session: Session, *, job_ids: tuple[str, ...], as_of: LogPoint | None, as_json: bool
) -> None:
    """Show everything about jobs as they stand, or as they stood.

    With --json one job is an object, and several are a list. Exits 1 when one of them was refused; the others
    are shown all the same.
    """
    queue = session.reading()
    seen = session.seen(as_of)

    def found(job_id: str) -> "_Found":
        job = seen.job(queue.ui.match_id(job_id, or_removed=as_of is not None))
        run = None if as_of else _last_ended(queue, job)
        missing, output_error = (None, None) if run is None else (queue.ui.cut_bytes(run), run.output_error)
        cause, earlier = queue.log.cause_of(job.number), queue.log.earlier(job)
        return _Found(job, queue.ui.inherited_env(job), cause, earlier, missing, output_error)

    jobs, code = do_each(job_ids, found)
    if as_json:
        from ...queries.json_form import cause_json, job_json

        documents = [
            {
                **job_json(job),
                "inherited": dict(inherited),
                "caused_by": cause_json(cause),
                "earlier": earlier,
                "output_cut_bytes": missing,
                "output_error": output_error,
            }
            for job, inherited, cause, earlier, missing, output_error in jobs
        ]
        document_of_each(documents, is_several=len(job_ids) > 1)
    else:
        from ..output.event_text import cause_text
        from ..output.job_text import gone_workers, job_details

        for place, (job, inherited, cause, earlier, missing, output_error) in enumerate(jobs):
            if place:
                line()
            by = escape(cause_text(cause)) if cause else ""
            before = f"a job had this id before it; see: queuectl history {as_typed(job.id)}" if earlier else ""
            gone = gone_workers(seen, [job])
            cut = f"{missing:,} bytes of what the last run printed were not kept" if missing else ""
            cut += f": {escape(output_error)}" if output_error else ""
            told = [("output", cut), ("caused by", by), ("earlier", before)]
            pairs([*job_details(job, inherited, gone=gone), *told])
    ctx.exit(code)


def _last_ended(queue: "Queue", job: "Job") -> "Run | None":
    """Return a job's last run that has ended, None where none has or it is gone."""
    if job.last is None:
        return None
    ended = [run for run in queue.runs(job.id) if run.state != "running"]
    return ended[-1] if ended else None
