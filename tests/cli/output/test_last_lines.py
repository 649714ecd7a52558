"""The last lines of output that passes by in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.cli.output import last_lines
from queuectl.cli.output.last_lines import LastLines


@given(st.lists(st.text("ab\n", max_size=12), max_size=12), st.integers(0, 5))
def test_as_a_look_at_all_of_it(pieces: list[str], count: int) -> None:
    """However it is cut into pieces, the last lines are those of the whole, one not yet ended among them."""
    last = LastLines(count)
    for piece in pieces:
        last.add(b"o", piece.encode())
    lines = "".join(pieces).splitlines(keepends=True)
    assert b"".join(content for _, content in last.taken()).decode() == "".join(
        lines[len(lines) - min(count, len(lines)) :]
    )
    assert list(last.taken()) == []


def test_streams_stay_apart() -> None:
    """Each piece keeps its stream and the order in which it came, and a cut is a line."""
    last = LastLines(3)
    for stream, content in ((b"o", b"1\n2\n"), (b"e", b"oops\n"), (b"c", b"77"), (b"o", b"3")):
        last.add(stream, content)
    assert list(last.taken()) == [(b"e", b"oops\n"), (b"c", b"77"), (b"o", b"3")]


def test_a_line_without_an_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a line that goes on and on, and of pieces without end, only the last are held."""
    monkeypatch.setattr(last_lines, "MOST_BYTES", 1_000)
    last = LastLines(1)
    for _ in range(1_000):
        last.add(b"o", b"x" * 100)
    assert sum(len(content) for _, content in last.taken()) <= 1_000 + 100
    monkeypatch.setattr(last_lines, "MOST_PIECES", 10)
    for number in range(1_000):
        last.add(b"oe"[number % 2 :][:1], b"y")
    assert len(list(last.taken())) <= 10
