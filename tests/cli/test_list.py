"""list: jobs by state and queue, page by page."""

import pytest

from .conftest import CommandLine


def test_pending_in_running_order(cli: CommandLine) -> None:
    """Pending jobs are listed as they will run: by priority, then first come."""
    for job_id, priority in (("a", "0"), ("b", "10"), ("c", "0")):
        cli("enqueue", job_id, "true", "--priority", priority)
    assert [job["id"] for job in cli.json("list", "--state", "pending")] == ["b", "a", "c"]


def test_state_and_queue(cli: CommandLine) -> None:
    """--state and --queue choose."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    cli("enqueue", "b", "true", "--queue", "mail")
    assert [job["id"] for job in cli.json("list", "--state", "dead")] == ["a"]
    assert [job["id"] for job in cli.json("list", "--queue", "mail")] == ["b"]
    assert cli.json("list", "--state", "failed") == []


def test_pages(cli: CommandLine) -> None:
    """--limit and --after walk through all of them."""
    for job_id in "abc":
        cli("enqueue", job_id, "true")
    pages = [
        cli.json("list", "--state", "pending", "--limit", "2"),
        cli.json("list", "--state", "pending", "--after", "b"),
    ]
    assert [[job["id"] for job in page] for page in pages] == [["a", "b"], ["c"]]


def test_table(cli: CommandLine) -> None:
    """People get the columns that are used, and control characters shown, not sent."""
    cli("enqueue", "a", "echo \x1b[31mred")
    shown = cli("list").stdout
    assert shown.splitlines()[0].split() == ["ID", "STATE", "WHEN", "COMMAND"]
    assert "\\x1b[31mred" in shown
    assert "\x1b" not in shown


def test_dead_with_code(cli: CommandLine) -> None:
    """The exit code stands with the state."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    assert "dead (1)" in cli("list").stdout


def test_nothing(cli: CommandLine) -> None:
    """No jobs is no error: an empty list, and words on stderr."""
    cli("enqueue", "a", "true")
    said = cli("list", "--state", "dead")
    assert (said.stdout, said.stderr) == ("", "No such jobs.\n")


@pytest.mark.parametrize(("words", "code"), [(["--state", "lost"], 2), (["--limit", "0"], 2), (["--after", "nope"], 1)])
def test_refused(cli: CommandLine, words: list[str], code: int) -> None:
    """A state that is none and a limit of nothing are usage errors; an unknown id is refused."""
    cli("enqueue", "a", "true")
    assert "Error: " in cli("list", *words, code=code).stderr
