"""Output read again piece by piece, from a real queue."""

from pathlib import Path

import pytest

from queuectl import Captured, Queue, Run
from queuectl.outputs.frames import Frame, cut_frame, encode_frame, read_frames
from queuectl.worker.printed import CHUNK_BYTES, frames_of, shown_content

pytestmark = pytest.mark.real_clock


def printing(queue: Queue, capture: bytes) -> Run:
    """Return a run that goes on and has printed a capture so far."""
    queue.enqueue("true", id="a")
    job = queue.worker("w").start(queue.worker("w").claim()[0])
    path = queue.worker("w").output_path(job)
    path.parent.mkdir(parents=True)
    path.write_bytes(capture)
    return queue.runs("a")[0]


def read_bytes() -> int:
    """Return how much this process has read from files."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.parametrize("size", [1, 65_536, CHUNK_BYTES - 5, CHUNK_BYTES, 5 * CHUNK_BYTES])
def test_frames_of_any_size_come_whole(queue: Queue, size: int) -> None:
    """Wherever chunks end, and however large frames are, every frame comes once, with its offset."""
    capture = b"".join(encode_frame(stream, stream * size) for stream in (b"o", b"e", b"o"))
    run = printing(queue, capture)
    frames = list(frames_of(queue, run))
    assert frames == list(read_frames(capture))
    assert list(frames_of(queue, run, frames[0].end)) == frames[1:]
    assert list(frames_of(queue, run, len(capture))) == []


def test_a_frame_being_written_is_left_for_later(queue: Queue) -> None:
    """Of a capture that grows the whole frames come first, and the rest once it is whole."""
    capture = encode_frame(b"o", b"one") + encode_frame(b"e", b"two")
    run = printing(queue, capture[:-1])
    (first,) = frames_of(queue, run)
    with next(queue.path.glob("outputs/*/*")).open("ab") as file:
        file.write(capture[-1:])
    assert list(frames_of(queue, run, first.end)) == [Frame(b"e", b"two", len(capture))]


def test_a_frame_that_comes_piece_by_piece_is_read_once(queue: Queue) -> None:
    """Whoever looks at each piece of a large frame reads a few bytes a look, and the frame when it is whole."""
    small, large = encode_frame(b"e", b"small"), encode_frame(b"o", b"x" * 1_000_000)
    run = printing(queue, small + large[:3])
    (first,) = frames_of(queue, run)
    before, found = read_bytes(), []
    with next(queue.path.glob("outputs/*/*")).open("ab", buffering=0) as file:
        for at in range(3, len(large), 10_000):
            file.write(large[at : at + 10_000])
            found += frames_of(queue, run, first.end)
    assert found == [Frame(b"o", b"x" * 1_000_000, len(small + large))]
    assert read_bytes() - before < 1.1 * len(large)


def test_chunks_are_read_once(queue: Queue) -> None:
    """Where chunks end within frames no byte is read twice for that."""
    capture = encode_frame(b"o", b"x" * 65_536) * 40
    run = printing(queue, capture)
    before = read_bytes()
    assert len(list(frames_of(queue, run))) == 40
    assert read_bytes() - before < 1.01 * len(capture)


def test_an_offset_counts_on_where_the_store_takes_over(queue: Queue) -> None:
    """Small output that moves from its file into the store when its run ends goes on at the same offset."""
    capture = encode_frame(b"o", b"one")
    run = printing(queue, capture)
    (first,) = frames_of(queue, run)
    whole = capture + encode_frame(b"o", b"two")
    queue.worker("w").complete(queue.job("a"), output=Captured(whole))
    next(queue.path.glob("outputs/*/*")).unlink()
    assert list(frames_of(queue, run, first.end)) == [Frame(b"o", b"two", len(whole))]


def test_silence_has_no_frames(queue: Queue) -> None:
    """A run that printed nothing has neither file nor row, and no frames."""
    run = printing(queue, b"")
    next(queue.path.glob("outputs/*/*")).unlink()
    assert list(frames_of(queue, run)) == []


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_what_was_not_kept_is_counted(queue: Queue, size: int) -> None:
    """Cuts among frames of any size are added up, past output that looks like one; one being written is not read."""
    content = encode_frame(b"o", b"c\0\0\0\x019" * size)
    capture = content + cut_frame(12) + content + cut_frame(300)
    run = printing(queue, capture)
    assert queue.ui.cut_bytes(run) == 312
    queue.worker("w").output_path(queue.job("a")).write_bytes(capture[:-1])
    assert queue.ui.cut_bytes(run) == 12


def test_a_cut_says_what_is_missing() -> None:
    """A cut is shown as a line of its own, output as it is."""
    assert [shown_content(frame) for frame in (Frame(b"c", b"12", 7), Frame(b"e", b"\xff", 6))] == [
        b"\n[... 12 bytes cut ...]\n",
        b"\xff",
    ]
