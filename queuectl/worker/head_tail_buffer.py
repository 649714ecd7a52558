"""Output in memory, bounded: what was printed first, what was printed last, and how much is missing between."""

from collections import deque
from typing import Final

from ..outputs.frames import HEADER_BYTES, cut_frame, encode_frame

_JOIN_BYTES: Final = 65536


class HeldPieces:
    """Frames in order; neighbours of one stream are joined."""

    def __init__(self) -> None:
        self._frames: deque[tuple[bytes, bytearray]] = deque()
        self.size_bytes = 0

    def add(self, stream: bytes, data: bytes) -> None:
        """Add what a stream printed."""
        if self._frames and self._frames[-1][0] == stream and len(self._frames[-1][1]) + len(data) <= _JOIN_BYTES:
            self._frames[-1][1].extend(data)
            self.size_bytes += len(data)
        else:
            self._frames.append((stream, bytearray(data)))
            self.size_bytes += HEADER_BYTES + len(data)

    def trim(self, size_bytes: int) -> int:
        """Drop from the front until no more than `size_bytes` are left, and return how much content went."""
        dropped = 0
        while self.size_bytes > size_bytes:
            content = self._frames[0][1]
            excess = self.size_bytes - size_bytes
            if excess < len(content):
                del content[:excess]
                self.size_bytes -= excess
                return dropped + excess
            self._frames.popleft()
            self.size_bytes -= HEADER_BYTES + len(content)
            dropped += len(content)
        return dropped

    def take(self) -> bytes:
        """Return all of it encoded, and forget it."""
        encoded = b"".join(encode_frame(stream, content) for stream, content in self._frames)
        self._frames.clear()
        self.size_bytes = 0
        return encoded


class Bounded:
    """A head and a tail with a cut between, `limit_bytes` in all, frames included and the cut's own not."""

    def __init__(self, limit_bytes: int, *, tail_bytes: int) -> None:
        self._tail_room = min(tail_bytes, limit_bytes // 2)
        self._head_room = limit_bytes - self._tail_room
        self._tail = HeldPieces()
        self.cut = 0
        self.head = HeldPieces()

    def add(self, stream: bytes, data: bytes) -> bytes:
        """Add to the head what fits there; returns the rest, which is for add_tail()."""
        fits = max(0, self._head_room - HEADER_BYTES)
        if data[:fits]:
            before = self.head.size_bytes
            self.head.add(stream, data[:fits])
            self._head_room -= self.head.size_bytes - before
        if len(data) > fits:
            self.close_head()  # even where a small piece would still fit
        return data[fits:]

    def add_tail(self, stream: bytes, data: bytes) -> None:
        """Add to the tail, whose front gives way and counts as cut."""
        if data:
            self._tail.add(stream, data)
            self.cut += self._tail.trim(self._tail_room)

    def close_head(self) -> None:
        """Let nothing be added to the head any more."""
        self._head_room = 0

    def take_end(self) -> bytes:
        """Return the cut and the tail, encoded."""
        return cut_frame(self.cut) + self._tail.take()
