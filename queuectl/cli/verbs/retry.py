"""`queuectl retry`: run jobs again now."""

from typing import TYPE_CHECKING, Any

import click

from ...core.job import Job, JobState
from ...display import as_typed
from ...errors import WrongState
from ..command import Verb
from ..input import completions
from ..input.bulk_options import act_on, acting_options, meant
from ..input.job_ref import named_job
from ..output.format import escape
from ..output.table import document, line
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...queue import Queue

SAID = ("Retry", "Requeued")
BADLY = (JobState.FAILED, JobState.DEAD)


@click.command(
    cls=Verb,
    examples=(
        'queuectl retry job1 --reason "the disk is back"',
        "queuectl retry --edit job1",
        "queuectl retry --queue mail --since yesterday",
        "queuectl retry --state cancelled --match rsync --yes",
    ),
)
@click.option("--edit", "edits", is_flag=True, help="Change one job in your editor first.")
@acting_options(completions.AGAIN)
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    /,
    *,
    job_ids: tuple[str, ...],
    edits: bool,
    **options: Any,
) -> None:
    """Run jobs again, now.

    Name jobs that failed, completed, died or were cancelled, or say which: these are counted, and it
    asks first; without --state they are those that failed or died. Exits 1 when one of those named
    was refused; the others run all the same.
    """
    if not edits:
        ctx.exit(act_on(session, "retry", job_ids, options, said=SAID, told=told_retried, state=BADLY))
    as_json, reason = options.pop("as_json"), options.pop("reason")
    meant(job_ids, options, state=BADLY)
    tell_retried([retry_edited(session.existing(), job_ids, reason=reason)], as_json=as_json)


def retry_edited(queue: "Queue", job_ids: tuple[str, ...], *, reason: str | None) -> Job:
    """Change one job in the editor, and run it again; in one transaction, or not at all.

    Raises WrongState before the editor opens for a job that cannot run again.
    """
    from ...core.edit import form_of
    from ..input.editor import changed, edit_until_done

    if len(job_ids) != 1:
        raise click.UsageError("--edit is for one job; name it")
    job = queue.job(named_job(queue, job_ids[0]))
    if job.state not in completions.AGAIN:
        raise WrongState("retry", job.id, job.state, f"`queuectl edit {as_typed(job.id)}` changes one that waits")
    form = form_of(job.spec, 0, job.options)
    return edit_until_done(
        form,
        f"Job {job.id}, {job.state}, to be run again",
        lambda typed: queue.edit(job.id, again=True, reason=reason, **changed(form, typed)),
    )


def tell_retried(jobs: list[Job], *, as_json: bool) -> None:
    """Print which jobs run again."""
    if as_json:
        from ...queries.json_form import job_json

        document([job_json(job) for job in jobs])
    else:
        for job in jobs:
            line(told_retried(job))


def told_retried(job: Job) -> str:
    """Return that a job is to run again, and what of it did not change."""
    if job.is_paused:
        return f"Requeued {escape(job.id)}, which is still paused; queuectl resume {as_typed(job.id)}"
    return f"Requeued {escape(job.id)}"
