"""Values that cannot be one: usage errors on every verb and option, apart from what the queue refuses."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from queuectl.cli.params import Value
from tests.docs import load

from .conftest import CommandLine

PAGE = load("commands")
TYPED: list[tuple[str, click.Option]] = [
    (name, param)
    for name, command, _ in PAGE.commands()
    for param in command.params
    if isinstance(param, click.Option) and isinstance(param.type, Value)
]
NONSENSE = ("soon-ish", "x", "", "1e999", "-", "never", "\N{FULLWIDTH DIGIT ONE}x")

LINES = [
    "enqueue a true --delay soon-ish",
    "enqueue a true --delay -5",
    "enqueue a true --delay 1h --at 17:30",
    "enqueue a true --at never",
    "enqueue a true --priority high",
    "enqueue a true --priority 1e3",
    "enqueue a true --priority 99999999999",
    "enqueue a true --max-retries -1",
    "enqueue a true --timeout forever",
    "enqueue a true --backoff-base nan",
    "enqueue a true --backoff-base inf",
    "enqueue a true --queue a/b",
    "enqueue a true -q ''",
    "enqueue a true --env NAME",
    "enqueue a ''",
    "enqueue ' a' true",
    "enqueue '' true",
    'enqueue \'{"command": "true", "colour": 1}\'',
    'enqueue \'{"command": ""}\'',
    "enqueue '{\"command\": 5}'",
    'enqueue \'{"command": "true", "run_at": "never"}\'',
    "enqueue '{broken'",
    "run true -d never",
    "list --limit x",
    "list --limit -1",
    "list --since never",
    "list --until 25:00",
    "list --state nope",
    "list --state dead,nope",
    "list --state dead,",
    "list --order size",
    "list --columns id,colour",
    "list --as-of never",
    "list --queue 'a b'",
    "events --type nope",
    "events --last 0",
    "events --since never",
    "history good --tree --depth 0",
    "logs good --attempt zero",
    "wait good --timeout soon",
    "cancel --state dead --yes",
    "retry --state pending --yes",
    "clear --older-than soon",
    "clear --state processing",
    "dlq list --limit 0",
    "top --state dead,failed --once",
    "top --every often --once",
    "worker start --count 0 --drain",
    "worker start --count two --drain",
    "worker start --lease 0 --drain",
    "worker start --poll 0 --drain",
    "worker start --queue 'a b' --drain",
    "dashboard --port 99999",
    "dashboard --token short",
    "config get colour",
    "config set colour 1",
    "config set max_retries many",
    "config set max_retries -1",
    "config unset colour",
    "edit later --set priority",
    "edit later --set priority=high",
    "edit later --set colour=1",
    "subscriptions rewind mailer x",
    "compact --older-than soon",
    "replay --until never --into there",
    "completion tcsh",
]

REFUSALS = [
    "show nosuchjob",
    "enqueue good true",
    "cancel good",
    "dlq purge good",
    "logs good --attempt 7",
    "worker stop nosuchworker",
    "history worker:nosuchworker",
    "list --as-of 999",
    "subscriptions rewind mailer 999",
    "subscriptions remove nosuch",
    "verify --against /nosuchfile",
    "enqueue --file /nosuchfile",
    "restore /nosuchfile",
]


TOLD_AS = {"running_since": "running_longer_than"}
"""Options whose value is turned into something of another name."""


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """Give a queue with a completed job, a delayed one and a subscription."""
    with cli.queue() as queue:
        queue.enqueue("true", id="good")
        (job,) = queue.claim("w", 1)
        queue.complete(queue.start(job))
        queue.enqueue("true", id="later", delay_s=3600)
        with queue.subscribe("mailer", follow=False) as subscription:
            list(subscription)
    return cli


def test_every_typed_option_is_tried() -> None:
    """There are such options, on many verbs."""
    assert len(TYPED) > 40


@pytest.mark.parametrize(("name", "param"), TYPED, ids=lambda each: getattr(each, "name", each))
def test_nonsense_in_an_option(cli: CommandLine, name: str, param: click.Option) -> None:
    """What an option cannot mean is exit code 2 in one line that names the option, and nothing is made."""
    for word in NONSENSE:
        done = cli(*name.split(), f"{param.opts[0]}={word}", code=2)
        assert done.stdout == ""
        assert done.stderr.startswith(f"Error: {TOLD_AS.get(param.name, param.name)}: found "), done.stderr
        assert done.stderr.count("\n") == 1
    assert not cli.db.exists()


@pytest.mark.parametrize("line", LINES)
def test_impossible_values(filled: CommandLine, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A value that cannot be one is exit code 2 and one line, and nothing is changed."""
    monkeypatch.chdir(tmp_path)
    assert _ends(filled, line) == 2


@pytest.mark.parametrize("line", REFUSALS)
def test_refusals(filled: CommandLine, line: str) -> None:
    """A value that could be one, which this queue or this disk does not have, is exit code 1 and one line."""
    assert _ends(filled, line) == 1


def test_a_file_that_is_not_there_is_no_invalid_value(filled: CommandLine) -> None:
    """Its words are those of exit code 1: what was tried, and what the system says."""
    told = filled("enqueue", "--file", "/nosuchfile", code=1).stderr
    assert told.startswith("Error: cannot open '/nosuchfile': No such file or directory; ")


@pytest.mark.parametrize(
    "line", [f"enqueue {'9' * 5_000}", f"list --state {'x ' * 5_000}", f"{'x' * 5_000}", f"enqueue {'x ' * 5_000}"]
)
def test_long_words_are_told_in_part(filled: CommandLine, line: str) -> None:
    """What was typed is repeated as far as it helps, however long it is."""
    assert len(filled(*line.split(" "), code=2).stderr) < 700


def test_a_file_of_jobs(filled: CommandLine) -> None:
    """A bad line of a file is the file's fault and not the command line's: exit code 1, and the line is named."""
    done = filled("enqueue", "--file", "-", code=1, text='{"command": "true"}\n{"command": "true", "colour": 1}\n')
    assert done.stderr.startswith("Error: line 2: key: found 'colour'; expected one of ")


def _ends(cli: CommandLine, line: str) -> int:
    before = _head(cli)
    done = cli.process(*shlex.split(line))
    assert done.stdout == ""
    assert re.fullmatch(r"Error: .*\n", done.stderr), done.stderr
    assert _head(cli) == before
    return done.returncode


def _head(cli: CommandLine) -> Any:
    with cli.queue() as queue:
        return queue.head()
