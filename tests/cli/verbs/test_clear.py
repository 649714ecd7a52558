"""clear: take ended jobs out of the views."""

import pytest

from tests.cli.conftest import CommandLine


def test_completed_jobs_go_and_their_history_stays(cli: CommandLine) -> None:
    """Completed jobs go, others stay, the history stays, and the id is free again."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    cli("enqueue", "b", "true")
    assert cli("clear", "--reason", "tidy").stdout == "Cleared 1 completed job\n"
    assert [job["id"] for job in cli.json("list")] == ["b"]
    assert cli.json("history", "a")[-1]["reason"] == "tidy"
    cli("enqueue", "a", "true")


def test_state_chooses_which_ended_jobs_go(cli: CommandLine) -> None:
    """--state chooses which ended ones."""
    cli("enqueue", "a", "true")
    cli("cancel", "a")
    assert cli.json("clear") == {"cleared": 0}
    assert cli.json("clear", "--state", "cancelled") == {"cleared": 1}


def test_dry_run(cli: CommandLine) -> None:
    """--dry-run lists which, one or many, and clears none."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    assert cli("clear", "--dry-run").stdout == "Would clear 1 completed job\n  a\n"
    assert cli.json("clear", "--dry-run") == {"would_clear": 1, "ids": ["a"]}
    assert cli.json("clear") == {"cleared": 1}


def test_older_than(cli: CommandLine) -> None:
    """--older-than leaves the younger ones."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    assert cli.json("clear", "--older-than", "1h30m") == {"cleared": 0}
    assert cli.json("clear", "--older-than", "0s") == {"cleared": 1}


@pytest.mark.parametrize("words", [["--state", "pending"], ["--older-than", "long"], ["--older-than", "-5"]])
def test_what_is_no_end_or_no_time_is_refused_and_clears_nothing(cli: CommandLine, words: list[str]) -> None:
    """A state that is no end, or a time that is none, is refused and nothing cleared."""
    cli("enqueue", "a", "true")
    assert f"found {words[1]!r}" in cli("clear", *words, code=2).stderr
