"""`queuectl run`: enqueue a command, under a generated id unless it is given one, and follow it if asked."""

import sys
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from ...core.job import ENDED, JobState
from ...display import as_typed
from ...outputs.frames import CUT_FRAME, STDERR, STDOUT
from ..exit_codes import hint, say
from ..input import completions
from ..input.job_options import ArgvCommand, asked, check_replace, from_here, job_options, tell_enqueued, tell_passed
from ..input.param_types import json_option, now_us, reason_option
from ..output.advice import advise, advise_waiting, cut_text
from ..output.format import duration, escape, moment
from ..output.sanitize import Tamed
from ..output.table import coloured, note
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...core.job import Job
    from ...core.results import Run
    from ...queue import Queue

PATIENCE_S = 2.0


class RunCommand(ArgvCommand):
    """Run, in its three forms."""

    forms = ("[OPTIONS] COMMAND", "[OPTIONS] --command COMMAND", "[OPTIONS] -- PROGRAM [ARGUMENT]...")


@click.command(
    cls=RunCommand,
    examples=(
        'queuectl run "echo Hello World"',
        "queuectl run --wait --timeout 1m -- make test",
        "queuectl run --id nightly --replace --wait ./backup.sh",
    ),
)
@click.argument("words", nargs=-1, metavar="[COMMAND]", shell_complete=completions.files_behind_dashes)
@click.option("--id", "job_id", metavar="ID", help="The job's id.  [default: a generated id]")
@click.option("--command", "shell_line", metavar="COMMAND", help="A shell line; so one can begin with a dash.")
@click.option("--wait", "-w", "--follow", "-f", is_flag=True, help="Show what it prints, and exit as it does.")
@click.option("--raw", is_flag=True, help="With --wait, on a terminal: every byte as it comes, also what commands it.")
@job_options
@reason_option
@json_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    /,
    *,
    words: tuple[str, ...],
    argv: tuple[str, ...] | None,
    job_id: str | None,
    shell_line: str | None,
    wait: bool,
    raw: bool,
    reason: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Enqueue a command; a worker runs it.

    With --wait it exits as the command did: with its code, 128 + its signal, or 1 when it was
    cancelled. Ctrl-C ends the waiting with 130, not the job.
    """
    from ...core.job_mapping import request_from_mapping

    if raw and not wait:
        raise click.UsageError("--raw is about what --wait shows")
    if wait and as_json:
        raise click.UsageError("--wait prints what the command prints; use --json without it")
    what = {**asked(options), "id": job_id, "command": _command(words, argv, shell_line)}
    check_replace(what)
    request = from_here(request_from_mapping(what, now_us=now_us()))
    queue = session.created()
    answer = queue.ui.enqueue_or_find(request, reason=reason)
    job = answer.job
    if request.run_at is not None and not answer.existing:
        tell_passed(job.spec.run_at_us, job.id)
    if wait:
        ctx.exit(_follow(queue, job, raw=raw))
    tell_enqueued(answer, as_json=as_json)
    if sys.stderr.isatty() and not answer.existing:
        advise(queue, {job.spec.queue: 1}, job.id)


def _command(words: tuple[str, ...], argv: tuple[str, ...] | None, shell_line: str | None) -> str | list[str]:
    if shell_line is not None:
        if words or argv is not None:
            raise click.UsageError("a command is given twice: by --command and beside it")
        return shell_line
    if argv is not None and not words:
        return list(argv)
    if argv is None and len(words) == 1:
        return words[0]
    if not words:
        raise click.UsageError('nothing to run; type: queuectl run "COMMAND"')
    raise click.UsageError(f'one command at a time; quote it: queuectl run "{" ".join(words)}", or put it after --')


def _follow(queue: "Queue", enqueued: "Job", *, raw: bool) -> int:
    from ..output.follow import code_of, follow

    job_id = enqueued.id
    try:
        advise_waiting(queue, enqueued)
        passed_on = _PassedOn(raw=raw)

        def end(run: "Run") -> None:
            passed_on.end(job_id, run)
            _tell_failed(queue, job_id, run)

        look = _Waiting(queue)
        job = follow(queue, job_id, begin=lambda run: None, piece=passed_on.piece, end=end, look=look)
    except KeyboardInterrupt:
        note(f"{escape(job_id)} goes on; see: queuectl logs {as_typed(job_id)} --follow")
        raise
    by = "" if job.ended_by is None else f" [{escape(job.ended_by)}]"
    if job.last is not None and job.last.error:
        note(f"{escape(job_id)} is {job.state}{by}: {escape(job.last.error)}")
    elif by and job.state != JobState.COMPLETED:
        note(f"{escape(job_id)} is {job.state}{by}")
    return code_of(job)


def _tell_failed(queue: "Queue", job_id: str, run: "Run") -> None:
    """Print that a run failed or was snoozed if that is not the end, also when the next one is over by now."""
    job = queue.job(job_id)
    if run.state == "snoozed":
        note(f"{escape(job_id)}: {escape(run.summary)}")
    if run.state == "failed" and (job.state not in ENDED or run.attempt < job.attempts):
        then = (
            f"next in {duration(max(0, job.runs_at_us - now_us()) / 1e6)}" if job.state == JobState.FAILED else "again"
        )
        failed, _, error = run.summary.partition(": ")
        note(f"{escape(job_id)}: attempt {run.attempt} of {job.spec.max_retries + 1} {failed}, {then}: {escape(error)}")


class _Waiting:
    """Prints once what a job waits for that has not begun after a moment; that nobody serves it was said before."""

    def __init__(self, queue: "Queue") -> None:
        self._queue = queue
        self._tell_at = monotonic() + PATIENCE_S

    def __call__(self, job: "Job") -> None:
        """Look, and tell."""
        if monotonic() < self._tell_at:
            return
        self._tell_at = inf
        if job.state == JobState.PENDING and job.runs_at_us > now_us():
            note(f"{escape(job.id)} waits for its time, {moment(job.runs_at_us)}")
        elif job.state == JobState.PENDING and not self._queue.ui.unserved([job.spec.queue]):
            note(f"{escape(job.id)} waits for a free slot: the workers of queue {escape(job.spec.queue)} are busy")


class _PassedOn:
    """What a command prints, stream by stream: tamed on a terminal unless `raw`, byte for byte elsewhere."""

    def __init__(self, *, raw: bool) -> None:
        self._missing = 0
        self._tamed: dict[bytes, Tamed] = {}
        if not raw:
            places = ((STDOUT, sys.stdout), (STDERR, sys.stderr))
            self._tamed = {name: Tamed(colours=coloured()) for name, place in places if place.isatty()}

    def piece(self, run: object, stream: bytes, content: bytes) -> None:
        """Print a piece."""
        if stream == CUT_FRAME:
            note(f"[... {content.decode()} bytes cut ...]")
            self._missing = int(content)
            return
        tamed = self._tamed.get(stream)
        self._print(stream, content if tamed is None else tamed.piece(content))

    def end(self, job_id: str, run: "Run") -> None:
        """Print what was held back, take back a colour that was left on, and say how much was not kept."""
        for stream, tamed in self._tamed.items():
            if rest := tamed.end():
                self._print(stream, rest)
        if self._missing:
            note(cut_text(f"{escape(job_id)}, attempt {run.attempt}", self._missing, run.output_error))
            self._missing = 0

    @staticmethod
    def _print(stream: bytes, shown: str | bytes) -> None:
        if stream == STDERR:
            hint(shown, newline=False)
        else:
            say(shown, newline=False, color=coloured())
