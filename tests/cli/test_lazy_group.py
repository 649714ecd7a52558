"""The group: help, version, bare queuectl, mistyped verbs, and what gets imported."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from queuectl.cli.app import queuectl
from queuectl.cli.command import Verb
from queuectl.cli.lazy_group import VERBS
from tests.cli.conftest import CommandLine


def commands() -> list[tuple[list[str], click.Command]]:
    """Return every verb and verb of a verb, with the words that name it."""
    context = click.Context(queuectl)
    found: list[tuple[list[str], click.Command]] = []
    for name in VERBS:
        command = queuectl.get_command(context, name)
        assert command is not None
        found.append(([name], command))
        if isinstance(command, click.Group):
            found += [([name, sub], each) for sub, each in command.commands.items()]
    return found


@pytest.mark.parametrize(("words", "command"), commands())
def test_every_verb_has_help_with_examples(cli: CommandLine, words: list[str], command: click.Command) -> None:
    """Every verb has help, with examples that begin as they are typed."""
    shown = cli(*words, "--help").stdout
    assert command.help
    assert command.help.split("\n\n")[0].split() == shown.split("\n\n")[1].split()
    if isinstance(command, Verb):
        assert command.examples
        assert all(example in shown for example in command.examples)
        assert all(f"queuectl {' '.join(words)}" in example for example in command.examples)


def test_help_lists_every_verb(cli: CommandLine) -> None:
    """The help of the group names every verb."""
    shown = cli("--help").stdout
    assert all(f"\n  {verb} " in shown for verb in VERBS)


def test_version_says_which(cli: CommandLine) -> None:
    """--version says which."""
    from queuectl import __version__

    assert cli("--version").stdout == f"queuectl {__version__}\n"


def test_bare_without_a_queue(cli: CommandLine) -> None:
    """A bare queuectl where there is no queue says so, says what to type, and makes none."""
    shown = cli().stdout
    assert f"No queue yet at {cli.db}" in shown
    assert "queuectl enqueue hello" in shown
    assert not cli.db.exists()


def test_bare_with_jobs(cli: CommandLine) -> None:
    """A bare queuectl where there are jobs is the status."""
    cli("enqueue", "j", "true")
    lines = cli().stdout.splitlines()
    assert [line[:20] for line in lines] == [line[:20] for line in cli("status").stdout.splitlines()]


def test_bare_and_empty(cli: CommandLine) -> None:
    """A bare queuectl on an empty queue is the status and what to type next."""
    cli("config", "set", "max_retries", "1")
    shown = cli().stdout
    assert "pending" in shown
    assert "queuectl enqueue hello" in shown


def test_mistyped_verb(cli: CommandLine) -> None:
    """A verb that is none exits 2 and gets the nearest named."""
    assert "did you mean enqueue or queue?" in cli("enqueu", code=2).stderr
    assert "did you mean --version?" in cli("version", code=2).stderr


def test_db_from_the_environment(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """QUEUECTL_DB names the queue where --db does not."""
    monkeypatch.setenv("QUEUECTL_DB", str(tmp_path / "other"))
    words = [sys.executable, "-m", "queuectl", "enqueue", "j", "true"]
    assert subprocess.run(words, capture_output=True, timeout=20).returncode == 0
    assert (tmp_path / "other" / "data.mdb").exists()


@pytest.mark.parametrize(
    "words",
    [
        *("status", "list", "events", "worker list", "worker stop", "dlq list", "dlq retry --all", "dlq purge --all"),
        *(
            "show j",
            "logs j",
            "wait j",
            "retry j",
            "cancel j",
            "clear",
            "history j",
            "history --tree j",
            "replay",
            "replay --check",
        ),
        *("config show", "config get max_retries", "config unset max_retries"),
        *("subscriptions", "subscriptions remove j", "subscriptions rewind j 0"),
    ],
)
def test_no_queue_there(cli: CommandLine, words: str) -> None:
    """A verb that needs a queue says that there is none, exits 1, and makes none."""
    told = cli(*words.split(), code=1).stderr
    assert told.startswith(f"Error: no queue at {cli.db}")
    assert not cli.db.exists()


@pytest.mark.parametrize("words", ["enqueue --id x --command true", "status", "show x"])
def test_lazy_imports(cli: CommandLine, words: str) -> None:
    """The quick verbs import neither rich nor another verb, nor what only the worker needs."""
    cli("enqueue", "--id", "x", "--command", "true") if words != "enqueue --id x --command true" else None
    code = (
        "import sys; from queuectl.cli.app import queuectl\n"
        f"queuectl(['--db', {str(cli.db)!r}, *{words.split()!r}], standalone_mode=False)\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    loaded = set(done.stderr.split())
    assert done.returncode == 0, done.stderr
    verbs = {name for name in loaded if name.startswith("queuectl.cli.verbs.")}
    assert verbs == {f"queuectl.cli.verbs.{words.split()[0]}"}
    assert not loaded & {"rich", "asyncio", "importlib.metadata", "queuectl.worker"}
