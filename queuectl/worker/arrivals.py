"""In which order a run's two pipes were written to, which the pipes themselves do not tell.

Linux notes each write to a watched pipe (inotify), in one row for all pipes. What follows at once on
the same pipe counts as one note with the one before it, unless it was read meanwhile; so the turns
from one stream to the other are known, and how often at the least each was written to between them.
Where there is no inotify, or none can be had, nothing is known. Knows nothing of runs and streams.
"""

import ctypes
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import Final, Generic, TypeVar

_MODIFIED: Final = 0x2
_FLAGS: Final = os.O_CLOEXEC | os.O_NONBLOCK
_NOTE: Final = struct.Struct("iIII")
_READ_BYTES: Final = 1 << 16

_libc: Final = ctypes.PyDLL(None)  # keeps the interpreter's lock, as these are quick
_init: Final = getattr(_libc, "inotify_init1", None)

S = TypeVar("S", bound=bytes)


class Arrivals:
    """The notes of all runs of a worker; read in one thread, watched in any."""

    def __init__(self) -> None:
        self._fd = -1 if _init is None else int(_init(_FLAGS))
        self._watched: dict[int, Callable[[], None]] = {}

    def watch(self, pipes: Mapping[S, int]) -> "Watch[S]":
        """Watch a run's pipes, by the ends to read from, before anything can be written to them."""
        notes: list[S] = []
        numbers = []
        for stream, fd in pipes.items() if self._fd >= 0 else ():
            number = int(_libc.inotify_add_watch(self._fd, b"/proc/self/fd/%d" % fd, _MODIFIED))
            if number > 0:  # there may be no /proc, or no more watches to have
                self._watched[number] = partial(notes.append, stream)
                numbers.append(number)
        return Watch(self, notes, numbers)

    def collect(self) -> None:
        """Sort what was noted since the last time."""
        with suppress(BlockingIOError):
            while self._fd >= 0:
                row = os.read(self._fd, _READ_BYTES)
                self._sort(row)
                if len(row) < _READ_BYTES // 2:
                    return

    def forget(self, numbers: Sequence[int]) -> None:
        """Watch pipes no more: the watch alone would keep them from vanishing."""
        for number in numbers:
            del self._watched[number]
            _libc.inotify_rm_watch(self._fd, number)

    def close(self) -> None:
        """Let go of everything."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _sort(self, row: bytes) -> None:
        # No name comes with a pipe's note. One of a watch that has ended, or that says that notes
        # were lost, is nobody's.
        for number, mask, _, _ in _NOTE.iter_unpack(row):
            if mask & _MODIFIED and (note := self._watched.get(number)) is not None:
                note()


class Watch(Generic[S]):
    """The notes of one run's pipes."""

    def __init__(self, arrivals: Arrivals, notes: list[S], numbers: list[int]) -> None:
        self._arrivals = arrivals
        self._notes = notes
        self._numbers = numbers

    def take(self) -> list[S]:
        """Return the streams that were written to since the last time, in order."""
        self._arrivals.collect()
        taken = self._notes[:]
        self._notes.clear()
        return taken

    def end(self) -> None:
        """Watch no more; call it before the pipes are closed."""
        self._arrivals.forget(self._numbers)
        self._numbers = []


def interleave(notes: Sequence[S], printed: Mapping[S, bytes]) -> Iterator[tuple[S, bytes]]:
    """Yield what streams printed by lines, in the order that was noted.

    Exact where each write was a line and was noted by itself; otherwise a stream's lines are spread
    over the turns that it had.
    """
    if len(printed) == 1:
        yield from printed.items()
        return
    turns = _turns([stream for stream in notes if stream in printed])
    turns += [(stream, 1) for stream in printed if stream not in notes]
    shares = {
        stream: _shares(data, [writes for each, writes in turns if each == stream]) for stream, data in printed.items()
    }
    for stream, _ in turns:
        if share := next(shares[stream]):
            yield stream, share


def _turns(notes: Sequence[S]) -> list[tuple[S, int]]:
    """Count how often a stream was noted before another was."""
    return [(stream, sum(1 for _ in row)) for stream, row in groupby(notes)]


def _shares(data: bytes, turns: Sequence[int]) -> Iterator[bytes]:
    """Share lines out over turns of so many writes each: a line each while there are any, and its part of the rest."""
    lines = data.splitlines(keepends=True)
    rest = max(0, len(lines) - len(turns))
    parts = [writes - 1 for writes in turns] if sum(turns) > len(turns) else turns
    whole = sum(parts)
    begin = passed = 0
    for number, part in enumerate(parts, 1):
        passed += part
        end = number + rest * passed // whole
        yield b"".join(lines[begin:end])
        begin = end
