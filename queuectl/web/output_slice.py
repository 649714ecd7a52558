"""A bounded slice of what a run printed, as text; no character is cut in two while the run goes on printing."""

from codecs import getincrementaldecoder
from collections import deque
from typing import Final, NamedTuple

from ..core.results import Run
from ..outputs.frames import STREAM_NAMES
from ..queue import Queue
from ..worker.printed import frames_of, shown_content

_decoder: Final = getincrementaldecoder("utf-8")


class Slice(NamedTuple):
    """Pieces as (stream, text), the offset after them, and whether they are the last: no more will come."""

    pieces: list[tuple[str, str]]
    end: int
    is_last: bool


def slice_of(queue: Queue, run: Run, start: int, *, limit: int) -> Slice:
    """Return what a run printed from an offset on: about `limit` bytes; bytes that are no text are escaped.

    A character of which only a part was printed is left for the next slice, unless the run has ended.
    """
    decoders = {stream: _decoder("backslashreplace") for stream in STREAM_NAMES}
    pieces: list[tuple[str, str]] = []
    end, size_bytes = start, 0
    whole, whole_end = 0, start
    is_full = False
    for frame in frames_of(queue, run, start):
        pieces.append((STREAM_NAMES[frame.stream], decoders[frame.stream].decode(shown_content(frame))))
        end, size_bytes = frame.end, size_bytes + len(frame.content)
        if not any(decoder.getstate()[0] for decoder in decoders.values()):
            whole, whole_end = len(pieces), end
        if size_bytes >= limit:
            is_full = True
            break
    is_last = run.state != "running" and not is_full
    if is_last or (is_full and not whole):
        pieces += [(STREAM_NAMES[stream], decoder.decode(b"", final=True)) for stream, decoder in decoders.items()]
        return Slice([piece for piece in pieces if piece[1]], end, is_last)
    return Slice(pieces[:whole], whole_end, False)


def last_of(queue: Queue, run: Run, size_bytes: int) -> tuple[int, int]:
    """Return the offset at which about the last `size_bytes` of a run's output begin, and how many lie before it."""
    kept: deque[tuple[int, int]] = deque()  # where a frame begins, and how much it holds
    start, held, before = 0, 0, 0
    for frame in frames_of(queue, run):
        kept.append((start, len(frame.content)))
        start, held = frame.end, held + len(frame.content)
        while len(kept) > 1 and held - kept[0][1] >= size_bytes:
            gone = kept.popleft()[1]
            held, before = held - gone, before + gone
    return (kept[0][0] if kept else 0), before
