"""`queuectl top`: the queue, live, on the whole screen."""

import click

from ...core.job import JobState
from ...errors import QueuectlError
from ..command import Verb
from ..input.param_types import StateList, duration_s, queue_option
from ..output.table import on_terminal, terminal_width
from ..session import Session, pass_session

LEAST_REFRESH_S = 0.1
PIPE_WIDTH = 120
"""Columns of a frame that goes into a pipe."""


@click.command(
    cls=Verb,
    examples=(
        "queuectl top",
        "queuectl top --state failed --queue mail",
        "queuectl top --once",
    ),
)
@click.option("--state", "-s", type=StateList(list(JobState)), help="List only jobs in this state.")
@queue_option(help="List only jobs of this queue.")
@click.option("--every", type=duration_s, default=1.0, metavar="DURATION", help="Look this often.  [default: 1s]")
@click.option("--once", is_flag=True, help="Print one frame, and exit.")
@pass_session
@click.pass_context
def command(
    ctx: click.Context, session: Session, *, state: tuple[str, ...] | None, queue: str | None, every: float, once: bool
) -> None:
    """Watch the queue live, on the whole screen.

    Its rates, its workers and what they run, its jobs, what failed.

    Keys: up and down choose a job, Enter shows what it prints, r retries it, c cancels it, left and
    right choose the state, Tab the queue, ? tells the others, q quits.
    """
    from ..top import start
    from ..top.frame import TopFilter, print_frame

    if state and len(state) > 1:
        raise click.UsageError("top lists the jobs of one state, or of all; left and right choose it")
    chosen = TopFilter(JobState(state[0]) if state else None, queue)
    if once:
        print_frame(session.reading(), chosen, terminal_width() if on_terminal() else PIPE_WIDTH)
        return
    if not start.is_possible():
        raise QueuectlError("top needs a terminal; use `queuectl status --json`, `status --watch` or `top --once` here")
    ctx.exit(start.show(session.reading(), chosen, every_s=max(every, LEAST_REFRESH_S)))
