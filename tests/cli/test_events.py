"""events: the log, by position, time and type, and as it grows."""

import json

import pytest

from .conftest import CommandLine


@pytest.fixture
def full(cli: CommandLine) -> CommandLine:
    """Give a log of six events: a's life, then a setting."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    cli("config", "set", "max_retries", "5")
    return cli


def positions(cli: CommandLine, *words: str) -> list[int]:
    """Give the positions of the events chosen."""
    return [event["position"] for event in cli.json("events", *words)]


def test_all(full: CommandLine) -> None:
    """Every event is there, with its job's id, or None for what is about no job."""
    events = full.json("events")
    assert [event["position"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event["job"] for event in events] == ["a"] * 5 + [None]


def test_bounds(full: CommandLine) -> None:
    """--since and --until include the positions they name, and times are taken too."""
    assert positions(full, "--since", "3", "--until", "4") == [3, 4]
    assert positions(full, "--since", "2000-01-01T00:00:00Z") == [1, 2, 3, 4, 5, 6]
    assert positions(full, "--until", "2000-01-01T00:00:00Z") == []
    at = full.json("events")[5]["time"]
    assert positions(full, "--since", at) == [6]


def test_types(full: CommandLine) -> None:
    """--type chooses, several may be given, and one that is none is refused with the list."""
    assert positions(full, "--type", "failed", "--type", "dead") == [4, 5]
    assert "config_changed" in full("events", "--type", "exploded", code=1).stderr


def test_text(full: CommandLine) -> None:
    """People get one table, and words where there is nothing."""
    lines = full("events").stdout.splitlines()
    assert len(lines) == 7
    assert "max_retries: default -> 5" in lines[6]
    assert full("events", "--since", "99").stderr == "No such events.\n"


def test_many_pages_have_one_title(cli: CommandLine) -> None:
    """A long log has its titles once."""
    cli("enqueue", "--file", "-", "--lines", text="true\n" * 1200)
    shown = cli("events").stdout
    assert shown.count("DETAILS") == 1
    assert len(shown.splitlines()) == 1201


def test_follow(full: CommandLine) -> None:
    """--follow --json gives an object a line, those to come as well."""
    following = full.spawn("events", "--follow", "--json", "--since", "6")
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["position"] == 6
    full("enqueue", "b", "true")
    assert json.loads(following.stdout.readline())["job"] == "b"
    following.terminate()
    following.communicate(timeout=10)


@pytest.mark.parametrize("words", [["--follow", "--until", "3"], ["--wrong"]])
def test_wrong_shape(full: CommandLine, words: list[str]) -> None:
    """An end to what has none, and an option that is none, are usage errors; a place that is none is refused."""
    full("events", *words, code=2)
    assert "since: found 'soon'; expected ISO 8601" in full("events", "--since", "soon", code=1).stderr
