"""edit, retry --edit and enqueue --edit: a job changed in a real editor; what was typed is never lost."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl.queue import Queue
from tests.cli.conftest import CommandLine
from tests.cli.tty import INTERRUPT, Terminal


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Editor":
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "texts"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "texts"))
    (tmp_path / "texts").mkdir()
    return Editor(tmp_path, monkeypatch)


class Editor:
    """A program in the place of an editor: a few lines of Python that change the text `t`."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._monkeypatch = monkeypatch

    def does(self, *lines: str) -> None:
        """Say what it does, each time it is opened."""
        script = self.home / "my editor.py"
        body = "\n".join(lines)
        begin = "import pathlib, sys\nfile = pathlib.Path(sys.argv[1])\nt = file.read_text()"
        script.write_text(f"{begin}\n{body}\nfile.write_text(t)\n")
        self._monkeypatch.setenv("EDITOR", f"{sys.executable} '{script}'")

    def left(self) -> list[Path]:
        """Return the files it left behind."""
        return list((self.home / "texts").iterdir())


def dead(cli: CommandLine, job_id: str = "a") -> None:
    cli("enqueue", job_id, "flase", "--max-retries", "0")
    cli.kill(job_id)


def test_a_dead_job_is_edited_and_runs_again(cli: CommandLine, editor: Editor) -> None:
    """retry --edit changes a job and runs it in one go; its history tells of its death, the edit and the run."""
    dead(cli)
    editor.does("t = t.replace('flase', 'true').replace('\"priority\": 0', '\"priority\": 7')")
    assert cli("retry", "--edit", "a", "--reason", "typo").stdout == "Requeued a\n"
    cli.drain()
    job = cli.json("show", "a")
    assert (job["command"], job["priority"], job["state"], job["attempts"]) == ("true", 7, "completed", 1)
    told = [(event["type"], event["reason"]) for event in cli.json("history", "a")]
    assert [kind for kind, _ in told] == [
        *("enqueued", "claimed", "started", "failed", "dead"),
        *("requeued", "edited", "claimed", "started", "completed"),
    ]
    assert told[6] == ("edited", "typo")
    assert cli.json("history", "a")[6]["data"] == {"command": "true", "priority": 7}
    assert "true, priority 7" in cli("history", "a").stdout
    assert editor.left() == []


def test_dlq_retry_edit(cli: CommandLine, editor: Editor) -> None:
    """So does dlq retry --edit; a job that is not dead is refused before the editor opens."""
    dead(cli)
    cli("enqueue", "b", "true")
    editor.does("t = t.replace('flase', 'true')")
    assert cli("dlq", "retry", "--edit", "a").stdout == "Requeued a\n"
    assert "it is pending" in cli("dlq", "retry", "--edit", "b", code=1).stderr
    assert cli.json("show", "a")["command"] == "true"


def test_edit_keeps_id_and_state(cli: CommandLine, editor: Editor) -> None:
    """edit changes what a job is to do, and neither its state nor its id; one that runs is refused, the text kept."""
    dead(cli)
    editor.does("""t = t.replace('"queue": "default"', '"queue": "mail"').replace('"env": {}', '"env": {"A": "é"}')""")
    assert cli("edit", "a").stdout == "Edited a\n"
    job = cli.json("show", "a")
    assert (job["state"], job["queue"], job["env"]) == ("dead", "mail", {"A": "é"})
    assert cli.json("status")["queues"] == {"mail": {**dict.fromkeys(job_states(), 0), "dead": 1}}
    assert [each["id"] for each in cli.json("dlq", "list")] == ["a"]
    cli("enqueue", "b", "true")
    with cli.queue() as queue:
        queue.worker("w").claim(1)
    refused = cli("edit", "b", code=1).stderr
    assert "it is processing" in refused
    assert str(editor.left()[0]) in refused


def job_states() -> list[str]:
    return ["pending", "processing", "completed", "failed", "dead", "cancelled"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("change", ["pass", "t = ''", "t = '# nothing else\\n\\n'"])
@pytest.mark.parametrize("words", [["edit", "a"], ["retry", "--edit", "a"], ["enqueue", "--edit"]])
def test_unchanged_or_empty_cancels(cli: CommandLine, editor: Editor, words: list[str], change: str) -> None:
    """A text that is left as it is, or emptied, changes nothing, and leaves nothing behind."""
    dead(cli)
    editor.does(change)
    head = cli.json("status")["head"]
    assert cli(*words, code=1).stderr == "Nothing was changed\n"
    assert (cli.json("status")["head"], editor.left()) == (head, [])


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        ('t = t.replace(\'"priority": 0\', \'"priority": "x"\')', "line 7", "expected a whole number"),
        ("t = t.replace('flase\"', 'flase')", "line 5", "Invalid control character"),
        ("t = t.replace('\"cwd\"', '\"cmd\"')", "line 11", "found 'cmd'; expected one of command"),
        ("t = t.replace('\"priority\": 0', '\"priority\": 1e999')", "line 7", "expected a whole number"),
        ("t = t.replace('flase', '')", "line 5", "something to run"),
        ("t = 'x'", "column 1", "Expecting value"),
        ("t = t.replace('flase', 'a\\\\u0000b')", "line 5", "a NUL character"),
    ],
)
def test_an_invalid_edit_names_the_line_and_the_file(
    cli: CommandLine, editor: Editor, change: str, line: str, says: str
) -> None:
    """Without a terminal a bad edit is refused with its line, and the file named keeps what was typed."""
    dead(cli)
    editor.does(change)
    refused = cli("edit", "a", code=1).stderr
    assert says in refused
    assert line in refused
    (kept,) = editor.left()
    assert str(kept) in refused
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert cli.json("history", "a")[-1]["type"] == "dead"


