"""How runs and what they printed are shown: for people, for programs a line at a time, or as one document.

Into a pipe output goes byte for byte, onto a terminal without what could command the terminal. It
passes piece by piece; none of it is held in memory.
"""

from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...outputs.frames import CUT_FRAME, STDERR, STDOUT, STREAM_NAMES, cut_line
from ..exit_codes import say
from .advice import cut_text
from .format import escape, moment
from .sanitize import Tamed
from .table import coloured, json_line, line, note, on_terminal, paint

if TYPE_CHECKING:
    from ...core.results import Run
    from ...queue import Queue
    from .last_lines import LastLines, OutputPiece


class WantedRun(NamedTuple):
    """Which runs, and how much of each: those of an `attempt`, of a `stream` ("stdout"), the last lines (`tail`).

    `last`: only the last run that there is when one begins to look, and those after it. Unless they are asked
    for, by `all_runs` or by their attempt, runs that were only given back are left out.
    """

    attempt: int | None = None
    stream: str | None = None
    tail: int | None = None
    last: bool = False
    all_runs: bool = False
    raw: bool = False

    def of(self, queue: "Queue", runs: "Sequence[Run]") -> "list[tuple[int, Run]]":
        """Return the runs wanted, with their numbers, from all that a job has had."""
        found = [
            (number, run)
            for number, run in enumerate(runs, 1)
            if (self.attempt is None or self.attempt == run.attempt) and not self.leaves_out(queue, run)
        ]
        return found[-1:] if self.last else found

    def leaves_out(self, queue: "Queue", run: "Run") -> bool:
        """Whether a run was only given back: it used no attempt and printed nothing, and was not asked for."""
        if self.all_runs or self.attempt is not None or run.state != "released":
            return False
        return not queue.ui.output_frames(run, limit=1)


class Printer:
    """Prints runs for people, each from its beginning; into a pipe, what they printed goes untouched.

    `runs` are those that the job has had, of which some may be wanted; those to come are all. `job_id` is told
    in the headings where it is given.
    """

    def __init__(self, queue: "Queue", runs: "Sequence[Run]", wanted: WantedRun, job_id: str | None = None) -> None:
        self._job_id = job_id
        self._stream = wanted.stream
        self._attempt = wanted.attempt
        self._tail = None if wanted.tail is None else _last_lines(wanted.tail)
        self._is_live = False
        self._at_line_start = True
        self._cuts: list[tuple[Run, int]] = []  # runs whose output was not all kept, and how much was not
        self._numbers: dict[int, int] = {run.token: number for number, run in enumerate(runs, 1)}
        self._left_out = set(self._numbers).difference(run.token for _, run in wanted.of(queue, runs))
        self._tamed = (
            {stream: Tamed(colours=coloured()) for stream in STREAM_NAMES} if on_terminal() and not wanted.raw else None
        )

    def wants(self, run: "Run") -> bool:
        """Return whether a run is one of those asked for."""
        return self._attempt in (None, run.attempt) and run.token not in self._left_out

    def begin(self, run: "Run", ending: str = "") -> None:
        """Print the header of a run: by whom, when, and how it ended if that is known."""
        told = f"{self._name(run)}, {escape(run.worker)}, {moment(run.started_at_us)}"
        self._say(run, f"{told}: {escape(ending)}" if ending else told)

    def piece(self, run: "Run", stream: bytes, content: bytes) -> None:
        """Print a piece of output, or hold it as long as only the last lines of what there is are wanted."""
        if self.wants(run) and STREAM_NAMES[stream] in (self._stream or STREAM_NAMES[stream], "cut"):
            if self._tail is None or self._is_live:
                self._print(run, stream, content)
            else:
                self._tail.add(stream, content)

    def caught_up(self, run: "Run", *, is_over: bool) -> None:
        """Print the last lines, since there is no more as yet; what is printed from now on is new.

        `is_over`: the run has ended, and of the next one there are last lines again.
        """
        if self._tail is None:
            return
        for stream, content in self._tail.taken():
            self._print(run, stream, content)
        self._is_live = not is_over

    def tell_cuts(self) -> None:
        """Print on stderr of which runs not everything was kept, once their output is printed."""
        for run, missing in self._cuts:
            note(cut_text(self._name(run), missing, run.output_error))
        self._cuts.clear()

    def _print(self, run: "Run", stream: bytes, content: bytes) -> None:
        shown = content
        if stream == CUT_FRAME:
            shown = cut_line(content)
            self._cuts.append((run, int(content)))
        if self._tamed is None:
            self._show(shown)
        else:
            self._show(self._tamed[stream].piece(shown).encode())

    def end(self, run: "Run") -> None:
        """Print how a run ended."""
        self._say(run, f"{self._name(run)}: {escape(run.summary)}")
        self._cuts = [(run, missing) for _, missing in self._cuts]  # why is known now
        self.tell_cuts()

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
        told = f"attempt {run.attempt}" if number == run.attempt else f"run {number}, attempt {run.attempt}"
        return told if self._job_id is None else f"{escape(self._job_id)}: {told}"

    def _say(self, run: "Run", text: str) -> None:
        if self.wants(run):
            self.finish_line()
            line(paint(f"==> {text}", None, bold=True))


