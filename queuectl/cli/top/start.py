"""Whether the whole screen can be had, and the view on it: for `top`, and for `status --watch` on a terminal."""

import os
import sys

from ...errors import QueuectlError
from ...queue import Queue
from ...system.lock_wait import listen
from .frame import TopFilter

REFRESH_S = 1.0


def is_possible() -> bool:
    """Whether this process has a terminal that can be drawn on."""
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)) and os.environ.get("TERM") != "dumb"


def show(queue: Queue, chosen: TopFilter, *, every_s: float = REFRESH_S) -> int:
    """Show the view until it is left; returns the exit code, and raises QueuectlError if a package is missing."""
    try:
        from .app import run_top
    except ModuleNotFoundError as error:
        raise QueuectlError(f"top needs {error.name}; install it: pip install textual") from None
    listen(None)  # the whole screen is its own
    return run_top(queue, chosen, every_s)
