"""How runs and what they printed are shown: for people, for programs a line at a time, or as one document.

Into a pipe output goes byte for byte, onto a terminal without what could command the terminal. It
passes piece by piece; none of it is held in memory.
"""

from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .exits import say
from .render import coloured, json_line, line, on_terminal, paint
from .taming import Tamed
from .text import escape, moment

if TYPE_CHECKING:
    from ..answers import Run
    from ..queue import Queue

NAMES = {b"o": "stdout", b"e": "stderr", b"c": "cut"}


class Printer:
    """Prints runs for people, each from its beginning; into a pipe, what they printed goes untouched."""

    def __init__(self, attempt: int | None, stream: str | None) -> None:
        self._attempt = attempt
        self._stream = stream
        self._at_line_start = True
        self._numbers: dict[int, int] = {}
        self._tamed = {stream: Tamed(colours=coloured()) for stream in NAMES} if on_terminal() else None

    def wants(self, run: "Run") -> bool:
        """Tell whether a run is one of those asked for."""
        return self._attempt in (None, run.attempt)

    def begin(self, run: "Run", ending: str = "") -> None:
        """Say which run, by whom, when, and how it ended where that is known."""
        told = f"{self._name(run)}, {escape(run.worker)}, {moment(run.started_at_us)}"
        self._say(run, f"{told}: {escape(ending)}" if ending else told)

    def piece(self, run: "Run", stream: bytes, content: bytes) -> None:
        """Print a piece of output."""
        if self.wants(run) and NAMES[stream] in (self._stream or NAMES[stream], "cut"):
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
        if self.wants(run):
            self.finish_line()
            line(paint(f"==> {text}", None, bold=True))


class LinePrinter(Printer):
    """Prints runs for programs, one JSON object a line."""

    def __init__(self, attempt: int | None, stream: str | None) -> None:
        super().__init__(attempt, stream)
        self._decoders: dict[tuple[int, bytes], IncrementalDecoder] = {}

    def begin(self, run: "Run", ending: str = "") -> None:
        """Tell that a run began."""
        self._tell(run, {"event": "started", "worker": run.worker})

    def piece(self, run: "Run", stream: bytes, content: bytes) -> None:
        """Tell a piece of output; a character cut in two by pieces comes whole with the second."""
        self._tell_text(run, stream, self._decoder(run, stream).decode(content))

    def end(self, run: "Run") -> None:
        """Tell how a run ended."""
        for stream in NAMES:
            self._tell_text(run, stream, self._decoder(run, stream).decode(b"", final=True))
        self._tell(run, {"event": "ended", "state": run.state, "summary": run.summary})

    def _decoder(self, run: "Run", stream: bytes) -> IncrementalDecoder:
        return self._decoders.setdefault((run.token, stream), text_decoder())

    def _tell_text(self, run: "Run", stream: bytes, text: str) -> None:
        name = NAMES[stream]
        if text and name in (self._stream or name, "cut"):
            self._tell(run, {"event": "output", "stream": name, "text": text})

    def _tell(self, run: "Run", what: dict[str, Any]) -> None:
        number = self._number(run)
        if self.wants(run):
            json_line({"run": number, "attempt": run.attempt, **what})


def print_document(queue: "Queue", runs: "Iterable[tuple[int, Run]]", stream: str | None) -> None:
    """Print numbered runs, with what each printed as text, as one JSON list, a run a line."""
    before = "[\n  "
    for number, run in runs:
        say(before, newline=False)
        for piece in _run_json(queue, number, run, stream):
            say(piece, newline=False)
        before = ",\n  "
    say("\n]" if before[0] == "," else "[]")


def _run_json(queue: "Queue", number: int, run: "Run", stream: str | None) -> Iterator[str]:
    from json import dumps

    from ..documents import time_json

    told = {
        "run": number,
        "attempt": run.attempt,
        "worker_id": run.worker,
        "started_at": time_json(run.started_at_us),
        "state": run.state,
        "summary": run.summary,
    }
    yield dumps(told)[:-1]
    for kind in (b"o", b"e"):
        if stream in (None, NAMES[kind]):
            yield f', "{NAMES[kind]}": "'
            yield from (dumps(text)[1:-1] for text in _texts(queue, run, kind))
            yield '"'
    yield "}"


def _texts(queue: "Queue", run: "Run", kind: bytes) -> Iterator[str]:
    from ..worker.output import CUT
    from ..worker.printed import frames_of, shown

    decoder = text_decoder()
    for frame in frames_of(queue, run):
        if frame.stream in (kind, CUT):
            yield decoder.decode(shown(frame))
    yield decoder.decode(b"", final=True)


def text_decoder() -> IncrementalDecoder:
    """Give what makes text of output, piece by piece; broken bytes are escaped."""
    return getincrementaldecoder("utf-8")("backslashreplace")