def test_enqueue_edit(cli: CommandLine, editor: Editor) -> None:
    """enqueue --edit starts from nothing, or from what was given."""
    editor.does("""t = t.replace('"command": ""', '"command": "echo hi"').replace('"id": null', '"id": "new"')""")
    assert cli("enqueue", "--edit").stdout == "Enqueued new\n"
    editor.does("t = t.replace('tpyo', 'typo')")
    assert cli("enqueue", "--edit", "b", "echo tpyo", "--delay", "1h").stdout == "Enqueued b\n"
    job = cli.json("show", "b")
    assert job["command"] == "echo typo"
    assert job["run_at"] > job["created_at"]
    assert "leave --file out" in cli("enqueue", "--edit", "--file", __file__, code=2).stderr


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("/no/such/editor", "cannot run the editor '/no/such/editor'"),
        ("false", "ended with exit code 1"),
        ("'", "set VISUAL"),
    ],
)
def test_no_editor(cli: CommandLine, editor: Editor, monkeypatch: pytest.MonkeyPatch, value: str, says: str) -> None:
    """An editor that is not there, fails or is no command is told, and nothing changed."""
    dead(cli)
    monkeypatch.setenv("EDITOR", value)
    assert says in cli("edit", "a", code=1).stderr
    assert editor.left() == []


def test_no_terminal(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none was named and there is no terminal, no editor is opened to draw into a pipe."""
    dead(cli)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    done = cli.process("edit", "a", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no terminal for an editor" in done.stderr


def test_set_needs_no_editor(cli: CommandLine) -> None:
    """--set needs no editor: texts as they are, the rest as in JSON; what cannot be is refused."""
    cli("enqueue", "a", "true", "--timeout", "5")
    words = ["--set", "priority=3", "--set", "timeout=0", "--set", 'env={"A": "b"}', "--set", "command=echo = x"]
    job = cli.json("edit", "a", *words, "--set", "run_at=2030-01-01T00:00:00Z")
    assert (job["priority"], job["timeout_s"], job["env"], job["command"]) == (3, None, {"A": "b"}, "echo = x")
    assert job["run_at"] == "2030-01-01T00:00:00.000000Z"
    assert cli.json("edit", "a", "--set", 'command=["echo", "hi"]')["command"] == ["echo", "hi"]
    assert cli("edit", "a", "--set", "priority=3").stderr == "Nothing was changed\n"
    for bad, says in (
        ("priority", "KEY=VALUE"),
        ("id=b", "a job keeps the one it has"),
        ("colour=1", "expected one of command"),
        ("unique=k", "a job keeps its key"),
        ("mutex=m", 'use takes "mutex:NAME"'),
        ("if_parent_fails=hold", "an empty after frees the job"),
        ("priority=high", "a whole number, for example 10"),
        ("priority=" + "9" * 5_000, "a whole number, for example 10"),
        ("backoff_base=x", "a number, for example 1.5"),
        ("env=x", 'for example {"NAME": "value"}'),
        ("command=[x", "a list of words as in JSON"),
        ("timeout=-3", "seconds, 0 or more"),
    ):
        assert says in cli("edit", "a", "--set", bad, code=2).stderr


def test_a_bad_edit_on_a_terminal_opens_again(cli: CommandLine, editor: Editor) -> None:
    """Enter opens the editor again with what was typed; the second try may succeed."""
    dead(cli)
    editor.does("t = t.replace('\"x\"', '9') if '\"x\"' in t else t.replace('\"priority\": 0', '\"priority\": \"x\"')")
    with Terminal(cli.words("edit", "a")) as terminal:
        assert "line 7" in terminal.expect("Enter opens it again")
        terminal.type("\n")
        terminal.expect("Edited a")
        assert terminal.end() == 0
    assert cli.json("show", "a")["priority"] == 9
    assert editor.left() == []


def test_giving_up_keeps_what_was_typed(cli: CommandLine, editor: Editor) -> None:
    """Ctrl-C gives up with 130, and says where the text is."""
    dead(cli)
    editor.does("t = 'precious'")
    with Terminal(cli.words("edit", "a")) as terminal:
        terminal.expect("Ctrl-C gives up")
        terminal.until_idle()
        terminal.type(INTERRUPT)
        assert terminal.end() == 130
        assert "Traceback" not in terminal.shown
    (kept,) = editor.left()
    assert kept.read_text() == "precious"


def test_what_it_says_cannot_command_the_terminal(cli: CommandLine, editor: Editor) -> None:
    """A job's id in the comment is shown escaped, and cannot begin a line of its own."""
    with Queue.open(cli.db) as queue:
        queue.enqueue("true", id="a\u00e9", reason=None)
    editor.does("assert t.startswith('# Job aé, pending'), t")
    assert cli("edit", "aé", code=1).stderr == "Nothing was changed\n"
