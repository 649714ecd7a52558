"""`queuectl logs`: what each run of a job printed, under a heading a run."""

from typing import TYPE_CHECKING

import click

from ...errors import InvalidInput, JobNotFound
from .. import offers
from ..context import Session, pass_session
from ..params import json_option, whole
from ..printing import LinePrinter, Printer, print_document
from ..render import note
from ..text import escape
from ..verb import Verb

if TYPE_CHECKING:
    from ...answers import Run
    from ...queue import Queue


@click.command(
    cls=Verb,
    examples=(
        "queuectl logs job1",
        "queuectl logs job1 --attempt 2 --stderr",
        "queuectl logs job1 --follow",
    ),
)
@click.argument("job_id", metavar="JOB", shell_complete=offers.jobs())
@click.option("--attempt", type=whole(1), metavar="N", help="Only the runs that were this attempt.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended, and exit as it did.")
@click.option("--stdout", "stream", flag_value="stdout", help="Only what went to stdout.")
@click.option("--stderr", "stream", flag_value="stderr", help="Only what went to stderr.")
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    *,
    job_id: str,
    attempt: int | None,
    follow: bool,
    stream: str | None,
    as_json: bool,
) -> None:
    """Show what a job printed, run by run.

    A retry begins again at attempt 1: where that makes a run's number another than its attempt's,
    the heading says both. With --follow it exits as the job's command did: with its code, 128 + its
    signal, or 1 when it was cancelled. What a process in the background prints after its run's end is dropped.
    """
    printer = (LinePrinter if as_json else Printer)(attempt, stream)
    queue = session.reading()
    job_id = _meant(queue, job_id, follow)
    if follow:
        from ..following import code_of
        from ..following import follow as follow_job

        ctx.exit(code_of(follow_job(queue, job_id, begin=printer.begin, piece=printer.piece, end=printer.end)))
    runs = queue.runs(job_id)
    chosen = [(number, run) for number, run in enumerate(runs, 1) if attempt in (None, run.attempt)]
    if attempt is not None and not chosen:
        there = ", ".join(map(str, sorted({run.attempt for run in runs}))) or f"none: {job_id} has not run yet"
        raise InvalidInput("attempt", str(attempt), f"one of {there}")
    if as_json:
        print_document(queue, chosen, stream)
        return
    if not chosen:
        note(f"{escape(job_id)} has not run yet; it is {queue.job(job_id).state}")
    _print_all(queue, runs, printer)


def _meant(queue: "Queue", typed: str, follow: bool) -> str:
    try:
        return queue.match_id(typed)
    except JobNotFound as error:
        if follow or not error.archived_at:
            raise
        return typed


def _print_all(queue: "Queue", runs: "list[Run]", printer: Printer) -> None:
    from ...worker.printed import frames_of

    for run in runs:
        printer.begin(run, run.summary)
        for kind, content, _ in frames_of(queue, run) if printer.wants(run) else ():
            printer.piece(run, kind, content)
    printer.finish_line()
