"""Names that are not UTF-8: in a command, its directory and its environment, from the command line to the process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.errors import InvalidInput
from tests.cli.conftest import CommandLine
from tests.rows import rows_of
from tests.workers import LiveWorker

NAME = b"b\xfcgel\xff"
SHOWN = "b\\xfcgel\\xff"
TOLD = os.fsdecode(NAME)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.delenv("QUEUECTL_DB", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    return CommandLine(tmp_path / "q")


def typed(cli: CommandLine, *words: str | bytes, text: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run a verb with words that may be any bytes."""
    every = [os.fsencode(word) for word in [*cli.words(), *words]]
    return subprocess.run(every, input=text, capture_output=True, timeout=30, check=False)


@pytest.fixture
def enqueued(cli: CommandLine, tmp_path: Path) -> CommandLine:
    """A queue with a job of each form."""
    (tmp_path / TOLD).mkdir()
    env = b"NAME=" + NAME
    for words in (
        ("enqueue", "argv", "--", "printf", "%s", NAME),
        ("enqueue", "line", b"printf %s " + NAME),
        ("enqueue", "env", 'printf %s "$NAME"', "--env", env),
        ("enqueue", "cwd", 'printf %s "${PWD##*/}"', "--cwd", os.fsencode(tmp_path) + b"/" + NAME),
    ):
        done = typed(cli, *words)
        assert done.returncode == 0, done.stderr
    return cli


@pytest.fixture
def filled(enqueued: CommandLine) -> CommandLine:
    """The same, run by a worker."""
    enqueued.drain()
    return enqueued


@pytest.mark.sampled(1)
@pytest.mark.parametrize("is_sole", [True, False], ids=["of the worker", "of another process"])
def test_each_byte_arrives(enqueued: CommandLine, is_sole: bool) -> None:
    """What was typed is what the command gets, whoever starts it, and what it printed is told as it is."""
    worker = LiveWorker(enqueued.db, drain=True, is_sole=is_sole)
    assert worker.exit_code() == 0, worker.said()
    with enqueued.queue() as queue:
        for job in queue.jobs():
            assert (job.id, queue.output_bytes(queue.runs(job.id)[-1])) == (job.id, NAME)
        assert queue.job("argv").spec.command == ("printf", "%s", TOLD)
        assert queue.admin.replay(check=True).differences == []
        assert queue.admin.verify().problems == []


def test_people_see_it_escaped(filled: CommandLine) -> None:
    """No verb stumbles over it, and what is shown is plain text that tells each byte."""
    listed = ("list", "--columns", "id,command,directory")
    shown = (("show", "argv"), ("show", "env"), ("show", "cwd"))
    for words in (listed, *shown, ("history", "argv"), ("events",)):
        done = filled.process(*words)
        assert (words, done.returncode) == (words, 0), done.stderr
        assert SHOWN in done.stdout, words


def test_json_goes_round(filled: CommandLine, tmp_path: Path) -> None:
    """JSON tells such a byte as a lone surrogate, and enqueue --file, an export and an edit take it back."""
    told = filled.json("show", "env")
    assert told["env"] == {"NAME": TOLD}
    again = {key: told[key] for key in ("command", "env")} | {"id": "again"}
    assert typed(filled, "enqueue", "--file", "-", text=json.dumps(again).encode()).returncode == 0
    assert filled.json("show", "again")["env"] == {"NAME": TOLD}
    assert typed(filled, "edit", "again", "--set", b"command=cat " + NAME).returncode == 0
    assert f"command {'cat ' + SHOWN}" in filled.process("history", "again").stdout
    assert filled.process("export", str(tmp_path / "lines")).returncode == 0
    other = CommandLine(tmp_path / "other")
    assert other.process("import", str(tmp_path / "lines")).returncode == 0
    assert other.json("show", "again")["command"] == f"cat {TOLD}"
    assert rows_of(other.db) == rows_of(filled.db)


def test_one_such_name_refuses_no_other(cli: CommandLine) -> None:
    """A line of any bytes in a file of plain commands is a command like the others."""
    done = typed(cli, "enqueue", "--file", "-", "--lines", text=b"echo one\nprintf %s " + NAME + b"\necho three\n")
    assert (done.returncode, done.stdout) == (0, b"Enqueued 3 jobs\n"), done.stderr
    cli.drain()
    with cli.queue() as queue:
        assert {queue.output_bytes(queue.runs(job.id)[-1]) for job in queue.jobs()} == {b"one\n", NAME, b"three\n"}


def test_what_reads_as_utf_8_is_kept_as_that(tmp_path: Path) -> None:
    """Surrogates that together are UTF-8 are that text: one and the same name has one form in the log."""
    with Queue.open(tmp_path / "q") as queue:
        job = queue.enqueue("cat \udcc3\udca9", env={"A": "\udcc3\udca9"}, cwd="/\udcc3\udca9")
        assert (job.spec.command, job.spec.env, job.spec.cwd) == ("cat é", {"A": "é"}, "/é")
        assert queue.admin.replay(check=True).differences == []


@pytest.mark.parametrize("field", ["command", "cwd", "env"])
def test_what_is_no_byte_is_refused(tmp_path: Path, field: str) -> None:
    """A surrogate that stands for no byte cannot be passed on, and is refused by name."""
    value = {"command": "a\ud800", "cwd": "/\ud800", "env": {"A": "\ud800"}}[field]
    with Queue.open(tmp_path / "q") as queue:
        with pytest.raises(InvalidInput, match=field):
            queue.enqueue(**{"command": "true", field: value})
        assert queue.log.head() == 0
