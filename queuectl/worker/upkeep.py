"""What a worker does for the others now and then; knows nothing of its own runs."""

import os

from ..queue import Queue


def bury_gone(queue: Queue, *, finder: str) -> list[str]:
    """Record the end of this host's workers that died without a word and hold no jobs any more; gives their ids."""
    here = os.uname().nodename
    gone = [
        info.id
        for info in queue.workers()
        if info.state == "dead" and info.host == here and not info.running and not _is_there(info.pid)
    ]
    for worker in gone:
        queue.worker_stopped(worker, "found gone", actor=finder)
    return gone


def _is_there(pid: int) -> bool:
    # One that is only silent may be frozen, and go on: its process decides.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
