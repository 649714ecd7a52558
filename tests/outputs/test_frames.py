"""Captures of output: in order, bounded, honest about what is missing."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from queuectl.events.types import Output
from queuectl.outputs.frames import STDERR, STDOUT, OutputStream, read_frames, read_stream
from queuectl.worker.capture import SMALL_BYTES, STDERR_TAIL_BYTES, TAIL_BYTES, Capture

MIB = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outputs" / "1-2"


def test_output_keeps_the_order_of_arrival(path: Path) -> None:
    """Both streams come back in the order in which they were read, or one of them alone."""
    capture = Capture(path, limit_bytes=MIB)
    streams: list[OutputStream] = [STDOUT, STDERR, STDOUT, STDOUT]
    for stream, data in zip(streams, [b"one ", b"two ", b"three ", b"four"], strict=True):
        capture.add({stream: data})
    frames = capture.finish().frames
    assert frames is not None
    assert b"".join(read_stream(frames)) == b"one two three four"
    assert b"".join(read_stream(frames, STDERR)) == b"two "


def test_silence_costs_nothing(path: Path) -> None:
    """A command that prints nothing leaves no file, no frames and no digests."""
    assert Capture(path, limit_bytes=MIB).finish() == (b"", None, None, None, None)
    assert not path.parent.exists()


def test_small_output_stays_in_memory(path: Path) -> None:
    """Output that fits into the store leaves no file."""
    capture = Capture(path, limit_bytes=MIB)
    capture.add({STDOUT: b"\xff\0" * 1000})
    captured = capture.finish()
    assert captured.frames is not None
    assert b"".join(read_stream(captured.frames)) == b"\xff\0" * 1000
    assert captured.stdout == Output(2000, sha256(b"\xff\0" * 1000).digest())
    assert captured.stderr is None
    assert not path.exists()


def test_large_output_lies_in_a_file(path: Path) -> None:
    """Output beyond what the store takes lies whole in the run's file."""
    data = bytes(range(256)) * 100
    capture = Capture(path, limit_bytes=MIB)
    for start in range(0, len(data), 1000):
        capture.add({STDOUT: data[start : start + 1000]})
    assert capture.finish().frames is None
    capture.discard()
    assert b"".join(read_stream(path.read_bytes())) == data


def test_a_follower_sees_output_once_it_is_shown(path: Path) -> None:
    """What is shown lies in the file while the run goes on, and leaves it when the store takes over."""
    capture = Capture(path, limit_bytes=MIB)
    capture.add({STDOUT: b"early "})
    assert capture.is_hidden
    assert not path.exists()
    capture.show()
    assert not capture.is_hidden
    capture.add({STDOUT: b"late"})
    assert b"".join(read_stream(path.read_bytes())) == b"early late"
    frames = capture.finish().frames
    assert frames == path.read_bytes()
    capture.discard()
    assert not path.exists()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("limit", [10 * MIB, MIB, 20_000, 1000, 64])
