"""Workers: they take jobs from the queue and run their commands.

A worker changes the queue through class Queue alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..core.argument_kinds import checked
from ..core.request import (
    POLL_S,
    check_grace_s,
    check_lease_s,
    check_poll_s,
    check_queues,
    check_slots,
    check_text,
    check_worker,
)
from ..core.times import Duration, duration_s
from ..display import shown
from ..errors import StoreError, Unusable
from ..escaping import escape
from ..queue import Queue
from .lifecycle import Worker
from .log_buffer import Report, can_take, write_lines
from .log_lines import LogLine
from .options import Options
from .signals import is_in_handler
from .systemd import Notifier


def print_lines(lines: Sequence[LogLine]) -> int:
    """Print what a worker has to say, as far as that does not wait for whoever reads it; returns how many lines."""
    return write_lines(sys.stdout, [escape(line.text) for line in lines]) if can_take(sys.stdout) else 0


@checked
def start_worker(
    queue: Queue,
    *,
    slots: int = 1,
    queues: Sequence[str] | None = None,
    drain: bool = False,
    poll_s: Duration = POLL_S,
    lease_s: Duration | None = None,
    grace_s: Duration | None = None,
    reason: str | None = None,
    report: Report = print_lines,
    notifier: Notifier | None = None,
    is_sole: bool = False,
    id: str | None = None,
) -> int:
    """Run jobs in this process until told to stop, or until nothing is left with `drain`; returns the exit code.

    It runs `slots` commands at a time and looks for jobs every `poll_s` seconds, and sooner when one comes in.
    `queues` None takes jobs of all queues; `lease_s` and `grace_s` None take the configured ones.
    `reason` is kept in the log with its start.
    SIGTERM, SIGINT and SIGHUP finish the running jobs; a second one gives them back, a third kills.
    `report` is given the lines to print, all of a tick at once, and may give how many it could print now: the
    others come again. `notifier` tells a service manager.
    `is_sole` says that nothing else in this process has children: it takes in what commands leave behind when they
    end (as a subreaper, Linux), by which it finds what hides, and reaps it. Without it commands are children of another
    process, and this one's are left to you, those too that it is left as process 1.
    `id` is what it is called, another at each start. Raises StoreError in a signal handler.
    """
    if is_in_handler():
        raise StoreError(
            f"cannot start a worker on {queue.path} in a signal handler: the program that it interrupted would stand "
            "still until the worker ends; have the handler set a flag, and start it where that is looked at"
        )
    settings = queue.admin.settings()
    options = Options(  # all are checked before anything is written or said
        slots=check_slots(slots),
        queues=check_queues(queues),
        drain=drain,
        poll_s=check_poll_s(duration_s(poll_s, field="poll_s")),
        lease_s=check_lease_s(settings.lease_s if lease_s is None else duration_s(lease_s, field="lease_s")),
        grace_s=check_grace_s(settings.grace_s if grace_s is None else duration_s(grace_s, field="grace_s")),
        reason=None if reason is None else check_text("reason", reason),
        is_sole=is_sole,
        id=None if id is None else _check_free(queue, check_worker(id)),
    )
    return Worker(queue, options, report, notifier or Notifier()).run()


def _check_free(queue: Queue, id: str) -> str:
    """Return a worker's id where no worker has it that has not stopped: two of one id would take each other's jobs."""
    if any(each.id == id for each in queue.workers()):
        raise Unusable("id", shown(id), "an id that no worker has which has not stopped")
    return id
