"""--label and --meta: given to jobs, and asked for by whatever verb looks for jobs."""

import json
from typing import Any

import pytest

from tests.cli.conftest import CommandLine


@pytest.fixture
def labelled(cli: CommandLine) -> CommandLine:
    """Return a queue with a job of each of two teams, and one of none."""
    cli("enqueue", "a", "true", "--label", "team=a", "--label", "note=x y", "--meta", '{"build": [7, "\\u202e"]}')
    cli("enqueue", "b", "true", "--label", "team=b", "--label", "urgent=")
    cli("enqueue", "none", "true")
    return cli


def ids(cli: CommandLine, *words: str) -> list[str]:
    """Return the jobs that a list has."""
    return [job["id"] for job in cli.json("list", "--order", "enqueued", *words)]


def test_they_are_told_wherever_a_job_is(labelled: CommandLine) -> None:
    """By show, list and history, on one line and with nothing that commands a terminal; in JSON as they are."""
    shown = labelled("show", "a").stdout
    assert "team=a 'note=x y'" in shown
    assert '{"build":[7,"\\u202e"]}' in shown
    assert "team=b urgent=" in labelled("list", "--columns", "id,labels").stdout
    assert "labels team=a 'note=x y', meta {" in labelled("history", "a").stdout
    job = labelled.json("show", "a")
    assert (job["labels"], job["meta"]) == ({"team": "a", "note": "x y"}, {"build": [7, "\u202e"]})
    [event] = labelled.json("history", "a")
    assert (event["data"]["labels"], event["data"]["meta"]) == (job["labels"], job["meta"])
    assert (labelled.json("show", "none")["labels"], labelled.json("show", "none")["meta"]) == ({}, {})


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--label", "team"], ["a", "b"]),
        (["--label", "team=a"], ["a"]),
        (["--label=note=x y"], ["a"]),
        (["--label", "team", "--label", "urgent="], ["b"]),
        (["--label", "team=a", "--label", "team=b"], []),
        (["--label", "team", "--state", "completed"], []),
    ],
)
def test_a_list_by_labels(labelled: CommandLine, words: list[str], found: list[str]) -> None:
    """Those that have all of them, now and as of then."""
    assert ids(labelled, *words) == ids(labelled, *words, "--as-of", "3") == found


def test_what_acts_on_many_goes_by_labels(labelled: CommandLine) -> None:
    """To pause, resume, cancel, wait, retry, remove and clear."""
    assert labelled("pause", "--label", "team=a", "--yes").stdout == "Paused a\n"
    assert labelled("resume", "--label", "team", "--paused", "--yes").stdout == "Resumed a\n"
    assert labelled("cancel", "--label", "team=a", "--yes").stdout == "Cancelled a\n"
    assert labelled("retry", "--label", "team", "--state", "cancelled", "--yes").stdout == "Requeued a\n"
    assert labelled("cancel", "--label", "note", "--dry-run").stdout == "Would cancel a\n"
    assert "nothing to wait for" in labelled("wait", "--label", "team=c").stderr
    labelled("cancel", "--label", "team", "--yes")
    assert labelled("remove", "--label", "urgent", "--yes").stdout == "Removed b\n"
    assert labelled.json("clear", "--label", "team=a", "--state", "cancelled", "--yes") == {"cleared": 1}
    assert ids(labelled) == ["none"]


def test_dead_letters_go_by_labels(cli: CommandLine) -> None:
    """To be listed, retried and purged; the others stay."""
    for n in range(3):
        cli("enqueue", f"j{n}", "false", "--max-retries", "0", "--label", f"n={n}")
        cli.kill(f"j{n}")
    assert [job["id"] for job in cli.json("dlq", "list", "--label", "n=1")] == ["j1"]
    assert "No such jobs." in cli("dlq", "list", "--label", "n=7").stderr
    assert cli("dlq", "retry", "--label", "n=1", "--yes").stdout == "Requeued j1\n"
    assert cli("dlq", "purge", "--label", "n=2", "--yes").stdout == "Purged j2\n"
    assert ids(cli) == ["j0", "j1"]


def test_an_edit_gives_others(labelled: CommandLine) -> None:
    """Whole, as JSON; the history tells what became of them."""
    labelled("edit", "a", "--set", 'labels={"team": "z"}', "--set", "meta=null")
    assert ids(labelled, "--label", "team=z") == ["a"]
    assert "labels team=z, meta none" in labelled("history", "a").stdout
    assert labelled.json("history", "a")[-1]["data"] == {"labels": {"team": "z"}, "meta": {}}
    labelled("edit", "a", "--set", "labels={}")
    assert (ids(labelled, "--label", "team"), labelled.json("show", "a")["labels"]) == (["b"], {})
    assert "labels none" in labelled("history", "a").stdout


def test_lines_of_json_have_them(cli: CommandLine) -> None:
    """Each line its own, and the options those that have none."""
    lines: list[dict[str, Any]] = [
        {"id": "own", "command": "true", "labels": {"n": "1"}, "meta": {"x": 1}},
        {"id": "given", "command": "true"},
    ]
    told = "\n".join(map(json.dumps, lines))
    cli("enqueue", "--file", "-", "--label", "n=2", "--meta", '{"y": 2}', text=told)
    assert [(job["id"], job["labels"], job["meta"]) for job in cli.json("list", "--order", "id")] == [
        ("given", {"n": "2"}, {"y": 2}),
        ("own", {"n": "1"}, {"x": 1}),
    ]
    wrong = cli("enqueue", "--file", "-", text='{"command": "true", "labels": {"a b": ""}}', code=1)
    assert "line 1: labels: found 'a b'" in wrong.stderr


def test_run_takes_them(cli: CommandLine) -> None:
    """As enqueue does."""
    cli("run", "true", "--label", "n=1", "--meta", "{}")
    [job] = cli.json("list", "--label", "n=1")
    assert (job["labels"], job["meta"]) == ({"n": "1"}, {})
