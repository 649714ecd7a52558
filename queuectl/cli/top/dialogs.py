"""A question, and the help: small windows over the view."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

HELP = """\
In the list
  ↑ ↓ k j PgUp PgDn   choose a job
  Enter               what it prints, its history
  ← →                 jobs of which state
  Tab, Shift-Tab      jobs of which queue
  r                   retry it: run it again now
  c                   cancel it, after a question
  q, Ctrl-C           quit; Ctrl-Z: to the shell

At a job
  o h d               output, history, details
  ↑ ↓ PgUp PgDn       scroll; End: follow again
  r c                 retry, cancel
  Esc, q              back to the list

> before a rate: at least so many. The list shows those
that run, those to run next, those that ended last;
`queuectl list` shows all."""


class Question(ModalScreen[bool]):
    """Asks yes or no; anything else is no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,Y", "answer(True)", "yes"),
        Binding("n,N,escape,q,enter", "answer(False)", "no"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(Text(f"{self._question}\n\ny yes   n no"), classes="dialog")

    def action_answer(self, answer: bool) -> None:
        """Take the answer."""
        self.dismiss(answer)


class Help(ModalScreen[None]):
    """Shows the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter,space", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with VerticalScroll(classes="dialog help"):
            yield Static(Text(HELP))
