"""`queuectl show`: jobs in full."""

from typing import TYPE_CHECKING

import click

from ...display import as_typed
from .. import offers
from ..context import Session, pass_session
from ..exits import each
from ..params import Place, as_of_option, json_option
from ..render import document_of_each, line, pairs
from ..text import escape
from ..verb import Verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...answers import Cause
    from ...job import Job


@click.command(
    cls=Verb,
    examples=("queuectl show job1", "queuectl show job1 job2", "queuectl show job1 --as-of '5m ago'"),
)
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...", shell_complete=offers.jobs())
@as_of_option
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context, session: Session, *, job_ids: tuple[str, ...], as_of: Place | None, as_json: bool
) -> None:
    """Show everything about jobs as they stand, or as they stood.

    With --json one job is an object, and several are a list. Exits 1 when one of them was refused; the others
    are shown all the same.
    """
    queue = session.reading()
    seen = session.seen(as_of)

    def found(job_id: str) -> "tuple[Job, Mapping[str, str | None], Cause | None, int | None]":
        job = seen.job(queue.match_id(job_id, or_removed=as_of is not None))
        return job, queue.inherited_env(job), queue.cause_of(job.number), queue.earlier(job)

    jobs, code = each(job_ids, found)
    if as_json:
        from ...documents import cause_json, job_json

        documents = [
            {**job_json(job), "inherited": dict(inherited), "caused_by": cause_json(cause), "earlier": earlier}
            for job, inherited, cause, earlier in jobs
        ]
        document_of_each(documents, is_several=len(job_ids) > 1)
    else:
        from ..jobtext import details, gone_workers
        from ..story import cause_text

        for place, (job, inherited, cause, earlier) in enumerate(jobs):
            if place:
                line()
            by = escape(cause_text(cause)) if cause else ""
            before = f"a job had this id before it; see: queuectl history {as_typed(job.id)}" if earlier else ""
            gone = gone_workers(seen, [job])
            pairs([*details(job, inherited, gone=gone), ("caused by", by), ("earlier", before)])
    ctx.exit(code)