def test_too_much_output_keeps_head_and_tail(path: Path, limit: int) -> None:
    """Beyond the limit the head and the tail are kept, and the cut says exactly what is missing."""
    data = b"".join(b"%010d\n" % n for n in range(2 * limit // 11 + 1000))
    capture = Capture(path, limit_bytes=limit)
    for start in range(0, len(data), 700):
        capture.add({STDOUT: data[start : start + 700]})
    captured = capture.finish()
    frames = path.read_bytes() if captured.frames is None else captured.frames
    kept = [(stream, content) for stream, content, _ in read_frames(frames)]
    at = [stream for stream, _ in kept].index(b"c")
    head, tail = (b"".join(content for _, content in part) for part in (kept[:at], kept[at + 1 :]))
    assert len(frames) <= limit + 5 + len(str(len(data)))
    assert head + data[len(head) : len(data) - len(tail)] + tail == data
    assert int(kept[at][1]) == len(data) - len(head) - len(tail)
    assert len(head) >= limit // 2 - limit // 100 - 6
    assert len(tail) >= min(limit // 2, TAIL_BYTES) // 2
    assert captured.stdout == Output(len(data), sha256(data).digest())
    assert b"bytes cut" in b"".join(read_stream(frames))
    assert captured.output_error is None


def test_no_output_may_be_kept(path: Path) -> None:
    """A limit of nothing keeps nothing but the count."""
    capture = Capture(path, limit_bytes=0)
    capture.add({STDERR: b"gone"})
    captured = capture.finish()
    assert captured.frames == b"c\0\0\0\x014"
    assert captured.stderr_tail == "gone"


def test_the_last_of_stderr_is_kept_as_text(path: Path) -> None:
    """The tail of stderr is bounded text, whatever the bytes are."""
    capture = Capture(path, limit_bytes=MIB)
    capture.add({STDERR: b"start\n"})
    capture.add({STDERR: b"\xff" * 4000})
    capture.add({STDERR: b"the end\n"})
    tail = capture.finish().stderr_tail
    assert tail is not None
    assert tail.endswith("\ufffdthe end\n")
    assert len(tail.encode()) <= STDERR_TAIL_BYTES


def test_small_output_needs_no_disk(tmp_path: Path) -> None:
    """Small output is whole though its file could not be written while the run went on."""
    (tmp_path / "outputs").write_text("a file where the directory should be")
    capture = Capture(tmp_path / "outputs" / "1-2", limit_bytes=MIB)
    for piece in (b"one ", b"two ", b"three"):
        capture.add({STDOUT: piece})
        capture.show()
        assert not capture.is_hidden
    captured = capture.finish()
    assert b"".join(read_stream(captured.frames or b"")) == b"one two three"
    assert captured.output_error is None


def test_a_disk_that_comes_back_gets_what_it_refused(tmp_path: Path) -> None:
    """What the file did not take at first lies in it, in order, once it can be written and the output is large."""
    (tmp_path / "outputs").write_text("a file where the directory should be")
    path = tmp_path / "outputs" / "1-2"
    capture = Capture(path, limit_bytes=MIB)
    capture.add({STDOUT: b"early "})
    capture.show()
    (tmp_path / "outputs").unlink()
    capture.add({STDERR: b"x" * SMALL_BYTES})
    captured = capture.finish()
    assert (captured.frames, captured.output_error) == (None, None)
    assert b"".join(read_stream(path.read_bytes())) == b"early " + b"x" * SMALL_BYTES


def test_a_disk_that_takes_nothing_costs_output_only(tmp_path: Path) -> None:
    """Of large output whose file cannot be written the end is kept in memory, and the cut says what is missing."""
    (tmp_path / "outputs").write_text("a file where the directory should be")
    capture = Capture(tmp_path / "outputs" / "1-2", limit_bytes=MIB)
    data = b"".join(b"%010d\n" % n for n in range(60_000))
    for start in range(0, len(data), 65536):
        capture.add({STDOUT: data[start : start + 65536]})
    captured = capture.finish()
    assert captured.frames is not None
    assert len(captured.frames) <= SMALL_BYTES
    cut, *rest = read_frames(captured.frames)
    kept = b"".join(frame.content for frame in rest)
    assert cut.stream == b"c"
    assert int(cut.content) + len(kept) == len(data)
    assert len(kept) > 1000
    assert captured.output_error == "Not a directory"
    assert captured.stdout == Output(len(data), sha256(data).digest())


@pytest.mark.parametrize("room", [0, 1, 6000, 20_000, 100_000, 299_999])
def test_a_disk_that_is_full_says_what_is_missing(path: Path, room: int) -> None:
    """Wherever the file can grow no more, what is kept and what is told as cut are the whole, in order."""
    data = b"".join(b"%09d\n" % n for n in range(30_000))
    capture = Capture(path, limit_bytes=MIB)
    with largest_file(room):
        for start in range(0, len(data), 3000):
            capture.add({STDOUT: data[start : start + 3000]})
        captured = capture.finish()
    assert captured.output_error is not None
    assert captured.output_error.startswith("no space left on the disk")
    frames = captured.frames
    frames = path.read_bytes() if frames is None else frames
    kept = [(stream, content) for stream, content, _ in read_frames(frames)]
    at = [stream for stream, _ in kept].index(b"c")
    head, tail = (b"".join(content for _, content in part) for part in (kept[:at], kept[at + 1 :]))
    assert data.startswith(head)
    assert data.endswith(tail)
    assert len(head) + int(kept[at][1]) + len(tail) == len(data)
    assert len(head) >= room - 30_000


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_half_a_frame_is_left_for_later() -> None:
    """A reader of a capture that is still being written takes whole frames, and knows where to go on."""
    whole = b"o\0\0\0\x02hie\0\0\0\x03abc"
    first, *rest = read_frames(whole[:-1])
    assert (first, rest) == ((b"o", b"hi", 7), [])
    assert list(read_frames(whole, first.end)) == [(b"e", b"abc", len(whole))]
    assert list(read_frames(whole[:3])) == []


def test_many_tiny_pieces_stay_bounded(path: Path) -> None:
    """A chatty command costs memory for its limit, not for its pieces."""
    capture = Capture(path, limit_bytes=SMALL_BYTES // 2)
    streams: list[OutputStream] = [STDOUT, STDERR]
    for n in range(20_000):
        capture.add({streams[n % 2]: b"."})
    captured = capture.finish()
    assert captured.frames is not None
    assert len(captured.frames) <= SMALL_BYTES // 2 + 10
