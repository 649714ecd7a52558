"""What an attempt prints, captured in order of arrival and bounded; and read again.

The capture is a row of frames: one byte for the stream (`o`, `e`), four bytes of length, big-endian,
and the content. A frame `c` stands where output was cut and holds the count of bytes that are
missing, in ASCII. Small captures stay in memory; larger ones, and those of runs old enough for
somebody to watch, lie in a file. Memory stays bounded whatever the command prints.
"""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from ..answers import Captured
from ..events.types import Output
from .process import STDERR, STDOUT, Stream

CUT: Final = b"c"
SMALL_BYTES: Final = 8192
"""A capture up to this size goes into the store, a larger one into a file."""

TAIL_BYTES: Final = 256 << 10
"""How much of the end is kept when output is cut; it is held in memory until the run ends."""

STDERR_TAIL_BYTES: Final = 1500
"""Less than a page of the store with all that goes beside it into the event."""

_HEADER_BYTES: Final = 5
_JOIN_BYTES: Final = 65536


class Frame(NamedTuple):
    """A piece of one stream, or a cut; `end` is the offset behind it."""

    stream: bytes
    content: bytes
    end: int


def read_frames(capture: bytes, start: int = 0) -> Iterator[Frame]:
    """Give the whole frames of a capture from an offset on; one still being written is left for later."""
    while start + _HEADER_BYTES <= len(capture):
        content = start + _HEADER_BYTES
        end = content + int.from_bytes(capture[start + 1 : content], "big")
        if end > len(capture):
            return
        yield Frame(capture[start : start + 1], capture[content:end], end)
        start = end


def read_stream(capture: bytes, stream: Stream | None = None) -> Iterator[bytes]:
    """Give what one stream printed, or both in order; a cut says how many bytes are missing."""
    for found, content, _ in read_frames(capture):
        if found == CUT:
            yield b"\n[... %s bytes cut ...]\n" % content
        elif stream is None or stream == found:
            yield content


def _encode(stream: bytes, content: bytes | bytearray) -> bytes:
    return stream + len(content).to_bytes(4, "big") + content


class _Frames:
    """Frames held in memory; neighbours of one stream are joined."""

    def __init__(self) -> None:
        self._frames: deque[tuple[Stream, bytearray]] = deque()
        self.size = 0

    def add(self, stream: Stream, data: bytes) -> None:
        if self._frames and self._frames[-1][0] == stream and len(self._frames[-1][1]) + len(data) <= _JOIN_BYTES:
            self._frames[-1][1].extend(data)
            self.size += len(data)
        else:
            self._frames.append((stream, bytearray(data)))
            self.size += _HEADER_BYTES + len(data)

    def trim(self, size: int) -> int:
        """Drop from the front until no more than `size` bytes are left; give how much content went."""
        dropped = 0
        while self.size > size:
            content = self._frames[0][1]
            excess = self.size - size
            if excess < len(content):
                del content[:excess]
                self.size -= excess
                return dropped + excess
            self._frames.popleft()
            self.size -= _HEADER_BYTES + len(content)
            dropped += len(content)
        return dropped

    def take(self) -> bytes:
        """Give all of it encoded, and forget it."""
        encoded = b"".join(_encode(stream, content) for stream, content in self._frames)
        self._frames.clear()
        self.size = 0
        return encoded


class _Tally:
    """Size and digest of one stream, as it passes."""

    def __init__(self) -> None:
        self._size = 0
        self._hash = sha256()

    def add(self, data: bytes) -> None:
        self._size += len(data)
        self._hash.update(data)

    def output(self) -> Output | None:
        return Output(self._size, self._hash.digest()) if self._size else None


class Capture:
    """The output of one attempt while it is being printed.

    Of output beyond `limit_bytes` (frames and all) the head and the tail are kept. A disk that
    cannot take it costs output, counted as cut, never the run.
    """

    def __init__(self, path: Path, *, limit_bytes: int) -> None:
        self._path = path
        self._tail_room = min(TAIL_BYTES, limit_bytes // 2)
        self._head_room = limit_bytes - self._tail_room
        self._head = _Frames()  # what is not yet in the file
        self._tail = _Frames()
        self._cut = 0
        self._fd: int | None = None
        self._in_file = 0
        self._is_kept = False
        self._small: bytes | None = b""  # what is in the file, as long as it is small
        self._tallies = {STDOUT: _Tally(), STDERR: _Tally()}
        self._stderr_tail = b""

    def add(self, stream: Stream, data: bytes) -> None:
        """Take what a stream printed."""
        self._tallies[stream].add(data)
        if stream == STDERR:
            self._stderr_tail = (self._stderr_tail + data)[-STDERR_TAIL_BYTES:]
        fits = max(0, self._head_room - _HEADER_BYTES)
        if len(data) <= fits:
            self._add_head(stream, data)
        else:
            self._add_head(stream, data[:fits])
            self._head_room = 0  # the head ends here, even where a small piece would still fit
            self._add_tail(stream, data[fits:])
        if self._fd is not None or self._head.size > SMALL_BYTES:
            self.show()

    @property
    def is_hidden(self) -> bool:
        """Tell whether there is output that nobody outside can see yet."""
        return self._head.size > 0

    def show(self) -> None:
        """Write the head to the file, and whatever is added to it from now on."""
        if self._head.size:
            self._write(self._head.take())

    def finish(self) -> Captured:
        """End the capture and tell what it amounted to."""
        end = (_encode(CUT, str(self._cut).encode()) if self._cut else b"") + self._tail.take()
        frames = None if self._small is None else self._small + self._head.take() + end
        if frames is None or len(frames) > SMALL_BYTES:
            self._write(end if frames is None else frames[len(self._small or b"") :])
            frames, self._is_kept = None, True
        self._close()
        stdout, stderr = (self._tallies[stream].output() for stream in (STDOUT, STDERR))
        return Captured(frames, stdout, stderr, _text(self._stderr_tail) or None)

    def discard(self) -> None:
        """Remove the file, if the store has its content now."""
        if self._in_file and not self._is_kept:
            with suppress(OSError):
                self._path.unlink()

    def _add_head(self, stream: Stream, data: bytes) -> None:
        if data:
            before = self._head.size
            self._head.add(stream, data)
            self._head_room -= self._head.size - before

    def _add_tail(self, stream: Stream, data: bytes) -> None:
        self._tail.add(stream, data)
        self._cut += self._tail.trim(self._tail_room)

    def _write(self, encoded: bytes) -> None:
        try:
            if self._fd is None:
                self._fd = _create(self._path)
            _write_all(self._fd, encoded)
        except OSError:
            self._give_up(encoded)
            return
        self._in_file += len(encoded)
        if self._small is not None:
            self._small = self._small + encoded if self._in_file <= SMALL_BYTES else None

    def _give_up(self, encoded: bytes) -> None:
        # The disk is full, most likely. Half a frame must not stay; what comes next may be luckier.
        self._cut += sum(len(frame.content) for frame in read_frames(encoded) if frame.stream != CUT)
        self._head_room = 0
        self._small = None
        if self._fd is not None:
            with suppress(OSError):
                os.ftruncate(self._fd, self._in_file)
                os.lseek(self._fd, self._in_file, os.SEEK_SET)

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _create(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _text(tail: bytes) -> str:
    # Broken bytes grow to three as they are replaced: bounded again after decoding.
    text = tail.decode("utf-8", "replace")
    return text.encode()[-STDERR_TAIL_BYTES:].decode("utf-8", "ignore")
