"""`queuectl why`: what a job waits for."""

import click

from ..command import Verb
from ..input import completions
from ..input.param_types import json_option
from ..output import blocker_text
from ..output.table import document, line
from ..session import Session, pass_session


@click.command(cls=Verb, examples=("queuectl why job1", "queuectl why job1 --json"))
@click.argument("job_id", required=True, metavar="JOB", shell_complete=completions.jobs())
@json_option
@pass_session
def command(session: Session, *, job_id: str, as_json: bool) -> None:
    """Say what a job waits for, and what to type to change that.

    With --json a list of what it waits for, empty where it waits for nothing.
    """
    queue = session.reading()
    job = queue.job(queue.ui.match_id(job_id))
    blockers, now_us = queue.why(job), queue.ui.now_us()
    if as_json:
        document([blocker_text.blocker_json(each, job, now_us) for each in blockers])
        return
    gone = queue.ui.gone_workers([job.lease.worker]) if job.lease else ()
    for told in blocker_text.lines(job, blockers, now_us, is_abandoned=bool(gone)):
        line(told)
