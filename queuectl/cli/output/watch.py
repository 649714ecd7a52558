"""The status, printed again and again where there is no screen to draw on: a block or a JSON line a change."""

import sys
import time
from typing import TYPE_CHECKING

from ..exit_codes import check_reader
from .status_text import glance
from .table import json_line, line

if TYPE_CHECKING:
    from ...queue import Queue

REFRESH_S = 1.0
"""Ages grow without an event."""

LEAST_S = 0.2
"""How much time at least lies between two blocks, however much happens."""


def watch_status(queue: "Queue", name: str | None, *, as_json: bool) -> None:
    """Print the status, of all or of the queue `name`, whenever something happened, until Ctrl-C.

    Raises NoQueue once the queue is gone.
    """
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
