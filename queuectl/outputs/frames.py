"""The frames that an attempt's output is kept as: how they are written, and read again.

A capture is a row of frames: one byte for the stream (`o`, `e`), four bytes of length, big-endian,
and the content. A frame `c` stands where output was cut and holds the count of bytes that are
missing, in ASCII.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

OutputStream: TypeAlias = Literal[b"o", b"e"]
STDOUT: Final = b"o"
STDERR: Final = b"e"
CUT_FRAME: Final = b"c"
HEADER_BYTES: Final = 5

STREAM_NAMES: Final[Mapping[bytes, str]] = {STDOUT: "stdout", STDERR: "stderr", CUT_FRAME: "cut"}
OUTPUT_STREAMS: Final[Mapping[str, OutputStream]] = {"stdout": STDOUT, "stderr": STDERR}


def cut_line(missing: bytes) -> bytes:
    """Return the line that stands where so many bytes are missing, a count in ASCII."""
    return b"\n[... %s bytes cut ...]\n" % missing


class Frame(NamedTuple):
    """A piece of one stream, or a cut; `end` is the offset after it."""

    stream: bytes
    content: bytes
    end: int


def read_frames(capture: bytes, start: int = 0) -> Iterator[Frame]:
    """Yield the whole frames of a capture from an offset on; one still being written is left for later."""
    while start + HEADER_BYTES <= len(capture):
        end = end_of(capture, start)
        if end > len(capture):
            return
        yield Frame(capture[start : start + 1], capture[start + HEADER_BYTES : end], end)
        start = end


def end_of(capture: bytes, start: int = 0) -> int:
    """Return the offset after the frame whose header lies at an offset."""
    return start + HEADER_BYTES + content_bytes(capture[start : start + HEADER_BYTES])


def content_bytes(header: bytes) -> int:
    """Return how many bytes of content come after a header."""
    return int.from_bytes(header[1:], "big")


def read_stream(capture: bytes, stream: OutputStream | None = None) -> Iterator[bytes]:
    """Yield what one stream printed, or both in order; a cut says how many bytes are missing."""
    for found, content, _ in read_frames(capture):
        if found == CUT_FRAME:
            yield cut_line(content)
        elif stream is None or stream == found:
            yield content


def encode_frame(stream: bytes, content: bytes | bytearray) -> bytes:
    """Make a frame."""
    return stream + len(content).to_bytes(4, "big") + content


def cut_frame(missing: int) -> bytes:
    """Make the frame that stands for so many missing bytes; nothing where none is missing."""
    return encode_frame(CUT_FRAME, str(missing).encode()) if missing else b""


def content_of(capture: bytes) -> int:
    """Count the bytes printed that a capture holds."""
    return sum(len(frame.content) for frame in read_frames(capture) if frame.stream != CUT_FRAME)
