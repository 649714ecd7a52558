"""What holds for every verb there is: its help, its page, its JSON, and how it ends when asked the wrong thing."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import click
import pytest
from click.testing import CliRunner

from queuectl.cli import verbs
from queuectl.cli.app import queuectl
from queuectl.cli.command import Verb, VerbSet
from queuectl.cli.lazy_group import SECTIONS
from tests.docs import DOCS, load

from .conftest import CommandLine

PAGE = load("commands")
VERBS: dict[str, tuple[Any, click.Context]] = {name: (command, context) for name, command, context in PAGE.commands()}
SETS = {name for name, (command, _) in VERBS.items() if isinstance(command, VerbSet)}
PLAIN = [name for name in VERBS if name not in SETS]

WITHOUT_JSON = {
    "worker start": "it prints what happens, for people; `events --follow --json` is for programs",
    "top": "a screen",
    "export": "what it prints is JSON lines",
    "demo": "a show",
    "completion": "a script",
}
WORDS = {  # what a verb needs beside its options
    "enqueue": ["x", "true"],
    "run": ["true"],
    "worker start": ["--drain"],
    "show": ["good"],
    "why": ["later"],
    "logs": ["good"],
    "wait": ["good"],
    "top": ["--once"],
    "dashboard": ["--port", "99999"],
    "dlq show": ["bad"],
    "dlq retry": ["bad"],
    "dlq purge": ["bad"],
    "retry": ["bad"],
    "cancel": ["later"],
    "pause": ["later"],
    "resume": ["later"],
    "limit set": ["api", "--running", "2"],
    "limit show": ["held"],
    "limit remove": ["held"],
    "queue pause": ["mail"],
    "queue resume": ["mail"],
    "remove": ["bad"],
    "edit": ["later", "--set", "priority=2"],
    "config get": ["max_retries"],
    "config set": ["max_retries", "4"],
    "config unset": ["max_retries"],
    "history": ["good"],
    "subscriptions rewind": ["mailer", "0"],
    "subscriptions remove": ["mailer"],
    "snapshot delete": ["--all"],
    "compact": ["--older-than", "1d"],
    "completion": ["bash"],
}
OF_JOBS = [
    "show",
    "why",
    "logs",
    "wait",
    "dlq show",
    "dlq retry",
    "dlq purge",
    "retry",
    "cancel",
    "pause",
    "resume",
    "edit",
    "remove",
    "history",
]
WRITERS = {"enqueue", "run", "worker start", "config set", "completion"}
"""Verbs for which it is no error that there is no queue yet."""


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """Return a queue with a job completed, dead and delayed, a worker, a paused queue, a snapshot, a subscription."""
    with cli.queue() as queue:
        queue.enqueue("true", id="good")
        (job,) = queue.worker("w").claim(1)
        queue.worker("w").complete(queue.worker("w").start(job))
        queue.enqueue("false", id="bad", max_retries=0)
        (job,) = queue.worker("w").claim(1)
        queue.worker("w").fail(queue.worker("w").start(job), "exit code 1", return_code=1)
        queue.enqueue("true", id="later", delay_s=3600)
        queue.worker("w").started(host="elsewhere", pid=1, slots=2)
        queue.queues.pause("held")
        queue.limits.set("held", running=1)
        queue.admin.make_snapshots()
        with queue.subscribe("mailer", follow=False) as subscription:
            list(subscription)
    return cli


def words_of(name: str, tmp_path: Path) -> list[str]:
    """Return a command line of a verb that is complete."""
    files = {"backup": ["b.tar"], "restore": ["none.tar"], "import": ["none.jsonl"]}
    more = [str(tmp_path / file) for file in files.get(name, [])]
    return [*name.split(), *WORDS.get(name, []), *more]


# Help


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_has_help_examples_and_a_word_on_every_option(name: str) -> None:
    """Each verb has a help with a first sentence that fits a line, examples, and a word on every option."""
    command, context = VERBS[name]
    assert isinstance(command, Verb | VerbSet)
    assert command.help
    assert not command.get_short_help_str(limit=70).endswith("..."), "its first sentence is too long for the list"
    assert command.examples
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, param.name
    result = CliRunner().invoke(queuectl, [*name.split(), "--help"], prog_name="queuectl")
    assert (result.exit_code, result.stderr) == (0, "")
    assert command.examples[0] in result.stdout
    assert context.command_path == f"queuectl {name}"


@pytest.mark.parametrize("name", VERBS)
def test_examples_are_command_lines(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example is a line that the shell and queuectl can read, and is of the verb whose help it stands in."""
    monkeypatch.chdir(tmp_path)
    Path("jobs.jsonl").touch()
    for example in VERBS[name][0].examples:
        lines = list(command_lines(example))
        assert any([*words[: len(name.split())]] == name.split() for words in lines), example
        for words in lines:
            parse(words)


