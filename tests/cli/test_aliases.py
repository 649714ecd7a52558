"""Words that people bring along from other programs: verbs, states and letters."""

import os
import subprocess
from typing import Any

import click
import pytest

from queuectl.cli.app import queuectl
from queuectl.cli.lazy_group import ALIASES, VERBS
from queuectl.queue import Queue
from tests.docs import load

from .conftest import CommandLine


def test_aliases_answer_as_the_verb(cli: CommandLine) -> None:
    """add, ls, ps, log and kill are enqueue, list, a list of what runs, logs and cancel."""
    assert cli("add", "a", "echo hi").stdout == "Enqueued a\n"
    cli("add", "b", "true", "-p", "3")
    assert [job["id"] for job in cli.json("ls")] == ["b", "a"]
    with cli.queue() as queue:
        queue.worker("w").start(*queue.worker("w").claim(1))
    assert [job["id"] for job in cli.json("ps")] == ["b"]
    assert cli("log", "a").stderr == "a has not run yet; it is pending\n"
    assert cli("kill", "a").stdout == "Cancelled a\n"


def test_aliases_of_verbs_of_a_verb(cli: CommandLine) -> None:
    """A verb with verbs knows ls and rm too."""
    cli("config", "set", "max_retries", "0")
    cli("enqueue", "a", "true")
    cli.kill("a")
    assert cli.json("dlq", "ls") == cli.json("dlq", "list")
    assert "max_retries" in cli("config", "ls").stdout
    assert cli("worker", "ps").stderr == cli("worker", "list").stderr
    assert cli("dlq", "rm", "a").stdout == "Purged a\n"


def test_aliases_in_help_and_completion(cli: CommandLine) -> None:
    """The help names each once, what they refuse is said of the verb, and Tab does not offer them beside it."""
    shown = " ".join(cli("--help").stdout.split())
    assert all(f"{alias} is {' '.join(words)}" in shown for alias, words in ALIASES.items())
    assert not set(ALIASES) & set(VERBS)
    assert cli("ls", "--nope", code=2).stderr.endswith("try: queuectl list --help\n")
    context = queuectl.make_context("queuectl", [], resilient_parsing=True)
    assert not {item.value for item in queuectl.shell_complete(context, "")} & set(ALIASES)


@pytest.mark.parametrize(
    ("typed", "states"),
    [
        ("running", {"processing"}),
        ("Running", {"processing"}),
        ("canceled", {"cancelled"}),
        ("pending,running", {"pending", "processing"}),
        ("pending, cancelled", {"pending", "cancelled"}),
    ],
)
def test_states_as_elsewhere(cli: CommandLine, typed: str, states: set[str]) -> None:
    """`running` and lists with commas are understood by the verbs and by Python alike."""
    with cli.queue() as queue:
        queue.enqueue_many([{"command": "true", "id": each} for each in ("runs", "waits", "goes")])
        queue.worker("w").start(*queue.worker("w").claim(1))
        queue.cancel("goes")
        found: list[Any] = queue.jobs(state=typed)
        assert {job.state for job in found} == states
    assert {job["state"] for job in cli.json("list", "--state", typed)} == states


LETTERS = [
    ("enqueue a true -q mail -p 2 -t 1m -d 1h -e A=b -C /tmp", "--queue --priority --timeout --delay --env --cwd"),
    ("run true -q mail -w", "--queue --wait"),
    ("list -q mail -s dead -n 3", "--queue --state --limit"),
    ("events -q mail -n 3 -f", "--queue --last --follow"),
    ("logs a -f -n 5", "--follow --tail"),
    ("wait a -t 5", "--timeout"),
    ("status -w -q mail", "--watch --queue"),
    ("worker list -q mail", "--queue"),
    ("worker stop -w", "--wait"),
    ("history a -n 3 -a", "--last --all"),
    ("clear -n", "--dry-run"),
    ("remove -f", "--yes"),
    ("backup -f", "--force"),
    ("edit a -p 3 -q mail", "--priority --queue"),
    ("worker start -n 2 -q mail -d", "--count --queue --detach"),
    ("worker start -j 2", "--count"),
    ("dlq list -n 3", "--limit"),
    ("dlq retry -a", "--all"),
    ("cancel -q mail -y", "--queue --yes"),
    ("dashboard -p 8080", "--port"),
]


@pytest.mark.parametrize(("line", "options"), LETTERS)
def test_letters_are_those_of_the_options_they_mean(line: str, options: str) -> None:
    """The letters that people type are those of the options they mean."""
    words = line.split()
    context = queuectl.make_context("queuectl", words[:1], resilient_parsing=True)
    command = queuectl.get_command(context, words[0])
    sub = getattr(command, "commands", {}).get(words[1])
    command = sub or command
    assert command is not None
    letters = {each: param.opts[0] for param in command.params for each in param.opts if len(each) == 2}
    assert [letters[word] for word in words if word[0] == "-"] == options.split()


def test_a_time_that_has_passed(cli: CommandLine) -> None:
    """It is said on stderr that the job runs at once, from an option, from JSON, from a file and from an edit."""
    said = " runs at once: the time it was to wait for, 2020-01-01 00:00:00, has passed\n"
    assert cli("enqueue", "a", "true", "--at", "2020-01-01").stderr == f"a{said}"
    assert cli("enqueue", '{"id": "b", "command": "true", "run_at": "2020-01-01"}').stderr == f"b{said}"
    assert cli("run", "true", "--at", "2020-01-01").stderr.endswith(said)
    text = '{"command": "true", "run_at": "2020-01-01"}\n{"command": "true"}\n'
    done = cli("enqueue", "--file", "-", text=text)
    assert done.stderr == "The time to wait for has passed for 1 job of the file, run at once\n"
    cli("enqueue", "c", "true", "--delay", "1h")
    assert cli("edit", "c", "--set", "run_at=2020-01-01").stderr == f"c{said}"
    assert cli("enqueue", "d", "true", "--at", "now").stderr == ""
    assert cli("enqueue", "e", "true", "--delay", "0").stderr == ""