class LinePrinter(Printer):
    """Prints runs for programs, one JSON object a line."""

    def __init__(self, queue: "Queue", runs: "Sequence[Run]", wanted: WantedRun, job_id: str | None = None) -> None:
        super().__init__(queue, runs, wanted, job_id)
        self._decoders: dict[tuple[int, bytes], IncrementalDecoder] = {}

    def begin(self, run: "Run", ending: str = "") -> None:
        """Print that a run began."""
        self._tell(run, {"event": "started", "worker": run.worker})

    def _print(self, run: "Run", stream: bytes, content: bytes) -> None:
        # A character cut in two by pieces comes whole with the second.
        self._tell_text(run, stream, self._decoder(run, stream).decode(content))

    def end(self, run: "Run") -> None:
        """Print how a run ended."""
        for stream in STREAM_NAMES:
            self._tell_text(run, stream, self._decoder(run, stream).decode(b"", final=True))
        ended = {"state": run.state, "summary": run.summary, "output_error": run.output_error}
        self._tell(run, {"event": "ended", **ended})

    def _decoder(self, run: "Run", stream: bytes) -> IncrementalDecoder:
        return self._decoders.setdefault((run.token, stream), text_decoder())

    def _tell_text(self, run: "Run", stream: bytes, text: str) -> None:
        name = STREAM_NAMES[stream]
        if text and name in (self._stream or name, "cut"):
            self._tell(run, {"event": "output", "stream": name, "text": text})

    def _tell(self, run: "Run", what: dict[str, Any]) -> None:
        number = self._number(run)
        if self.wants(run):
            job = {} if self._job_id is None else {"job": self._job_id}
            json_line({**job, "run": number, "attempt": run.attempt, **what})


def print_document(queue: "Queue", runs: "Iterable[tuple[str, int, Run]]", wanted: WantedRun) -> None:
    """Print numbered runs of jobs, with what each printed as text, as one JSON list, a run a line."""
    before = "[\n  "
    for job_id, number, run in runs:
        say(before, newline=False)
        for piece in _run_json(queue, job_id, number, run, wanted):
            say(piece, newline=False)
        before = ",\n  "
    say("\n]" if before[0] == "," else "[]")


def _run_json(queue: "Queue", job_id: str, number: int, run: "Run", wanted: WantedRun) -> Iterator[str]:
    from json import dumps

    from ...queries.json_form import run_json

    yield dumps({"job": job_id, **run_json(number, run)})[:-1]
    for kind in (STDOUT, STDERR):
        if wanted.stream in (None, STREAM_NAMES[kind]):
            yield f', "{STREAM_NAMES[kind]}": "'
            yield from (dumps(text)[1:-1] for text in _texts(queue, run, kind, wanted.tail))
            yield '"'
    yield f', "cut_bytes": {queue.ui.cut_bytes(run)}}}'


def _texts(queue: "Queue", run: "Run", kind: bytes, tail: int | None) -> Iterator[str]:
    from ...outputs.frames import CUT_FRAME, Frame
    from ...worker.printed import frames_of, shown_content

    decoder = text_decoder()
    frames = ((stream, content) for stream, content, _ in frames_of(queue, run) if stream in (kind, CUT_FRAME))
    for stream, content in frames if tail is None else _last(frames, tail):
        yield decoder.decode(shown_content(Frame(stream, content, 0)))
    yield decoder.decode(b"", final=True)


def _last_lines(count: int) -> "LastLines":
    from .last_lines import LastLines  # it loads the worker's frames, which naming a job at a shell does not need

    return LastLines(count)


def _last(pieces: "Iterable[OutputPiece]", count: int) -> "Iterator[OutputPiece]":
    last = _last_lines(count)
    for piece in pieces:
        last.add(*piece)
    return last.taken()


def text_decoder() -> IncrementalDecoder:
    """Return what makes text of output, piece by piece; broken bytes are escaped."""
    return getincrementaldecoder("utf-8")("backslashreplace")
