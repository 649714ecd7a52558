"""Tables and colour: plain in a pipe, fitted and coloured on a terminal only."""

import pytest

from queuectl.cli.output import table as render
from queuectl.cli.output.format import cells
from queuectl.cli.output.table import Column, coloured, state_colour, table

COLUMNS = (Column("ID"), Column("EMPTY"), Column("STATE", paint=state_colour), Column("COMMAND", wide=True))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_pipe_is_plain_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets aligned columns, nothing cut, no colour, and no column that is empty throughout."""
    table(COLUMNS, [("a", "", "dead", "x" * 200), ("bbb", "", "pending", "日本")])
    assert capsys.readouterr().out == f"ID   STATE    COMMAND\na    dead     {'x' * 200}\nbbb  pending  日本\n"


@pytest.mark.usefixtures("terminal")
def test_terminal_is_fitted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the wide column is cut so that no line is longer than the screen."""
    monkeypatch.setenv("NO_COLOR", "1")
    table(COLUMNS, [("a", "", "dead", "x" * 200), ("b", "", "pending", "日本" * 50)])
    lines = capsys.readouterr().out.splitlines()
    assert all(cells(line) <= 40 for line in lines)
    assert lines[1].endswith("…")
    assert "日本" in lines[2]


@pytest.mark.usefixtures("terminal")
def test_many_wide_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where cutting one is not enough, others give way too."""
    monkeypatch.setenv("NO_COLOR", "1")
    table(COLUMNS, [("i" * 100, "", "dead", "x" * 200)])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40


def test_colour_needs_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is colour on a terminal, unless NO_COLOR is set or it is a dumb one; never elsewhere."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not coloured()
    monkeypatch.setattr(render, "on_terminal", lambda: True)
    assert coloured()
    monkeypatch.setenv("TERM", "dumb")
    assert not coloured()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured()


@pytest.mark.usefixtures("terminal")
def test_state_is_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    """A state has its colour, with what stands beside it."""
    table(COLUMNS, [("a", "", "dead (1)", "x")])
    assert "\x1b[31mdead (1)\x1b[0m" in capsys.readouterr().out
