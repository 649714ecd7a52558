"""The list of jobs, of which one is chosen; it draws only what is on the screen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget

from . import panels

if TYPE_CHECKING:
    from ...core.job import Job


def styled(lines: Sequence[panels.Line], width: int) -> Text:
    """Return lines as textual draws them, cut to a width."""
    text = Text(no_wrap=True, end="")
    for number, line in enumerate(lines):
        text.append("\n" if number else "")
        for piece, style in panels.fit(line, width):
            text.append(piece, style)
    return text


class JobsList(Widget, can_focus=True):
    """Jobs in the order given; the chosen one stays chosen wherever it moves to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "move(-1000000)", show=False),
        Binding("end,G", "move(1000000)", show=False),
        Binding("enter", "open", show=False),
    ]

    class Opened(Message):
        """Somebody wants to look at the chosen job."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: Sequence[Job] = ()
        self._now_us = 0
        self._at = 0
        self._top = 0

    @property
    def chosen(self) -> "Job | None":
        """The job that keys are about."""
        return self._jobs[self._at] if self._jobs else None

    def show(self, jobs: "Sequence[Job]", now_us: int) -> None:
        """Take other jobs, or the same as they stand now."""
        before = self.chosen
        self._jobs, self._now_us = jobs, now_us
        places = {job.number: at for at, job in enumerate(jobs)}
        # At the top the eye is on what comes first, further down on one job.
        follows = before is not None and self._at > 0
        self._at = places.get(before.number, self._at) if before is not None and follows else self._at
        self._move_to(self._at)

    def render(self) -> Text:
        """Draw the titles and as many jobs as fit."""
        width, height = self.size
        self._top = max(0, min(self._top, self._at, len(self._jobs) - height + 1))
        self._top = max(self._top, self._at - height + 2)
        shown = self._jobs[self._top : self._top + max(0, height - 1)]
        titles, rows = panels.job_table(shown, self._now_us, width)
        if not rows:
            rows = [[("no such jobs", "dim")]]
        text = styled([titles, *rows], width)
        if shown:
            self._mark(text, rows, width)
        return text

    def _mark(self, text: Text, rows: "Sequence[panels.Line]", width: int) -> None:
        row = self._at - self._top
        lines = text.split("\n")
        chosen = lines[row + 1]
        chosen.append(" " * max(0, width - panels.width_of(panels.fit(rows[row], width))))
        chosen.stylize("reverse")
        text.plain = ""
        text.append_text(Text("\n").join(lines))

    def _move_to(self, at: int) -> None:
        self._at = max(0, min(at, len(self._jobs) - 1))
        self.refresh()

    def action_move(self, by: int) -> None:
        """Choose a job further up or down."""
        self._move_to(self._at + by)

    def action_page(self, by: int) -> None:
        """Choose a job a screenful further up or down."""
        self._move_to(self._at + by * max(1, self.size.height - 2))

    def action_open(self) -> None:
        """Look at the chosen job."""
        if self._jobs:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        """Choose the job that was clicked; twice opens it."""
        at = self._top + event.y - 1
        if event.y > 0 and at < len(self._jobs):
            self._move_to(at)
            if event.chain == 2:
                self.action_open()

    def on_mouse_scroll_up(self) -> None:
        """Go up."""
        self.action_move(-3)

    def on_mouse_scroll_down(self) -> None:
        """Go down."""
        self.action_move(3)
