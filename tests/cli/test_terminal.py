"""On a real pseudo-terminal: colour, fitted tables and progress bars, and none of them in a pipe."""

import os
import pty
import re
import subprocess

from queuectl.cli.text import cells

from .conftest import CommandLine

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


def test_no_color(cli: CommandLine) -> None:
    """NO_COLOR keeps every escape sequence away."""
    cli("enqueue", "a", "true")
    assert "\x1b" not in on_a_terminal(cli, "list", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(cli, "status", NO_COLOR="1")


def test_long_list_is_cut_and_says_so(cli: CommandLine) -> None:
    """A terminal gets the first hundred jobs and how to go on; a pipe gets them all."""
    cli("enqueue", "--file", "-", "--lines", text="true\n" * 150)
    assert "go on with --after" in on_a_terminal(cli, "list")
    assert len(cli("list").stdout.splitlines()) == 151


def test_progress_bars(cli: CommandLine) -> None:
    """Bulk enqueue and replay show a bar on a terminal, and print their result behind it."""
    file = cli.db.parent / "jobs"
    file.write_text("true\n" * 100)
    sent = on_a_terminal(cli, "enqueue", "--file", str(file), "--lines")
    assert "Enqueueing" in sent
    assert sent.rstrip().endswith("Enqueued 100 jobs")
    assert "Replaying" in on_a_terminal(cli, "replay", "--check")
    assert cli.process("replay", "--check").stderr == ""
