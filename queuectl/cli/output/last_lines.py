"""The last lines of what a run printed, found as it passes by: bounded, however much it is."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from ...outputs.frames import CUT_FRAME

MOST_BYTES: Final = 4 << 20
"""Of lines that take more only the end is kept."""

MOST_PIECES: Final = 100_000
JOINED_BYTES: Final = 4_096
"""A piece is joined to one before it that is shorter and has not ended its line."""

OutputPiece = tuple[bytes, bytes]
"""The name of a stream, and content."""


class LastLines:
    """Takes pieces of output in order, and gives those that make up the last `count` lines."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pieces: deque[OutputPiece] = deque()
        self._whole = 0  # pieces that end a line
        self._bytes = 0

    def add(self, stream: bytes, content: bytes) -> None:
        """Take a piece."""
        if stream == CUT_FRAME:
            self._put(stream, content)
            return
        *lines, rest = content.rsplit(b"\n", self._count + 1)
        if len(lines) > self._count:  # the first holds all lines but the last ones
            self._clear()
            lines = lines[1:]
        for line in lines:
            self._put(stream, line + b"\n")
        if rest:
            self._put(stream, rest)

    def taken(self) -> Iterator[OutputPiece]:
        """Yield the pieces, and begin anew."""
        while self._pieces:
            yield self._pieces.popleft()
        self._clear()

    def _put(self, stream: bytes, content: bytes) -> None:
        self._bytes += len(content)
        if self._pieces and self._pieces[-1][0] == stream != CUT_FRAME and len(self._pieces[-1][1]) < JOINED_BYTES:
            before = self._pieces[-1][1]
            if not before.endswith(b"\n"):
                self._pieces.pop()
                content = before + content
        self._pieces.append((stream, content))
        self._whole += _ends_line(stream, content)
        is_open = not _ends_line(stream, content)
        while self._pieces and (
            self._whole + is_open > self._count or self._bytes > MOST_BYTES or len(self._pieces) > MOST_PIECES
        ):
            was_stream, was = self._pieces.popleft()
            self._whole -= _ends_line(was_stream, was)
            self._bytes -= len(was)

    def _clear(self) -> None:
        self._pieces.clear()
        self._whole = self._bytes = 0


def _ends_line(stream: bytes, content: bytes) -> bool:
    return stream == CUT_FRAME or content.endswith(b"\n")
