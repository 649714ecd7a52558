"""How the command line ends: closed pipes, Ctrl-C, errors of the store, each in a real process."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from queuectl.cli.exits import exit_code
from queuectl.errors import JobNotFound, WaitTimeout

from .conftest import CommandLine, wait_until


def test_exit_codes() -> None:
    """An error has its class's code, or its nearest base's."""
    assert exit_code(JobNotFound("x")) == 1
    assert exit_code(WaitTimeout(["x"], 1)) == 124


@pytest.mark.parametrize("verb", ["events", "events --json", "list", "list --json"])
def test_closed_pipe(cli: CommandLine, verb: str) -> None:
    """A reader that leaves early, such as head, is no error and brings no message."""
    text = "".join(f'{{"id": "job-{n:06}", "command": "true"}}\n' for n in range(3000))
    cli("enqueue", "--file", "-", text=text)
    process = cli.spawn(*verb.split())
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=20), errors) == (0, "")


def test_closed_pipe_at_the_very_end(cli: CommandLine) -> None:
    """A pipe that is closed before anything is printed is no error either."""
    cli("enqueue", "j", "true")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(cli.words("status"), stdout=write, stderr=subprocess.PIPE, timeout=20)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("verb", ["wait j", "events --follow", "logs j --follow", "status --watch"])
def test_interrupt(cli: CommandLine, verb: str) -> None:
    """Ctrl-C ends a verb that waits with 130 and no traceback."""
    cli("enqueue", "j", "true")
    process = cli.spawn(*verb.split())
    # It has opened the store, so it is past its imports, once it shows among the store's readers.
    wait_until(lambda: _has_open(process.pid, cli.db / "data.mdb"))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in errors


def _has_open(pid: int, path: Path) -> bool:
    try:
        return any(entry.resolve() == path for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def test_not_a_queue(cli: CommandLine) -> None:
    """A directory that holds something else is refused and left alone."""
    cli.db.mkdir()
    (cli.db / "thesis.txt").write_text("precious")
    assert "thesis.txt" in cli("enqueue", "j", "true", code=1).stderr
    assert [entry.name for entry in cli.db.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_queue(cli: CommandLine) -> None:
    """A file in the place of the directory is refused in one line."""
    cli.db.write_text("x")
    assert cli("enqueue", "j", "true", code=1).stderr.startswith("Error: cannot use ")


def test_garbage_is_no_queue(cli: CommandLine) -> None:
    """A data file that is not LMDB's is refused in one line."""
    cli.db.mkdir()
    (cli.db / "data.mdb").write_bytes(b"garbage" * 4096)
    told = cli("status", code=1).stderr
    assert told.startswith("Error: ")
    assert told.count("\n") == 1


def test_cannot_make_it(cli: CommandLine) -> None:
    """A place where no directory can be made is refused in one line."""
    cli.db.write_text("x")
    cli.db = cli.db / "below"
    told = cli("enqueue", "j", "true", code=1).stderr
    assert told.startswith("Error: ")
    assert told.count("\n") == 1


def test_error_shows_escapes(cli: CommandLine) -> None:
    """What a caller typed comes back in an error escaped, never raw."""
    cli("enqueue", "j", "true")
    assert "\x1b" not in cli("show", "\x1b[31mred", code=1).stderr
