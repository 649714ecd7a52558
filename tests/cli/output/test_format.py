"""Text for people: escaping, cutting, times and durations."""

import pytest

from queuectl.cli.output.format import cells, command_text, cut, duration, escape, moment, plural


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("echo hi", "echo hi"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\xff"),
        ("\ud800", "\\ud800"),
        ("日本 é", "日本 é"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_what_controls_a_terminal_is_shown_by_its_code(raw: str, shown: str) -> None:
    """Control characters, bidi marks and stray bytes are shown by their code; letters and emoji stay."""
    assert escape(raw) == shown


def test_command_text() -> None:
    """An argument vector is shown as a shell would take it."""
    assert command_text(("rsync", "my dir")) == "rsync 'my dir'"
    assert command_text("echo \x07") == "echo \\x07"


@pytest.mark.parametrize(
    ("text", "width", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…")]
)
def test_what_is_cut_fills_no_more_than_its_columns(text: str, width: int, shown: str) -> None:
    """What is cut ends in an ellipsis and never fills more columns than it may."""
    assert cut(text, width) == shown
    assert cells(cut(text, width)) <= width


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0123, "12ms"), (1.5, "1.5s"), (59.99, "60s"), (90, "1m30s"), (3600, "1h"), (5400, "1h30m"), (200_000, "2d7h")],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, shown: str) -> None:
    """A length of time is told in its two largest units."""
    assert duration(seconds) == shown


def test_a_time_is_local_and_one_beyond_calendars_a_number() -> None:
    """A time is local; what no calendar holds is told as a number; none is empty."""
    assert moment(None) == ""
    assert len(moment(1_700_000_000_000_000)) == len("2023-11-14 22:13:20")
    assert moment(10**20).endswith("µs")


def test_one_is_one_and_the_rest_are_many() -> None:
    """One is one, the rest are many."""
    assert (plural(1, "job"), plural(0, "job"), plural(25_000, "job")) == ("1 job", "0 jobs", "25,000 jobs")
