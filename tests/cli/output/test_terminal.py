"""On a real pseudo-terminal: colour, fitted tables and progress bars, and none of them in a pipe."""

import os
import pty
import re
import subprocess

import pytest

from queuectl.cli.output.format import cells
from queuectl.cli.output.sanitize import Tamed
from queuectl.queue import Queue
from tests.cli.conftest import CommandLine

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(cli: CommandLine, *words: str, **environment: str) -> str:
    """Run a verb on a terminal of 50 columns and give all that it sent there."""
    ours, theirs = pty.openpty()
    plain = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    wanted = plain | {"TERM": "xterm", "COLUMNS": "50"} | environment
    with subprocess.Popen(cli.words(*words), stdin=theirs, stdout=theirs, stderr=theirs, env=wanted) as process:
        os.close(theirs)
        sent = b""
        while chunk := _read(ours):
            sent += chunk
        os.close(ours)
    assert process.returncode == 0, sent
    return sent.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux tells that nobody has the other end any more
        return b""


def test_table_fits_and_has_colour(cli: CommandLine) -> None:
    """A table has colour and no line longer than the terminal; the job's own escapes do not get through."""
    cli("enqueue", "a", "echo \x1b[5m日本 " + "x" * 200, "--max-retries", "0")
    cli.kill("a")
    sent = on_a_terminal(cli, "dlq", "list")
    assert "\x1b[31mdead (1)" in sent
    assert "\x1b[5m" not in sent
    assert all(cells(ESCAPES.sub("", line)) <= 50 for line in sent.splitlines())


def test_a_history_fits_and_has_colour(cli: CommandLine) -> None:
    """So do a history and a tree; what came from a job, an actor or a reason does not command the terminal."""
    with Queue.open(cli.db, actor="ann\x1b[5m") as queue:
        queue.enqueue("true \x1b[5m日本", id="日本" * 20, max_retries=0, reason="\x1b[5m")
        (job,) = queue.worker("w").claim(1)
        queue.worker("w").fail(queue.worker("w").start(job), "\x1b[5m", return_code=1)
    for words in (["history", "日本" * 20], ["history", "--tree", "日本" * 20], ["events"]):
        sent = on_a_terminal(cli, *words)
        assert "\x1b[31mdead" in sent
        assert "\x1b[5m" not in sent
        assert all(cells(ESCAPES.sub("", line)) <= 50 for line in sent.splitlines())


def test_no_color(cli: CommandLine) -> None:
    """NO_COLOR keeps every escape sequence away."""
    cli("enqueue", "a", "true")
    assert "\x1b" not in on_a_terminal(cli, "list", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(cli, "status", NO_COLOR="1")


@pytest.fixture
def printed(cli: CommandLine) -> CommandLine:
    """Return a queue with a job that printed a window title, a colour and a broken byte."""
    cli("enqueue", "a", r"printf '\033]0;owned\007\033[31mred\tx\377\n\302\233'", "--max-retries", "0")
    cli.drain()
    return cli


def test_output_cannot_command_the_terminal(printed: CommandLine) -> None:
    """A terminal gets what a job printed with its colours and its other escapes shown; a pipe gets the bytes."""
    sent = on_a_terminal(printed, "logs", "a")
    assert "\\x1b]0;owned\\x07\x1b[31mred\tx\\xff\r\n\\x9b\x1b[0m" in sent
    assert b"\x1b]0;owned\x07\x1b[31mred\tx\xff\n\xc2\x9b" in printed("logs", "a").stdout_bytes


def test_output_without_colour(printed: CommandLine) -> None:
    """NO_COLOR takes a job's colours away too."""
    assert "\x1b" not in on_a_terminal(printed, "logs", "a", NO_COLOR="1")


def test_colour_cut_in_two() -> None:
    """A colour or a character that comes in two pieces is put together, and anything else begun is shown at the end."""
    tamed = Tamed(colours=True)
    pieces = [tamed.piece(each) for each in (b"a\x1b", b"[3", b"1mb\xc3", b"\xa9\x1b[", b"2Jx\x1b")]
    assert pieces == ["a", "", "\x1b[31mb", "é", "\\x1b[2Jx"]
    assert tamed.end() == "\\x1b\x1b[0m"


def test_progress_bars(cli: CommandLine) -> None:
    """Bulk enqueue and replay show a bar on a terminal, and print their result behind it."""
    file = cli.db.parent / "jobs"
    file.write_text("true\n" * 100)
    sent = on_a_terminal(cli, "enqueue", "--file", str(file), "--lines")
    assert "Enqueueing" in sent
    assert "Enqueued 100 jobs" in sent.splitlines()[-3]
    assert "Replaying" in on_a_terminal(cli, "replay", "--check")
    assert cli.process("replay", "--check").stderr == ""