def test_the_groups_examples() -> None:
    """Those in the help of queuectl itself can be read too."""
    for example in PAGE.EXAMPLES:
        for words in command_lines(example):
            parse(words)


@pytest.mark.parametrize("page", sorted({"README.md", *(f"docs/{each.name}" for each in DOCS.glob("*.md"))}))
def test_commands_in_the_pages(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the README and the pages of docs/ tell people to type is a command line."""
    text = (DOCS.parent / page).read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Path("jobs.jsonl").touch()
    for row in re.findall(r"^    ((?:[A-Z_]+=\S+ )?queuectl \S.*)$", text, re.M):
        for words in command_lines(row):
            try:
                parse(words)
            except click.UsageError as error:
                raise AssertionError(f"{row}: {error.format_message()}") from error


def test_every_module_is_a_verb() -> None:
    """Each module of verbs is under one heading of the help."""
    there = {module.name for module in iter_modules(verbs.__path__)}
    assert sorted(verb for section in SECTIONS.values() for verb in section) == sorted(there)


# docs/cli.md


def test_the_page_has_every_verb() -> None:
    """Each verb and option is in docs/cli.md, the same on any terminal, with no path of the machine it was made on."""
    page = PAGE.page()
    for name, (command, _) in VERBS.items():
        assert f"# queuectl {name}\n" in page
        for option in (param for param in command.params if isinstance(param, click.Option)):
            assert option.opts[0] in page
    assert str(Path(__file__).parents[2]) not in page
    assert set(PAGE.JSON) | set(WITHOUT_JSON) | SETS == set(VERBS)
    assert set(PAGE.EXITS) <= set(VERBS)


def test_the_page_is_the_same_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The width of the terminal and what is set here make no difference."""
    page = PAGE.page()
    for name, value in {"COLUMNS": "40", "QUEUECTL_DB": "/elsewhere", "QUEUECTL_MAX_RETRIES": "9"}.items():
        monkeypatch.setenv(name, value)
    assert PAGE.page() == page


# --json


@pytest.mark.parametrize("name", sorted(set(VERBS) - SETS))
def test_json_on_every_verb_that_prints_data(name: str) -> None:
    """Each verb has --json, but those whose output is no data."""
    has_json = any("--json" in param.opts for param in VERBS[name][0].params)
    assert has_json != (name in WITHOUT_JSON)


@pytest.mark.parametrize("name", [name for name in PAGE.JSON if name not in ("dashboard", "restore", "import")])
def test_json_has_the_keys_of_the_page(filled: CommandLine, tmp_path: Path, name: str) -> None:
    """What --json prints is one document, alone on stdout, with the keys that docs/cli.md names."""
    done = CliRunner().invoke(queuectl, ["--db", str(filled.db), *words_of(name, tmp_path), "--json"])
    assert done.exit_code == (1 if name == "doctor" else 0), done.output
    assert shown_keys(json.loads(done.stdout), name) in told_keys(name)


def test_json_of_what_moves_a_queue(filled: CommandLine, tmp_path: Path) -> None:
    """Those of restore and import too."""
    file, lines = str(tmp_path / "b.tar"), str(tmp_path / "log.jsonl")
    filled("backup", file)
    filled("export", lines)
    there = CommandLine(tmp_path / "restored")
    assert set(there.json("restore", file)) in told_keys("restore")
    assert set(there.json("restore", "--finish")) in told_keys("restore")
    assert set(CommandLine(tmp_path / "imported").json("import", lines)) in told_keys("import")


# How each ends


@pytest.mark.parametrize("name", VERBS)
def test_an_option_there_is_not(cli: CommandLine, name: str) -> None:
    """A wrong option is exit code 2 and one line, whatever the verb, and nothing is made."""
    result = cli(*name.split(), "--wrong-option", code=2)
    assert result.stdout == ""
    assert re.fullmatch(r"Error: .*--wrong-option.*\n", result.stderr)
    assert not cli.db.exists()


@pytest.mark.parametrize("name", [name for name in PLAIN if name not in WRITERS | {"demo", "dashboard"}])
def test_a_queue_there_is_not(cli: CommandLine, tmp_path: Path, name: str) -> None:
    """Where there is no queue, what needs one says so in one line with exit code 1; others do as they do."""
    done = cli(*words_of(name, tmp_path), code=None)
    assert done.exit_code in (0, 1)
    if done.exit_code and name != "doctor":  # that prints what it found
        assert re.fullmatch(r"Error: .*\n", done.stderr)
        assert done.stdout == ""
    assert done.exit_code == 0 or not cli.db.exists()


@pytest.mark.parametrize("name", OF_JOBS)
def test_a_job_there_is_not(filled: CommandLine, name: str) -> None:
    """A job that there is not is exit code 1 and one line that names it."""
    result = filled(*name.split(), "nosuchjob", code=1)
    assert result.stdout == ""
    assert re.fullmatch(r"Error: .*nosuchjob.*\n", result.stderr)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", [name for name in PLAIN if name not in {"demo", "dashboard", "restore", "import"}])
def test_a_reader_that_has_left(filled: CommandLine, tmp_path: Path, name: str) -> None:
    """A pipe that is closed is no error, whatever the verb prints."""
    if name == "worker start":
        filled("cancel", "later")
    with subprocess.Popen(
        filled.words(*words_of(name, tmp_path)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
        assert process.wait(20) == 0, told
    assert "Traceback" not in told


def shown_keys(document: Any, name: str) -> set[str]:
    """Return the keys of an answer, or of the first in it."""
    if name == "config show":
        return set(next(iter(document.values())))
    if isinstance(document, list):
        assert document, "the fixture has one of each"
        return set(document[0])
    return set(document)


def told_keys(name: str) -> list[set[str]]:
    """Return the sets of keys that the page allows."""
    text = PAGE.JSON[name]
    if text.startswith("as `"):
        return told_keys(text.split("`")[1])
    shapes = [keys_in(shape) for shape in re.findall(r"\{[^}]*\}", text)]
    shapes += [keys_in(PAGE.SHAPES[word]) for word in PAGE.SHAPES if re.search(rf"\b{word}s?\b", text)]
    return [
        *shapes,
        *(
            shape | {"caused_by", "earlier", "inherited", "output_cut_bytes", "output_error"}
            for shape in shapes
            if name == "show"
        ),
    ]


def keys_in(shape: str) -> set[str]:
    return set(re.findall(r'"(\w+)"', shape))


def command_lines(example: str) -> Iterator[list[str]]:
    """Yield the words behind each `queuectl` in a shell line."""
    inner = re.sub(r'"\$\((.*)\)"', r"; \1 ;", example)
    lexer = shlex.shlex(inner, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in (";", "|", "&&", ">", "&"):
            words.append(word)
            continue
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words and words[0] == "queuectl":
            yield words[1:]
        words = []


def parse(words: list[str]) -> None:
    """Read a command line as queuectl does, and run nothing."""
    command: click.Command = queuectl
    context = click.Context(queuectl, info_name="queuectl")
    words = words[2:] if words[:1] == ["--db"] else words
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    if not isinstance(command, click.Group) or words:
        command.make_context(command.name, list(words), parent=context).close()
