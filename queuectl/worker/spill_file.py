"""The file that a run's output goes to when it is large, or watched: whole frames, whatever the disk does.

Knows nothing of streams, limits or what a frame means.
"""

import os
from collections import deque
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Final

from ..system.disk_space import refusal
from ..system.files import flush, flush_directory, make_private, open_private

_STEP_BYTES: Final = 8192
"""How far apart the places are at which the file can be shortened: more than a block of the disk."""

_SIDE_BY_SIDE: Final = 8
"""How many files are flushed at one time: the disk does that together, ten times as fast as one after another."""


class Spill:
    """A file made when the first frames are written to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._is_made = False
        self._steps: deque[list[int]] = deque([[0, 0]], maxlen=2)  # offset, and the content written after it
        self.size_bytes = 0
        self.refusal = ""
        """Why the last write that failed did, in words."""

    @property
    def is_open(self) -> bool:
        """Return whether there is a file."""
        return self._fd is not None

    def write(self, frames: bytes, *, content: int) -> bool:
        """Append whole frames with so much content; where that fails the file is as it was before."""
        try:
            if self._fd is None:
                self._fd = _create(self.path)
                self._is_made = True
            _write_all(self._fd, frames)
        except OSError as error:
            self.refusal = refusal(error)
            self._cut_to(self.size_bytes)
            return False
        if self.size_bytes - self._steps[-1][0] >= _STEP_BYTES:
            self._steps.append([self.size_bytes, 0])
        self._steps[-1][1] += content
        self.size_bytes += len(frames)
        return True

    def shorten(self) -> int:
        """Make room by dropping the last few kilobytes; returns how much content went."""
        self.size_bytes = self._steps[0][0]
        dropped = sum(content for _, content in self._steps)
        self._steps = deque([[self.size_bytes, 0]], maxlen=2)
        self._cut_to(self.size_bytes)
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
                self.path.unlink()

    def _cut_to(self, size_bytes: int) -> None:
        if self._fd is not None:
            with suppress(OSError):
                os.ftruncate(self._fd, size_bytes)
                os.lseek(self._fd, size_bytes, os.SEEK_SET)


def not_on_disk(paths: Collection[Path]) -> dict[Path, str]:
    """Have files that were written on disk, with their names; returns those that the disk did not take, and why."""
    waiting = deque(paths)
    lost: dict[Path, str] = {}
    helpers = [Thread(target=_flush, args=(waiting, lost)) for _ in range(min(len(paths), _SIDE_BY_SIDE) - 1)]
    with suppress(RuntimeError):  # no more threads can be had
        for thread in helpers:
            thread.start()
    _flush(waiting, lost)
    for thread in helpers:
        if thread.ident is not None:
            thread.join()
    for directory in {path.parent for path in paths}:
        lost |= _unnamed(paths, directory)
    return lost


def _flush(waiting: deque[Path], lost: dict[Path, str]) -> None:
    with suppress(IndexError):
        while path := waiting.popleft():
            try:
                flush(path)
            except OSError as error:
                lost[path] = refusal(error)


def _unnamed(paths: Iterable[Path], directory: Path) -> dict[Path, str]:
    """Have the names in a directory on disk; returns the paths in it where that fails, and why."""
    try:
        flush_directory(directory)
    except OSError as error:
        return {path: refusal(error) for path in paths if path.parent == directory}
    return {}


def _create(path: Path) -> int:
    make_private(path.parent)
    return open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
