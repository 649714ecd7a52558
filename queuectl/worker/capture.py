"""What an attempt prints, captured in order of arrival and bounded.

Small captures stay in memory; larger ones, and those of runs old enough for somebody to watch, lie
in a file. Memory stays bounded whatever the command prints.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from ..core.results import Captured
from ..events.types import Output
from ..outputs.frames import CUT_FRAME, STDERR, STDOUT, OutputStream, content_of, cut_frame, read_frames
from .head_tail_buffer import Bounded
from .spill_file import Spill

SMALL_BYTES: Final = 8192
"""A capture up to this size goes into the store, a larger one into a file."""

TAIL_BYTES: Final = 256 << 10
"""How much of the end is kept when output is cut; it is held in memory until the run ends."""

STDERR_TAIL_BYTES: Final = 1500
"""Less than a page of the store with all that goes beside it into the event."""

_CUT_FRAME_BYTES: Final = 32
"""More than a cut frame takes."""


class _Tally:
    """Size and digest of one stream, as it passes."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._hash = sha256()

    def add(self, data: bytes) -> None:
        self.size_bytes += len(data)
        self._hash.update(data)

    def output(self) -> Output | None:
        return Output(self.size_bytes, self._hash.digest()) if self.size_bytes else None


class Capture:
    """The output of one attempt while it is being printed.

    Of output beyond `limit_bytes` (frames and all) the head and the tail are kept. A disk that
    cannot take it never costs the run, nor output that is small; of large output it costs what then
    counts as cut, with the disk's refusal told.
    """

    def __init__(self, path: Path, *, limit_bytes: int) -> None:
        self._bounded = Bounded(limit_bytes, tail_bytes=TAIL_BYTES)
        self._spill = Spill(path)
        self._is_kept = False
        self._small: bytes | None = b""  # what was shown, as long as it is small
        self._refused = b""  # that part of it which the file did not take
        self._tallies = {STDOUT: _Tally(), STDERR: _Tally()}
        self._stderr_tail = b""
        self._lost_by: str | None = None  # what kept the disk from taking what is missing

    def add(
        self, printed: Mapping[OutputStream, bytes], pieces: Iterable[tuple[OutputStream, bytes]] | None = None
    ) -> None:
        """Take what streams printed; where it came by turns, all of it once more, in pieces."""
        for stream, data in printed.items():
            self._tallies[stream].add(data)
        self._stderr_tail = (self._stderr_tail + printed.get(STDERR, b""))[-STDERR_TAIL_BYTES:]
        for stream, data in printed.items() if pieces is None else pieces:
            if rest := self._bounded.add(stream, data):
                self._show_what_is_large()
                self._bounded.add_tail(stream, rest)  # after what of the head may have to go there
        self._show_what_is_large()

    @property
    def is_hidden(self) -> bool:
        """Return whether there is output that was not yet shown to anybody outside."""
        return self._bounded.head.size_bytes > 0

    def show(self) -> None:
        """Write the head to the file, and whatever is added to it from now on."""
        if self._bounded.head.size_bytes:
            self._show(self._bounded.head.take())

    def finish(self) -> Captured:
        """End the capture and tell what it amounted to."""
        frames = self._end()
        self._is_kept = frames is None
        self._spill.close()
        stdout, stderr = (self._tallies[stream].output() for stream in (STDOUT, STDERR))
        return Captured(frames, stdout, stderr, _text(self._stderr_tail) or None, self._lost_by)

    @property
    def file(self) -> Path | None:
        """Return the file that the output lies in, None where the store has it or there is none."""
        return self._spill.path if self._is_kept and self._spill.size_bytes else None

    def lose(self) -> bytes:
        """Give up the file, which the disk did not take; returns the frames that say how much is lost."""
        self._is_kept = False
        return self._all_cut()

    def discard(self) -> None:
        """Remove the file, if the store has its content now."""
        if not self._is_kept:
            self._spill.remove()

    def _show_what_is_large(self) -> None:
        if self._spill.is_open or self._bounded.head.size_bytes > SMALL_BYTES:
            self.show()

    def _show(self, frames: bytes) -> None:
        if self._small is not None:
            small = self._small + frames
            self._small = small if len(small) <= SMALL_BYTES else None
        frames = self._refused + frames
        taken = self._spill.write(frames, content=content_of(frames))
        self._refused = b"" if taken or self._small is None else frames
        if not taken and self._small is None:
            # The disk is full, most likely. What comes next may be luckier, at the end.
            self._bounded.close_head()
            self._lost_by = self._spill.refusal
            for frame in read_frames(frames):
                self._bounded.add_tail(frame.stream, frame.content)

    def _end(self) -> bytes | None:
        """Return all of it where it is small, None where it lies in the file."""
        if not self._bounded.cut:
            self._lost_by = None  # what the disk refused is all at hand
        head, end = self._bounded.head.take(), self._bounded.take_end()
        if self._small is None:
            return self._end_file(head + end)
        frames = self._small + head + end
        if len(frames) <= SMALL_BYTES:
            return frames
        rest = self._refused + head + end
        return None if self._spill.write(rest, content=content_of(rest)) else self._shrunk(frames)

    def _end_file(self, end: bytes) -> bytes | None:
        if not end or self._spill.write(end, content=content_of(end)):
            return None
        if not self._spill.size_bytes:
            return self._shrunk(end)
        self._lost_by = self._spill.refusal
        missing = self._bounded.cut + content_of(end)
        if self._spill.write(cut_frame(missing), content=0):
            return None
        missing += self._spill.shorten()
        if self._spill.write(cut_frame(missing), content=0):
            return None
        return self._all_cut()

    def _all_cut(self) -> bytes:
        return cut_frame(sum(tally.size_bytes for tally in self._tallies.values()))

    def _shrunk(self, frames: bytes) -> bytes:
        """Return of these frames what the store takes."""
        small = Bounded(SMALL_BYTES - _CUT_FRAME_BYTES, tail_bytes=SMALL_BYTES)
        for frame in read_frames(frames):
            if frame.stream == CUT_FRAME:
                small.close_head()
            else:
                small.add_tail(frame.stream, small.add(frame.stream, frame.content))
        if small.cut:
            self._lost_by = self._spill.refusal
        small.cut += self._bounded.cut
        return small.head.take() + small.take_end()


def _text(tail: bytes) -> str:
    # Broken bytes grow to three as they are replaced: bounded again after decoding.
    text = tail.decode("utf-8", "replace")
    return text.encode()[-STDERR_TAIL_BYTES:].decode("utf-8", "ignore")
