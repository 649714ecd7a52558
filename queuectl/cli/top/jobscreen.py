"""One job on the whole screen: what it prints while it prints it, its history, its details."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Log, Static

from ...outputs.frames import STREAM_NAMES
from ...worker.printed import frames_of, shown_content
from ..output.event_text import Names, timeline
from ..output.format import escape
from ..output.job_text import gone_workers, job_details
from ..output.sanitize import Tamed
from ..output.table import STATE_COLOURS
from . import panels
from .jobslist import styled

if TYPE_CHECKING:
    from ...core.results import Run
    from ...queue import Queue

LOOK_EVERY_S: Final = 0.25
MOST_LINES: Final = 2_000
MOST_BYTES: Final = 256 << 10
"""Output shown of what was printed before somebody looked."""

LIVES: Final = 3
"""Jobs of one id, one after the other, whose events are shown."""

NARROW_KEYS: Final = "Esc back  o h d views  r retry  c cancel  ? help"
KEYS: Final = "Esc back  o output  h history  d details  r retry  c cancel  ? help"
VIEWS: Final = ("output", "history", "details")


class OutputView:
    """What the runs of a job have printed, piece by piece; of a long past only its end."""

    def __init__(self, queue: "Queue", job_id: str) -> None:
        self._queue = queue
        self._job_id = job_id
        self._offsets: dict[int, int] = {}
        self._ended: set[int] = set()
        self._tamed: dict[bytes, Tamed] = {}

    def new(self, runs: "list[Run]") -> Iterator[str]:
        """Yield what is new, with a heading for each run."""
        for run in (each for each in runs if each.token not in self._ended):
            if run.token not in self._offsets:
                self._offsets[run.token] = 0
                self._tamed = {kind: Tamed(colours=False) for kind in STREAM_NAMES}
                yield f"==> attempt {run.attempt}, {escape(run.worker)}\n"
            yield from self._printed(run)
            if run.state != "running":
                self._ended.add(run.token)
                yield "".join(each.end() for each in self._tamed.values())
                yield f"==> {escape(run.summary)}\n"

    def _printed(self, run: "Run") -> Iterator[str]:
        pieces: deque[tuple[bytes, bytes]] = deque()
        kept = 0
        for frame in frames_of(self._queue, run, self._offsets[run.token]):
            pieces.append((frame.stream, shown_content(frame)))
            kept += len(pieces[-1][1])
            self._offsets[run.token] = frame.end
            while kept > MOST_BYTES and len(pieces) > 1:
                kept -= len(pieces.popleft()[1])
        for stream, content in pieces:
            yield self._tamed[stream].piece(content[-MOST_BYTES:]).replace("\r\n", "\n").replace("\r", "\n")


def last_lines(text: str) -> str:
    """Return the end of a text, as much as is kept: each line that is written costs."""
    at = len(text)
    for _ in range(MOST_LINES):
        at = text.rfind("\n", 0, at)
        if at < 0:
            return text
    return text[at + 1 :]


class JobScreen(Screen[None]):
    """Shows one job until it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,backspace", "back", "back"),
        Binding("o", "view('output')", "output"),
        Binding("h", "view('history')", "history"),
        Binding("d", "view('details')", "details"),
        Binding("r", "app.retry", "retry"),
        Binding("c", "app.cancel", "cancel"),
    ]

    def __init__(self, queue: "Queue", job_id: str) -> None:
        super().__init__()
        self._queue = queue
        self.job_id = job_id
        self._view = "output"
        self._output = OutputView(queue, job_id)
        self._version = -1
        self._runs: list[Run] = []

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="about")
        yield Log(max_lines=MOST_LINES, auto_scroll=True)
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Begin to look."""
        self.query_one(Log).focus()
        self._tell_keys()
        self.call_after_refresh(self.look)  # before that there is no end of the log to scroll to
        self.set_interval(LOOK_EVERY_S, self.look)

    def say(self, told: Text, for_s: float) -> None:
        """Show a message in place of the keys."""
        self.query_one("#keys", Static).update(told)
        self.set_timer(for_s, self._tell_keys)

    def _tell_keys(self) -> None:
        keys = KEYS if self.app.size.width >= len(KEYS) else NARROW_KEYS
        self.query_one("#keys", Static).update(Text(keys, no_wrap=True))

    def look(self) -> None:
        """Show what is new. Whatever goes wrong is the view's end."""
        guarded: Any = self.app
        guarded.guard(self._look)

    def _look(self) -> None:
        job = self._queue.job(self.job_id)
        is_new = job.version != self._version
        if is_new:
            self._version, self._runs = job.version, self._queue.runs(self.job_id)
        self._tell(job.state, job.attempts, job.spec.max_retries + 1)
        log = self.query_one(Log)
        if self._view == "output":
            text = last_lines("".join(self._output.new(self._runs)))
            if text:
                log.write(text, scroll_end=log.is_vertical_scroll_end)
        elif is_new:
            self._fill()

    def _tell(self, state: str, attempts: int, most: int) -> None:
        width = self.size.width
        about: panels.Line = [
            (escape(self.job_id), "bold"),
            (f"  {state}", STATE_COLOURS[state]),
            (f"  attempt {attempts} of {most}" if attempts else "  has not run yet", ""),
        ]
        tabs: panels.Line = [
            piece for view in VIEWS for piece in ((f" {view} ", "reverse" if view == self._view else ""), (" ", ""))
        ]
        self.query_one("#about", Static).update(styled([about, tabs], width))

    def _fill(self) -> None:
        log = self.query_one(Log)
        log.clear()
        if self._view == "history":
            events = self._queue.history(self.job_id, lives=LIVES)
            lines = ["  ".join(filter(None, cells)) for cells in timeline(events, Names(self._queue))]
        else:
            job = self._queue.job(self.job_id)
            told = job_details(job, gone=gone_workers(self._queue, [job]))
            lines = [f"{key:<12} {value}" for key, value in told if value]
        log.write("\n".join(lines) + "\n", scroll_end=False)

    def action_view(self, view: str) -> None:
        """Show something else about the job."""
        self._view = view
        if view == "output":
            self.query_one(Log).clear()
            self._output = OutputView(self._queue, self.job_id)
        else:
            guarded: Any = self.app
            guarded.guard(self._fill)
        self.look()

    def action_back(self) -> None:
        """Go back to the list."""
        self.dismiss()
