"""The guardian of a worker: a small process that outlives it by a moment, and takes its commands along.

It reads from a pipe whose other end the worker has, which says a byte there when it ends. When that is closed, or
the guardian has become another's child (what the worker's program forked may have the pipe too), without the worker
having cleared its lock file, the worker was killed: the guardian kills its commands, whatever they ignore. And
where a worker was stopped inside a write transaction, which would hold everybody up, it puts an end to that. Runs
as `python -I -S -c START DIRECTORY DB WORKER`, with that pipe as its stdin, and as its stdout another, whose end
tells the worker that the guardian is gone.
"""

import os
import select
import signal
import sys
from typing import Final

from ..system.boot import awake_s
from ..system.processes import SeenProcesses, seen, send
from . import lock_file
from .orphans import kill_orphans

START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from queuectl.liveness.guardian import main; main()"
"""The least that Python needs to load to run this: no site-packages, no environment, no other module of ours."""

LOOK_EVERY_S: Final = 1.0
"""How often it looks whether its worker is stopped while it writes."""

PATIENCE_S: Final = 5.0
"""How long a worker may be stopped inside a write transaction at the least; its lease, where that is longer."""

_GIVE_UP_S: Final = 10.0


def main() -> None:
    """Wait for the worker's end, and kill what it left running."""
    db_path, worker = sys.argv[2:4]
    fd = os.open(lock_file.path_of(db_path, worker), os.O_RDONLY | os.O_CLOEXEC)
    pid = os.getppid()  # the worker's, as long as that lives
    parent = seen(pid)
    while os.getppid() == pid and not select.select([0], [], [], LOOK_EVERY_S)[0]:
        _free_the_store(fd, worker, parent)
    if (sighting := lock_file.read(fd, worker)) is not None:
        kill_orphans(sighting, sighting.runs, patience_s=_GIVE_UP_S)


def _free_the_store(fd: int, worker: str, parent: SeenProcesses | None) -> None:
    sighting = lock_file.read(fd, worker)
    if sighting is None or sighting.writing_since_s is None or parent is None or parent.pid != sighting.pid:
        return
    stopped_for_s = awake_s() - sighting.writing_since_s
    now = seen(parent.pid)
    if stopped_for_s > max(PATIENCE_S, sighting.lease_s) and now is not None and now.is_stopped:
        send(parent, signal.SIGKILL)  # the store's lock passes on, and nothing half done is seen
