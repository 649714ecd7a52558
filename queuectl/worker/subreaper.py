"""Processes whose parents have ended, and that are a worker's own since then: it is told of them, and reaps them.

So it is where the worker is a subreaper (prctl(2)) or process 1, and has its process to itself: in
a program of somebody else's a child may be that program's, which waits for it. Elsewhere none are seen.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from typing import Final

from .helper_process import unreaped
from .posix_spawn import adopt_orphans

_READ_BYTES: Final = 65536


class Subreaper:
    """The orphans of this process, while there are any; `is_sole`: nothing else in it has children."""

    def __init__(self, *, is_sole: bool) -> None:
        self._fd = _children_file() if is_sole and adopt_orphans(are_wanted=True) else -1

    @property
    def sees_orphans(self) -> bool:
        """Whether all that a run leaves behind shows up here once its parent has ended."""
        return self._fd >= 0

    def living_orphans(self, but: Collection[int]) -> list[int]:
        """Reap those that have ended, and return the ids of the others; `but` are the commands of this worker.

        Where none are returned there was a moment at which there were none: a dead process can leave no
        others, and the list was read again after the last of them.
        """
        ours = unreaped().union(but)
        while True:
            pids = [pid for pid in self._children() if pid not in ours]
            if not [pid for pid in pids if _reap(pid)]:
                return pids

    def close(self) -> None:
        """Leave orphans to others again."""
        if self.sees_orphans:
            os.close(self._fd)
            self._fd = -1
            adopt_orphans(are_wanted=False)

    def _children(self) -> list[int]:
        # Of the first thread alone: orphans are given to that one. A slot's command is the child of the slot's thread.
        if not self.sees_orphans:
            return []
        content = b""
        while part := os.pread(self._fd, _READ_BYTES, len(content)):
            content += part
        return [int(pid) for pid in content.split()]


def _children_file() -> int:
    """Open the list of this process's children; -1 where the kernel keeps none, or /proc is another namespace's."""
    try:
        return os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _reap(pid: int) -> bool:
    with suppress(ChildProcessError):
        return bool(os.waitpid(pid, os.WNOHANG)[0])
    return True
