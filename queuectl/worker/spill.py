"""The file that a run's output goes to when it is large, or watched: whole frames, whatever the disk does.

Knows nothing of streams, limits or what a frame means.
"""

import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

_STEP_BYTES: Final = 8192
"""How far apart the places are at which the file can be shortened: more than a block of the disk."""


class Spill:
    """A file made when the first frames are written to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._is_made = False
        self._steps: deque[list[int]] = deque([[0, 0]], maxlen=2)  # offset, and the content written behind it
        self.size = 0

    @property
    def is_open(self) -> bool:
        """Tell whether there is a file."""
        return self._fd is not None

    def write(self, frames: bytes, *, content: int) -> bool:
        """Append whole frames with so much content; where that fails the file is as it was before."""
        try:
            if self._fd is None:
                self._fd = _create(self._path)
                self._is_made = True
            _write_all(self._fd, frames)
        except OSError:
            self._cut_to(self.size)
            return False
        if self.size - self._steps[-1][0] >= _STEP_BYTES:
            self._steps.append([self.size, 0])
        self._steps[-1][1] += content
        self.size += len(frames)
        return True

    def shorten(self) -> int:
        """Make room by dropping the last few kilobytes; gives how much content went."""
        self.size = self._steps[0][0]
        dropped = sum(content for _, content in self._steps)
        self._steps = deque([[self.size, 0]], maxlen=2)
        self._cut_to(self.size)
        return dropped

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def remove(self) -> None:
        """Remove the file where there is one."""
        if self._is_made:
            with suppress(OSError):
                self._path.unlink()

    def _cut_to(self, size: int) -> None:
        if self._fd is not None:
            with suppress(OSError):
                os.ftruncate(self._fd, size)
                os.lseek(self._fd, size, os.SEEK_SET)


def _create(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
