"""`queuectl logs`: what each run of some jobs printed, under a heading a run."""

from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from typing import TYPE_CHECKING

import click

from ...core.job import WAITING
from ...errors import JobNotFound, Unusable
from ..command import Verb
from ..exit_codes import do_each
from ..input import completions
from ..input.param_types import json_option, whole
from ..output.advice import Holdup
from ..output.format import escape
from ..output.run_output import LinePrinter, Printer, WantedRun, print_document
from ..output.table import note, on_terminal
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...core.job import Job
    from ...core.results import Run
    from ...queue import Queue

MOST_LINES = 1_000_000

LOOK_EVERY_S = 1.0
"""How long lies between two looks at whether anybody serves the queue of what is followed."""


@click.command(
    cls=Verb,
    examples=(
        "queuectl logs job1",
        "queuectl logs job1 job2 --last",
        "queuectl logs job1 --tail 20",
        "queuectl logs job1 --attempt 2 --stderr",
        "queuectl logs job1 --follow --tail 0",
    ),
)
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...", shell_complete=completions.jobs())
@click.option("--attempt", type=whole(1), metavar="N", help="Only the runs that were this attempt.")
@click.option("--last", is_flag=True, help="Only the last run, and with --follow those after it.")
@click.option("--all-runs", is_flag=True, help="Also runs that were only given back.")
@click.option("--tail", "-n", type=whole(0, MOST_LINES), metavar="N", help="Only the last N lines of each run.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended, and exit as it did.")
@click.option("--raw", is_flag=True, help="On a terminal: every byte as it was printed, also what commands it.")
@click.option("--stdout", "stream", flag_value="stdout", help="Only what went to stdout.")
@click.option("--stderr", "stream", flag_value="stderr", help="Only what went to stderr.")
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    *,
    job_ids: tuple[str, ...],
    attempt: int | None,
    last: bool,
    all_runs: bool,
    tail: int | None,
    follow: bool,
    stream: str | None,
    raw: bool,
    as_json: bool,
) -> None:
    """Show what jobs printed, run by run.

    On a terminal what is longer than the screen goes through the pager: $PAGER or less; PAGER=cat is none.
    A retry begins again at attempt 1: where that makes a run's number another than its attempt's, the
    heading says both. Runs that were only given back, which used no attempt and printed nothing, are left
    out. With --follow it exits as the job's command did: with its code, 128 + its signal, or 1 when it was
    cancelled, and says so where no running worker serves the job's queue. Of several jobs it exits 1 when
    one was refused; the others are shown all the same.
    """
    wanted = WantedRun(attempt, stream, tail, last, all_runs, raw)
    queue = session.reading()
    if follow:
        if len(job_ids) > 1:
            raise click.UsageError("--follow is for one job; leave the others out")
        ctx.exit(_follow(queue, queue.ui.match_id(job_ids[0]), wanted, as_json))
    found, code = do_each(job_ids, lambda typed: _found(queue, typed, wanted, as_json))
    if as_json:
        print_document(queue, ((job_id, *run) for job_id, runs in found for run in wanted.of(queue, runs)), wanted)
    else:
        _print_all(queue, found, wanted, is_several=len(job_ids) > 1)
    ctx.exit(code)


def _follow(queue: "Queue", job_id: str, wanted: WantedRun, as_json: bool) -> int:
    from ..output.follow import code_of, follow

    printer = (LinePrinter if as_json else Printer)(queue, queue.runs(job_id), wanted)
    return code_of(
        follow(
            queue,
            job_id,
            begin=printer.begin,
            piece=printer.piece,
            end=printer.end,
            caught_up=lambda run, is_over: printer.caught_up(run, is_over=is_over),
            look=_HeldUp(queue),
        )
    )


class _HeldUp:
    """Prints of a job that waits that no running worker serves its queue, by a look now and then."""

    def __init__(self, queue: "Queue") -> None:
        self._holdup = Holdup(queue)
        self._look_at = 0.0

    def __call__(self, job: "Job") -> None:
        """Look where it is time to, and tell."""
        if (now := monotonic()) >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            self._holdup([job.spec.queue] if job.state in WAITING else [])


def _found(queue: "Queue", typed: str, wanted: WantedRun, as_json: bool) -> "tuple[str, list[Run]]":
    """Return a job's id and all its runs, and say what there is to say of those that are not shown."""
    job_id = _meant(queue, typed)
    runs = queue.runs(job_id)
    chosen = wanted.of(queue, runs)
    if wanted.attempt is not None and not chosen:
        there = ", ".join(map(str, sorted({run.attempt for run in runs}))) or f"none: {job_id} has not run yet"
        raise Unusable("attempt", str(wanted.attempt), f"one of {there}")
    if as_json:
        return job_id, runs
    if not runs:
        note(f"{escape(job_id)} has not run yet; it is {queue.job(job_id).state}")
    if left_out := sum(wanted.leaves_out(queue, run) for run in runs):
        were = "run of {} that was" if left_out == 1 else f"{left_out:,} runs of {{}} that were"
        note(f"Without the {were.format(escape(job_id))} given back before anything was printed; --all-runs has all")
    return job_id, runs


def _meant(queue: "Queue", typed: str) -> str:
    try:
        return queue.ui.match_id(typed)
    except JobNotFound as error:
        if not error.archived_at:
            raise
        return typed


def _print_all(queue: "Queue", found: "list[tuple[str, list[Run]]]", wanted: WantedRun, *, is_several: bool) -> None:
    from ...worker.printed import frames_of

    printers: list[Printer] = []
    with _paged():
        for job_id, runs in found:
            printers.append(printer := Printer(queue, runs, wanted, job_id if is_several else None))
            for run in filter(printer.wants, runs):
                printer.begin(run, run.summary)
                for kind, content, _ in frames_of(queue, run):
                    printer.piece(run, kind, content)
                printer.caught_up(run, is_over=True)
            printer.finish_line()
    for printer in printers:  # the pager has the terminal before
        printer.tell_cuts()


def _paged() -> AbstractContextManager[None]:
    if not on_terminal():
        return nullcontext()
    from ..output.pager import paged

    return paged()
