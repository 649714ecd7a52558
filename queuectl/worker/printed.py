"""What runs printed, read again piece by piece: never more in memory than a chunk, whatever its size."""

from collections.abc import Iterator
from typing import Final

from ..core.results import Run
from ..outputs.frames import CUT_FRAME, HEADER_BYTES, Frame, cut_line, end_of, read_frames
from ..queue import Queue

CHUNK_BYTES: Final = 256 << 10
"""More than a frame takes; a larger frame is read in ever larger chunks."""


def frames_of(queue: Queue, run: Run, start: int = 0) -> Iterator[Frame]:
    """Yield the whole frames of a run's output from an offset on; `end` counts from its beginning.

    Whoever asks again and again where the whole frames end reads a frame that is being written once, when it is whole.
    """
    if run.state == "running" and not _is_whole(queue, run, start):
        return
    rest = b""  # of a frame that the chunk before ended in
    while True:
        size = max(CHUNK_BYTES, len(rest))
        chunk = queue.ui.output_frames(run, start + len(rest), limit=size)
        held, end = rest + chunk, 0
        for stream, content, end in read_frames(held):
            yield Frame(stream, content, start + end)
        if len(chunk) < size:
            return
        start, rest = start + end, held[end:]


def _is_whole(queue: Queue, run: Run, start: int) -> bool:
    """Whether the frame that begins at an offset is there up to its last byte."""
    header = queue.ui.output_frames(run, start, limit=HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return False
    return bool(queue.ui.output_frames(run, start + end_of(header) - 1, limit=1))


def shown_content(frame: Frame) -> bytes:
    """Return what is shown of a frame: its content, or how much was cut."""
    return cut_line(frame.content) if frame.stream == CUT_FRAME else frame.content
