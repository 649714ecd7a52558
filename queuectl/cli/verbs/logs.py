"""`queuectl logs`: what each run of a job printed, under a heading a run.

Into a pipe it goes byte for byte, onto a terminal without what could command the terminal.
"""

from typing import TYPE_CHECKING, Any

import click

from ...errors import InvalidInput
from ..context import Session, pass_session
from ..exits import say
from ..params import json_option, whole
from ..render import coloured, document, json_line, line, note, on_terminal, paint
from ..taming import Tamed
from ..text import escape, moment
from ..verb import Verb

if TYPE_CHECKING:
    from ...answers import Run

NAMES = {b"o": "stdout", b"e": "stderr", b"c": "cut"}


@click.command(
    cls=Verb,
    examples=(
        "queuectl logs job1",
        "queuectl logs job1 --attempt 2 --stderr",
        "queuectl logs job1 --follow",
    ),
)
@click.argument("job_id", metavar="JOB")
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
    signal, or 1 when it was cancelled.
    """
    printer = (JsonPrinter if as_json else Printer)(attempt, stream)
    queue = session.existing()
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
        document([_run_json(number, run, stream) for number, run in chosen])
        return
    if not chosen:
        note(f"{escape(job_id)} has not run yet; it is {queue.job(job_id).state}")
    _print_all(runs, printer)


def _print_all(runs: "list[Run]", printer: "Printer") -> None:
    from ...worker.output import read_frames

    for run in runs:
        printer.begin(run, run.summary)
        for kind, content, _ in read_frames(run.frames):
            printer.piece(run, kind, content)
    printer.finish_line()


class Printer:
    """Prints runs for people, each from its beginning; into a pipe, what they printed goes untouched."""

    def __init__(self, attempt: int | None, stream: str | None) -> None:
        self._attempt = attempt
        self._stream = stream
        self._at_line_start = True
        self._numbers: dict[int, int] = {}
        self._tamed = {stream: Tamed(colours=coloured()) for stream in NAMES} if on_terminal() else None

    def begin(self, run: "Run", ending: str = "") -> None:
        """Say which run, by whom, when, and how it ended where that is known."""
        told = f"{self._name(run)}, {escape(run.worker)}, {moment(run.started_at_us)}"
        self._say(run, f"{told}: {escape(ending)}" if ending else told)

    def piece(self, run: "Run", stream: bytes, content: bytes) -> None:
        """Print a piece of output."""
        if self._is_wanted(run) and NAMES[stream] in (self._stream or NAMES[stream], "cut"):
            shown = b"\n[... %s bytes cut ...]\n" % content if stream == b"c" else content
            if self._tamed is None:
                self._show(shown)
            else:
                self._show(self._tamed[stream].piece(shown).encode())

    def end(self, run: "Run") -> None:
        """Say how a run ended."""
        self._say(run, f"{self._name(run)}: {escape(run.summary)}")

    def finish_line(self) -> None:
        """Begin a new line where the output left one open."""
        for tamed in (self._tamed or {}).values():
            self._show(tamed.end().encode())
        if not self._at_line_start:
            line()
            self._at_line_start = True

    def _show(self, shown: bytes) -> None:
        if shown:
            say(shown, newline=False)
            self._at_line_start = shown.endswith(b"\n")

    def _number(self, run: "Run") -> int:
        return self._numbers.setdefault(run.token, len(self._numbers) + 1)

    def _name(self, run: "Run") -> str:
        number = self._number(run)
        return f"attempt {run.attempt}" if number == run.attempt else f"run {number}, attempt {run.attempt}"

    def _say(self, run: "Run", text: str) -> None:
        if self._is_wanted(run):
            self.finish_line()
            line(paint(f"==> {text}", None, bold=True))

    def _is_wanted(self, run: "Run") -> bool:
        return self._attempt in (None, run.attempt)


class JsonPrinter(Printer):
    """Prints runs for programs, one object a line."""

    def begin(self, run: "Run", ending: str = "") -> None:
        """Tell that a run began."""
        self._tell(run, {"event": "started", "worker": run.worker})

    def piece(self, run: "Run", stream: bytes, content: bytes) -> None:
        """Tell a piece of output."""
        name = NAMES[stream]
        if name in (self._stream or name, "cut"):
            self._tell(run, {"event": "output", "stream": name, "text": content.decode("utf-8", "backslashreplace")})

    def end(self, run: "Run") -> None:
        """Tell how a run ended."""
        self._tell(run, {"event": "ended", "state": run.state, "summary": run.summary})

    def _tell(self, run: "Run", what: dict[str, Any]) -> None:
        number = self._number(run)
        if self._is_wanted(run):
            json_line({"run": number, "attempt": run.attempt, **what})


def _run_json(number: int, run: "Run", stream: str | None) -> dict[str, Any]:
    from ...documents import time_json
    from ...worker.output import read_stream

    told = {
        "run": number,
        "attempt": run.attempt,
        "worker_id": run.worker,
        "started_at": time_json(run.started_at_us),
        "state": run.state,
        "summary": run.summary,
    }
    kinds: tuple[Any, ...] = (b"o", b"e")
    printed = {
        NAMES[kind]: b"".join(read_stream(run.frames, kind)).decode("utf-8", "backslashreplace")
        for kind in kinds
        if stream in (None, NAMES[kind])
    }
    return told | printed
