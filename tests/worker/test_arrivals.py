"""In which order a run's two pipes were written to: over real pipes and commands."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.outputs.frames import STDERR, STDOUT, OutputStream, read_frames
from queuectl.worker.arrivals import Arrivals, interleave
from queuectl.worker.posix_spawn import pipe
from tests.worker.driven import Driven, running_job

PAIRS = "for i in 1 2 3; do echo out $i; echo err $i >&2; done"
IN_ORDER = b"out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"

needs_notes = pytest.mark.skipif(not hasattr(os, "eventfd"), reason="needs inotify, which Linux has")

Row = list[tuple[OutputStream, bytes]]


@pytest.fixture
def arrivals() -> Iterator[Arrivals]:
    with closing(Arrivals()) as made:
        yield made


def shown(run: Driven) -> bytes:
    """Return what a run printed on both streams, as it is shown."""
    frames = run.result().output.frames
    assert frames is not None
    return b"".join(frame.content for frame in read_frames(frames))


@needs_notes
@pytest.mark.parametrize("begin", ["", "sleep 0.5; "])
def test_lines_of_two_streams_are_shown_as_they_came(tmp_path: Path, begin: str) -> None:
    """A command that prints to stdout and stderr in turn is shown so, read while it runs or when it is over."""
    assert shown(Driven(running_job(begin + PAIRS), tmp_path / "output")) == IN_ORDER


@needs_notes
def test_a_stream_opened_anew_keeps_its_place(tmp_path: Path) -> None:
    """Writing to /dev/stderr or /dev/stdout is writing to the stream."""
    command = "echo a; echo b > /dev/stderr; echo c; echo d > /dev/stderr; echo e > /dev/stdout"
    assert shown(Driven(running_job(command), tmp_path / "output")) == b"a\nb\nc\nd\ne\n"


@needs_notes
def test_what_is_written_between_two_looks_has_its_order(tmp_path: Path) -> None:
    """A run that nobody looked at until it was over is in order too: errors first, then a summary, say."""
    run = Driven(running_job("echo no >&2; echo sum; echo 'exit 3' >&2; exit 3"), tmp_path / "output")
    run.attempt.process.wait()
    assert shown(run) == b"no\nsum\nexit 3\n"


@needs_notes
def test_no_watch_outlives_its_run(arrivals: Arrivals) -> None:
    """A watch that was forgotten would keep its pipe in the kernel's memory for good."""
    for _ in range(3):
        reading, writing = pipe()
        watch = arrivals.watch({STDOUT: reading})
        os.write(writing, b"!")
        assert watch.take() == [STDOUT]
        watch.end()
        assert watch.take() == []
        os.close(reading)
        os.close(writing)
    assert not any("inotify wd" in text for text in _fdinfo())


def _fdinfo() -> Iterator[str]:
    for path in Path("/proc/self/fdinfo").iterdir():
        if path.exists():
            yield path.read_text()


def test_where_nothing_can_be_noted_stdout_comes_first() -> None:
    """Without notes the run is none the worse for it: of what was read at one time stdout is first."""
    nothing = Arrivals()
    nothing.close()
    reading, writing = pipe()
    watch = nothing.watch({STDOUT: reading})
    os.write(writing, b"!")
    assert watch.take() == []
    watch.end()
    os.close(reading)
    os.close(writing)
    assert list(interleave([], {STDOUT: b"1\n2\n", STDERR: b"3\n"})) == [(STDOUT, b"1\n2\n"), (STDERR, b"3\n")]


@given(st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.integers(1, 3)), max_size=12))
def test_notes_that_are_whole_give_the_very_order(row: list[tuple[OutputStream, int]]) -> None:
    """Where each write is a line and is noted, nothing is out of its place."""
    writes: Row = [(stream, b"%d\n" % place) for place, (stream, count) in enumerate(row) for _ in range(count)]
    printed = {stream: b"".join(data for each, data in writes if each == stream) for stream, _ in writes}
    got = b"".join(data for _, data in interleave([stream for stream, _ in writes], printed))
    assert got == b"".join(data for _, data in writes)


@given(
    st.lists(st.sampled_from([STDOUT, STDERR]), max_size=20),
    st.dictionaries(st.sampled_from([STDOUT, STDERR]), st.text("ab\n\r", min_size=1).map(str.encode), max_size=2),
)
def test_no_byte_is_lost_whatever_was_noted(notes: list[OutputStream], printed: dict[OutputStream, bytes]) -> None:
    """Each stream by itself stays what it was, though notes be missing, too many, or of nothing."""
    pieces = list(interleave(notes, printed))
    for stream in (STDOUT, STDERR):
        assert b"".join(data for each, data in pieces if each == stream) == printed.get(stream, b"")
    assert all(data for _, data in pieces)
