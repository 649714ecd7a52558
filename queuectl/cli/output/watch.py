"""The status, shown again and again: in place on a terminal, a block or a JSON line a change elsewhere."""

import os
import sys
import time
from typing import TYPE_CHECKING

from ..exit_codes import check_reader
from .format import moment
from .status_text import glance
from .table import json_line, line, on_terminal

if TYPE_CHECKING:
    from ...queue import Queue

REFRESH_S = 1.0
"""Ages grow without an event."""

LEAST_S = 0.2
"""How much time at least lies between two frames, however much happens."""

KEYS_S = 0.1
QUIT = (b"q", b"Q", b"\x1b", b"\x04")


def watch_status(queue: "Queue", name: str | None, *, as_json: bool) -> None:
    """Show the status, of all or of the queue `name`, whenever something happened, until Ctrl-C or, on a terminal, q.

    Raises NoQueue once the queue is gone.
    """
    if as_json or not on_terminal() or os.environ.get("TERM") == "dumb":
        _tell_changes(queue, name, as_json=as_json)
    last = _redraw(queue, name)
    for each in last:  # what was seen last stays, under the command that showed it
        line(each)


def _redraw(queue: "Queue", name: str | None) -> list[str]:
    from .terminal import pressed, whole_screen

    lines: list[str] = []
    with whole_screen() as screen:
        while True:
            queue.admin.check_there()
            head, drawn_at = queue.log.head(), time.monotonic()
            lines = list(glance(queue, name))
            screen.draw([*lines, "", f"{moment(int(time.time() * 1e6), short=True)}  q quits"])
            while _is_still_good(queue, head, drawn_at) and not screen.has_another_size():
                if sys.stdin.isatty() and pressed(KEYS_S) in QUIT:
                    return lines
                if not sys.stdin.isatty():
                    time.sleep(KEYS_S)


def _is_still_good(queue: "Queue", head: int, drawn_at: float) -> bool:
    age_s = time.monotonic() - drawn_at
    return age_s < REFRESH_S and (age_s < LEAST_S or queue.log.head() == head)


def _tell_changes(queue: "Queue", name: str | None, *, as_json: bool) -> None:
    is_first = True
    while True:
        head = queue.log.head()
        if as_json:
            from ...queries.json_form import status_json

            json_line(status_json(queue.status(queue=name)))
        else:
            if not is_first:
                line()
            for each in glance(queue, name):
                line(each)
        is_first = False
        sys.stdout.flush()
        time.sleep(LEAST_S)
        while not queue.log.wait_for_change(head, REFRESH_S):
            queue.admin.check_there()
            check_reader()
