"""What runs printed, read again piece by piece: never more in memory than a chunk, whatever its size."""

from collections.abc import Iterator
from typing import Final

from ..answers import Run
from ..queue import Queue
from .output import CUT, Frame, cut_line, read_frames

CHUNK_BYTES: Final = 256 << 10
"""More than a frame takes; a larger frame is read in a chunk of its own."""


def frames_of(queue: Queue, run: Run, start: int = 0) -> Iterator[Frame]:
    """Yield the whole frames of a run's output from an offset on; `end` counts from its beginning."""
    size = CHUNK_BYTES
    while True:
        chunk, end = queue.output(run, start, limit=size), 0
        for stream, content, end in read_frames(chunk):
            yield Frame(stream, content, start + end)
        if end:
            start, size = start + end, CHUNK_BYTES
        elif len(chunk) < size:
            return
        else:
            size *= 2


def shown(frame: Frame) -> bytes:
    """Return what is shown of a frame: its content, or how much was cut."""
    return cut_line(frame.content) if frame.stream == CUT else frame.content
