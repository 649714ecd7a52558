"""Values that cannot be one: usage errors on every verb and option, apart from what the queue refuses."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from queuectl.cli.app import queuectl
from queuectl.cli.input.param_types import JobValue
from tests.docs import load

from .conftest import CommandLine

PAGE = load("commands")
OPTIONS: list[tuple[str, click.Option]] = [
    (name, param)
    for name, command, _ in PAGE.commands()
    for param in command.params
    if isinstance(param, click.Option) and not param.is_flag
]
FILES: list[tuple[str, click.Argument]] = [
    (name, param)
    for name, command, _ in PAGE.commands()
    for param in command.params
    if isinstance(param, click.Argument) and isinstance(param.type, JobValue) and param.name in ("file", "files")
]
NUMBERS = ("soon-ish", "x", "", "1e999", "-", "never", "\N{FULLWIDTH DIGIT ONE}x")
LONG = "x" * 1_001
NAMES = ("", " ", "a b", "a/b", "-a", "x" * 65, "mail,web", "\N{LATIN SMALL LETTER E WITH ACUTE}")

BAD: dict[str, tuple[str, ...]] = {
    "--queue": NAMES,
    "--reason": (LONG,),
    "--match": ("", LONG),
    "--id": ("", " a", "-a", "a ", "a\tb", "x" * 121),
    "--command": ("", " ", "x" * 65_537),
    "--cwd": ("", "x" * 5_000),
    "--env": ("", "NAME", "=x"),
    "--inherit-env": ("", ",", "A=B", "QUEUECTL_DB", "A B", LONG),
    "--shell": ("", " ", "'"),
    "--label": ("", "=x", "a b=1", "-a=1", "a" * 64 + "=x", "a=" + "x" * 64, "a=\x1b[31m", "a=\u202e"),
    "--meta": ("", "nope", "[1]", '{"a": NaN}', '{"a": 1, "a": 2}', f'{{"a": "{LONG}xxxxxxxxxxxxxxxxxxxxxxxxx"}}'),
    "--ok-on": ("", "256", "5-3", "tiemout", "1;2", "oom"),
    **dict.fromkeys(("--dead-on", "--snooze-on", "--retry-on"), ("", "0", "0-3", "SIGNOPE", "-1")),
    "--backoff": ("", "exp", "exp:", "exp:x", "linear:10s", "fixed:", "list:1s,soon"),
    "--unique": ("", "x" * 121, "a\x1b[31m", "a\nb"),
    "--if-exists": ("", "keep", "refuse"),
    "--if-parent-fails": ("", "keep", "cancel"),
    "--if-expired": ("", "die", "dead", "cancel"),
    "--set": ("", "=", "priority", "=1"),
    "--use": ("", "=2", "gpu=0", "gpu=x", "gpu:", "gpu:a=2", "a b", "queue:mail", "mutex", "-a"),
    "--mutex": ("", " ", "a b", "a:b", "a=2", "-a", "x" * 101),
    "--running": ("", "many", "-1", "1.5", "1000001", "9" * 5_000),
    "--rate": ("", "5", "5/", "/s", "0/s", "5/0s", "5/eon", "9" * 5_000 + "/s"),
    "--order": ("", "-", "size", "--id"),
    "--columns": ("", ",", "id,colour"),
    "--type": ("", ",", "nope", "failed,nope"),
    "--token": ("", "short", "with a space", "\N{LATIN SMALL LETTER E WITH ACUTE}" * 9),
    **dict.fromkeys(("--file", "--into", "--archive", "--rejects", "--against", "--checkpoint", "--host"), ("",)),
}
"""Option -> words that it cannot mean; those that are not here are numbers, times or one of some words."""

LOOKED_UP = {"--after": "a job", "--job": "a job", "--actor": "whoever it was", "--table": "of a file"}
"""Options whose every value could be one: whether there is such a thing, the queue or the file knows."""

WORDS = {
    "enqueue": ("--command=true",),
    "run": ("true",),
    "worker start": ("--drain",),
    "import": ("--format", "jobs-json", "no.json"),
    "edit": ("later",),
    "replay": ("--until", "3"),
    "compact": ("--older-than", "1d"),
    "config set": ("max_retries", "1"),
    "config unset": ("max_retries",),
    **dict.fromkeys(("retry", "cancel", "remove"), ("later",)),
    "limit set": ("api",),
    "history": ("good",),
    "logs": ("good",),
    "show": ("good",),
}
"""What a verb needs besides, that it comes to the option."""

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
    "enqueue a true --backoff exp:2 --backoff-base 2",
    "enqueue a true --snooze 5s",
    "enqueue a true --max-snoozes 5",
    "enqueue a true --expire-in 5s --expire-at 17:30",
    "enqueue a true --max-time 0",
    "enqueue a true --unique-for 5s",
    "enqueue a true --unique k --unique-for 0",
    "enqueue a true --unique k --if-exists keep",
    'enqueue \'{"command": "true", "unique": 1}\'',
    'enqueue \'{"command": "true", "ok_on": [1, null]}\'',
    'enqueue \'{"command": "true", "dead_on": 1.5}\'',
    "edit later --set ok_on=x",
    "edit later --set if_expired=dead",
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
    "list --state ,",
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
    "edit later --set labels=team=a",
    'edit later --set labels={"a":1}',
    "edit later --set meta=[1]",
    "enqueue a true --label team",
    "enqueue a true --label team=a --label team=b",
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


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """Return a queue with a completed job, a delayed one and a subscription."""
    with cli.queue() as queue:
        queue.enqueue("true", id="good")
        (job,) = queue.worker("w").claim(1)
        queue.worker("w").complete(queue.worker("w").start(job))
        queue.enqueue("true", id="later", delay_s=3600)
        with queue.subscribe("mailer", follow=False) as subscription:
            list(subscription)
    return cli


def test_every_option_is_tried() -> None:
    """There are many options that take a value, on many verbs, and none is known here that there is not."""
    there = {param.opts[0] for _, param in OPTIONS}
    assert len(OPTIONS) > 100
    assert set(BAD) | set(LOOKED_UP) <= there
    assert all(isinstance(param.type, JobValue) for _, param in OPTIONS if param.opts[0] not in {*BAD, *LOOKED_UP})


@pytest.mark.sampled(40)
@pytest.mark.parametrize(
    ("name", "param"),
    [each for each in OPTIONS if each[1].opts[0] not in LOOKED_UP],
    ids=lambda each: each.opts[0] if isinstance(each, click.Option) else each,
)
def test_what_an_option_cannot_mean(filled: CommandLine, name: str, param: click.Option) -> None:
    """It is exit code 2 on whatever verb, in one line that names the option, and nothing is changed."""
    option = param.opts[0]
    before = _head(filled)
    for word in BAD.get(option, NUMBERS):
        if name == "worker start" and word == "mail,web":
            continue  # it takes from both
        done = filled(*name.split(), *_words(name, option), f"{option}={word}", code=2)
        assert done.stdout == ""
        assert re.match(rf"Error: {option[2:].replace('-', '[-_]')}: found ", done.stderr), done.stderr
        assert done.stderr.count("\n") == 1
        assert len(done.stderr) < 700
    assert _head(filled) == before


def _words(name: str, option: str) -> tuple[str, ...]:
    return () if option == "--command" else WORDS.get(name, ())


@pytest.mark.parametrize(("name", "param"), FILES, ids=lambda each: getattr(each, "name", each))
def test_a_file_without_a_name(cli: CommandLine, name: str, param: click.Argument) -> None:
    """An empty word where a file belongs, mostly a variable that is not set, is no file and not this directory."""
    assert cli(*name.split(), "", code=2).stderr.startswith(f"Error: {param.name}: found ''; expected ")
    assert not cli.db.exists()


def test_a_queue_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty --db is not this directory either."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(queuectl, ["--db", "", "enqueue", "a", "true"])
    assert (done.exit_code, done.stderr) == (2, "Error: db: found ''; expected a name that is not empty\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sampled(6)
@pytest.mark.parametrize("line", LINES)
def test_impossible_values(filled: CommandLine, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A value that cannot be one is exit code 2 and one line, and nothing is changed."""
    monkeypatch.chdir(tmp_path)
    assert _ends(filled, line) == 2


@pytest.mark.sampled(5)
@pytest.mark.parametrize("line", REFUSALS)
def test_what_this_queue_or_disk_lacks_is_exit_code_1(filled: CommandLine, line: str) -> None:
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
        return queue.log.head()