def test_a_time_that_clocks_leave_out(cli: CommandLine) -> None:
    """It is said on stderr for which time it is taken."""
    done = cli.process("enqueue", "a", "true", "--at", "2027-03-28 02:30", env=os.environ | {"TZ": "Europe/Berlin"})
    assert done.stderr == "Clocks here are put forward over 2027-03-28 02:30; taken for 2027-03-28 03:30:00\n"
    assert cli.json("show", "a")["run_at"] == "2027-03-28T01:30:00.000000Z"


@pytest.mark.parametrize("words", ["events -f", "events -f --json", "logs a -f", "status -w", "status -w --json"])
def test_a_follower_ends_with_its_reader(cli: CommandLine, words: str) -> None:
    """`| head -1` ends a follower though nothing more is to be printed: it hears of it without a write."""
    cli("enqueue", "a", "true")
    read, write = os.pipe()
    with subprocess.Popen(cli.words(*words.split()), stdout=write, stderr=subprocess.PIPE) as process:
        os.close(write)
        if not words.startswith("logs"):  # it has nothing to say before the job runs
            os.read(read, 1)
        os.close(read)
        assert process.wait(20) == 0
        assert process.stderr is not None
        said = process.stderr.read()
        if words.startswith("logs"):  # but that nobody runs it
            assert said.startswith(b"No running worker serves queue default")
            assert said.count(b"\n") == 1
        else:
            assert said == b""


def test_the_default_queue_is_named(cli: CommandLine) -> None:
    """Tables name the default queue as they name any other."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "true", "-q", "mail")
    for words in ("list", "events", "history a", "top --once"):
        assert "default" in cli(*words.split()).stdout, words
    with Queue.open(cli.db) as queue:
        queue.worker("w").started(host="elsewhere", pid=1, slots=1)
    assert " all " in cli("worker", "list").stdout


SAME_LETTER = {
    "--queue": "-q",
    "--priority": "-p",
    "--port": "-p",
    "--follow": "-f",
    "--file": "-f",
    "--force": "-f",
    "--dry-run": "-n",
    "--last": "-n",
    "--tail": "-n",
    "--count": "-n",
    "--all": "-a",
    "--yes": "-y",
    "--state": "-s",
    "--timeout": "-t",
    "--delay": "-d",
    "--env": "-e",
    "--cwd": "-C",
    "--watch": "-w",
}
"""Option -> the letter it has on every verb that has it."""

OTHERWISE = {("logs", "--last"), ("run", "--wait")}
"""Where the letter is another option's."""


def test_a_letter_is_the_same_on_every_verb() -> None:
    """Who learned a letter on one verb can type it on each other that has the option; on one verb none means two."""
    for name, command, _ in load("commands").commands():
        options = [param for param in command.params if isinstance(param, click.Option)]
        letters = [each for param in options for each in (*param.opts, *param.secondary_opts) if len(each) == 2]
        assert len(letters) == len(set(letters)), name
        for param in options:
            for option in set(param.opts) & set(SAME_LETTER):
                assert (name, option) in OTHERWISE or SAME_LETTER[option] in param.opts, (name, option)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["list", "-s", "DEAD,"], ["bad"]),
        (["list", "-s", " ,pending,,Dead , "], ["waits", "bad"]),
        (["list", "--columns", "ID, ,"], None),
        (["list", "-s", "dead", "--order", " -ID "], ["bad"]),
        (["events", "--type", "Dead,", "--json"], None),
        (["events", "--type", "dead,cancel-requested"], None),
    ],
)
def test_lists_as_they_are_typed(cli: CommandLine, words: list[str], found: list[str] | None) -> None:
    """A comma at the end, two of them, blanks and capitals make no other list."""
    cli("enqueue", "bad", "false", "--max-retries", "0")
    cli.kill("bad")
    cli("enqueue", "waits", "true")
    if found is None:
        assert "bad" in cli(*words).stdout
    else:
        assert [job["id"] for job in cli.json(*words)] == found


def test_queues_as_they_are_typed(cli: CommandLine) -> None:
    """A worker is told its queues one by one, or several with commas between them."""
    for name in ("mail", "web", "other"):
        cli("enqueue", name, "true", "-q", name)
    assert cli.process("worker", "start", "--drain", "-q", "mail, web,").returncode == 0
    assert {job["id"]: job["state"] for job in cli.json("list")} == {
        "mail": "completed",
        "web": "completed",
        "other": "pending",
    }


def test_edit_by_letters(cli: CommandLine) -> None:
    """What an enqueue is given by a letter an edit is too; said twice it is refused."""
    cli("enqueue", "a", "true")
    cli("edit", "a", "-p", "5", "-q", "mail", "-t", "2h")
    job = cli.json("show", "a")
    assert (job["priority"], job["queue"], job["timeout_s"]) == (5, "mail", 7200)
    assert "priority is given twice" in cli("edit", "a", "-p", "5", "--set", "priority=6", code=2).stderr
