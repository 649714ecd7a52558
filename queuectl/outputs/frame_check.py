"""Whether what a run printed is there as its last event says: sizes, and digests where nothing was cut.

Reads frames piece by piece, as docs/log-format.md has them, so that memory stays bounded.
"""

from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from typing import BinaryIO, Final, NamedTuple

from .frames import CUT_FRAME, HEADER_BYTES, STDERR, STDOUT, content_bytes, end_of

_PIECE_BYTES: Final = 1 << 20
_LOOK_BYTES: Final = 1 << 16
_CUT_DIGITS: Final = 20

SizeAndDigest = tuple[int, bytes]
"""What an event says of a stream: size and SHA-256."""


class Measured(NamedTuple):
    """What frames hold of each stream, how many bytes were cut, and whether the last frame is whole."""

    stdout: SizeAndDigest
    stderr: SizeAndDigest
    cut: int
    is_whole: bool


class _Totals:
    """Sizes and digests of the streams as their frames pass."""

    def __init__(self) -> None:
        self._sizes = {STDOUT: 0, STDERR: 0}
        self._hashes = {STDOUT: sha256(), STDERR: sha256()}
        self._cut = b""

    def add(self, kind: bytes, piece: bytes) -> None:
        """Take a piece of a frame."""
        if kind == CUT_FRAME:
            self._cut += piece
        else:
            self._sizes[kind] += len(piece)
            self._hashes[kind].update(piece)

    def measured(self, *, is_whole: bool) -> Measured:
        """Return what has passed."""
        stdout, stderr = ((self._sizes[kind], self._hashes[kind].digest()) for kind in (STDOUT, STDERR))
        return Measured(stdout, stderr, _count(self._cut), is_whole)


def measure(file: BinaryIO) -> Measured:
    """Read frames to their end, or to where they are not whole."""
    totals = _Totals()
    while header := file.read(HEADER_BYTES):
        kind, left = header[:1], content_bytes(header)
        if (
            len(header) < HEADER_BYTES
            or kind not in (STDOUT, STDERR, CUT_FRAME)
            or (kind == CUT_FRAME and left > _CUT_DIGITS)
        ):
            return totals.measured(is_whole=False)
        while left:
            piece = file.read(min(left, _PIECE_BYTES))
            if not piece:
                return totals.measured(is_whole=False)
            left -= len(piece)
            totals.add(kind, piece)
    return totals.measured(is_whole=True)


def cut_bytes(read: Callable[[int, int], bytes]) -> int:
    """Return how many bytes were cut of frames of which `read` returns a piece: an offset, and at the most so many."""
    found = start = 0
    while piece := read(start, _LOOK_BYTES):
        end = 0
        while end + HEADER_BYTES <= len(piece):
            after = end_of(piece, end)
            if piece[end : end + 1] == CUT_FRAME:
                if after > len(piece):
                    break
                found += _count(piece[end + HEADER_BYTES : after])
            end = after
        if not end:  # the last frame is being written, or damaged
            break
        start += end
    return found


def _count(digits: bytes) -> int:
    return int(digits) if len(digits) <= _CUT_DIGITS and digits.isdigit() else 0


def fault(found: BinaryIO | bytes, stdout: SizeAndDigest | None, stderr: SizeAndDigest | None) -> str:
    """Return what is wrong with the frames of a run of which these sizes and digests are known; "" where nothing is."""
    measured = measure(BytesIO(found) if isinstance(found, bytes) else found)
    if not measured.is_whole:
        return "what it printed is cut off or damaged"
    streams = (("stdout", measured.stdout, stdout), ("stderr", measured.stderr, stderr))
    if measured.cut:
        kept = measured.stdout[0] + measured.stderr[0] + measured.cut
        told = sum(each[0] for each in (stdout, stderr) if each)
        return "" if kept == told else f"what it printed has {kept:,} bytes with those cut; the log says {told:,}"
    for name, have, want in streams:
        size = want[0] if want else 0
        if have[0] != size:
            return f"its {name} has {have[0]:,} bytes; the log says {size:,}"
        if want and have[1] != want[1]:
            return f"its {name} is not what was printed: the SHA-256 does not match"
    return ""
