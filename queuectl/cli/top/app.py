"""The view itself: looks at the queue again and again, lays out what it found, and heeds keys.

It only reads. However it ends the terminal is as it was: textual sees to that on the way out of
`run`, and everything here ends that way.
"""

import asyncio
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from ...core.job import ENDED, JobState
from ...errors import JobNotFound
from .. import INTERRUPTED, KILLED
from ..output.format import command_text, cut, escape
from .acts import act
from .dialogs import Help, Question
from .frame import LEAST_JOBS, TopFilter, foot, head, see
from .jobscreen import JobScreen
from .jobslist import JobsList, styled
from .tail import Tail

if TYPE_CHECKING:
    from ...core.job import Job
    from ...queue import Queue

NARROW_KEYS = "Enter look  ←→ state  r retry  c cancel  ? help  q quit"
KEYS = "↑↓ choose  Enter look  ←→ state  Tab queue  r retry  c cancel  ? help  q quit"
MESSAGE_S = 5.0
STYLE = """
Screen { background: ansi_default; color: ansi_default; }
#head, #foot { height: auto; }
#keys { height: 1; text-style: dim; dock: bottom; }
#about { height: 2; }
JobsList { height: 1fr; }
Log { height: 1fr; background: ansi_default; color: ansi_default; scrollbar-size: 1 1; }
ModalScreen { align: center middle; background: transparent; }
.dialog { width: auto; max-width: 95%; height: auto; max-height: 95%; border: round ansi_cyan; padding: 0 1;
          background: ansi_default; color: ansi_default; }
.help { width: 62; }
.help Static { width: auto; }
"""


class Top(App[int]):
    """The whole of it; what it returns is the exit code."""

    CSS = STYLE
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit_with(0)", "quit"),
        Binding("ctrl+c", f"quit_with({INTERRUPTED})", "quit", priority=True),
        Binding("ctrl+z", "suspend_process", "stop", priority=True),
        Binding("left", "state(-1)", "state"),
        Binding("right", "state(1)", "state"),
        Binding("tab", "queue(1)", "queue", priority=True),
        Binding("shift+tab", "queue(-1)", "queue", priority=True),
        Binding("r", "retry", "retry"),
        Binding("c", "cancel", "cancel"),
        Binding("question_mark", "help", "help"),
    ]

    def __init__(self, queue: "Queue", chosen: TopFilter, every_s: float) -> None:
        super().__init__(ansi_color=True)  # the terminal's own colours
        self.animation_level = "none"
        self._queue = queue
        self._filter = chosen
        self._every_s = every_s
        self._tail = Tail()
        self._said_until = 0.0
        self.error: Exception | None = None

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(id="head")
        yield JobsList()
        yield Static(id="foot")
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Begin to look, and heed signals."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, KILLED + number)
        self.query_one(JobsList).focus()
        self.set_interval(self._every_s, self.look)
        self.look()

    def on_resize(self) -> None:
        """Lay out again."""
        self.call_later(self.look)

    def guard(self, action: Callable[[], None]) -> None:
        """Do something; where it fails the view ends, and the error is told after it."""
        try:
            action()
        except JobNotFound as error:
            self._back_from_the_lost(error)
        except Exception as error:
            self.error = error
            self.exit(1)

    def _back_from_the_lost(self, error: JobNotFound) -> None:
        if isinstance(self.screen, JobScreen):
            self.screen.dismiss()
        self.say(str(error), is_error=True)

    def look(self) -> None:
        """Look at the queue, and show what was found."""
        self.guard(self._look)

    def _look(self) -> None:
        seen = see(self._queue, self._tail, self._filter)
        main = self.screen_stack[0]
        width, height = self.size
        spare = height - 2 - LEAST_JOBS  # the keys and the titles take a line each
        above = list(head(self._queue.path, seen, self._filter, width, max(4, min(13, spare))))
        below = list(foot(seen, width, min(9, height - 2 - 2 * LEAST_JOBS - len(above) + 2)))
        main.query_one("#head", Static).update(styled(above, width))
        main.query_one("#foot", Static).update(styled(below, width))
        main.query_one("#foot", Static).display = bool(below)
        main.query_one(JobsList).show(seen.overview.jobs, seen.overview.at_us)
        if asyncio.get_running_loop().time() > self._said_until:
            keys = KEYS if width >= len(KEYS) else NARROW_KEYS
            main.query_one("#keys", Static).update(Text(keys, no_wrap=True))

    def say(self, text: str, *, is_error: bool = False) -> None:
        """Show a message in place of the keys for a while."""
        self._said_until = asyncio.get_running_loop().time() + MESSAGE_S
        told = Text(cut(escape(text), max(1, self.size.width)), style="red" if is_error else "green", no_wrap=True)
        self.screen_stack[0].query_one("#keys", Static).update(told)
        if isinstance(self.screen, JobScreen):
            self.screen.say(told, MESSAGE_S)

    # Keys

    def action_quit_with(self, code: int) -> None:
        """End."""
        self.exit(code)

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Help())

    def action_state(self, by: int) -> None:
        """List the jobs in the next state, or in all."""
        states = [None, *JobState]
        self._filter = self._filter._replace(state=states[(states.index(self._filter.state) + by) % len(states)])
        self.look()

    def action_queue(self, by: int) -> None:
        """List the jobs of the next queue, or of all."""
        names = [None, *sorted(self._queue.status().queues)]
        at = names.index(self._filter.queue) if self._filter.queue in names else 0
        self._filter = self._filter._replace(queue=names[(at + by) % len(names)])
        self.look()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable the list's keys if the list is shown."""
        return len(self.screen_stack) == 1 if action in ("state", "queue") else True

    def on_jobs_list_opened(self) -> None:
        """Look at one job."""
        job = self.query_one(JobsList).chosen
        if job is not None:
            self.push_screen(JobScreen(self._queue, job.id))

    @work
    async def action_cancel(self) -> None:
        """Cancel a job, after a question."""
        job = self._job()
        if job is None:
            return
        what = "It runs" if job.state is JobState.PROCESSING else f"It is {job.state}"
        command = cut(command_text(job.spec.command), max(10, self.size.width - 20))
        if await self.push_screen_wait(Question(f"Cancel {escape(job.id)}? {what}:\n{command}")):
            await self._act("cancel", job.id)

    @work
    async def action_retry(self) -> None:
        """Run a job again; after a question where that is nothing to mend."""
        job = self._job()
        if job is None:
            return
        ended_well = job.state in ENDED and job.state is not JobState.DEAD
        question = f"{escape(job.id)} is {job.state}. Run it again?"
        if not ended_well or await self.push_screen_wait(Question(question)):
            await self._act("retry", job.id)

    def _job(self) -> "Job | None":
        if not isinstance(self.screen, JobScreen):
            return self.screen_stack[0].query_one(JobsList).chosen if len(self.screen_stack) == 1 else None
        try:
            return self._queue.job(self.screen.job_id)
        except JobNotFound as error:
            self._back_from_the_lost(error)
            return None

    async def _act(self, verb: str, job_id: str) -> None:
        is_done, said = await act(self._queue.path, verb, job_id)
        self.say(said, is_error=not is_done)
        self.look()


def run_top(queue: "Queue", chosen: TopFilter, every_s: float) -> int:
    """Show the view until it is left; returns the exit code. Raises what went wrong in it."""
    app = Top(queue, chosen, every_s)
    code = app.run()
    if app.error is not None:
        raise app.error
    return app.return_code or 0 if code is None else code
