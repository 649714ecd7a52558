"""How the command line ends: closed pipes, Ctrl-C, errors of the store, each in a real process."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl.cli.exit_codes import exit_code
from queuectl.errors import JobNotFound, WaitTimeout
from tests.cli.conftest import CommandLine
from tests.waiting import wait_until


def test_exit_codes() -> None:
    """An error has its class's code, or its nearest base's."""
    assert exit_code(JobNotFound("x")) == 1
    assert exit_code(WaitTimeout(["x"], 1)) == 124


@pytest.mark.sampled(2)
@pytest.mark.parametrize("verb", ["events", "events --json", "list --limit 0", "list --json"])
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
def test_ctrl_c_ends_a_waiting_verb_with_130(cli: CommandLine, verb: str) -> None:
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


def in_shell(cli: CommandLine, line: str) -> "subprocess.CompletedProcess[str]":
    """Run a verb with the redirections that only a shell can make."""
    words = f"exec {shlex.join(cli.words())} {line}"
    return subprocess.run(["sh", "-c", words], capture_output=True, text=True, timeout=20)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(cli: CommandLine, closed: str) -> None:
    """A caller who closed stdout, stderr or both has the job enqueued all the same, and the store unharmed."""
    assert in_shell(cli, f"enqueue j true {closed}").returncode == 0
    assert in_shell(cli, f"show nope {closed}").returncode == 1
    assert [job["id"] for job in cli.json("list")] == ["j"]


FULL = "Error: could not print the answer (No space left on device); what was asked was carried out\n"


def test_full_stdout(cli: CommandLine) -> None:
    """An answer that cannot be printed is told in one line with exit 1; what was asked is done."""
    done = in_shell(cli, "enqueue j true >/dev/full")
    assert (done.returncode, done.stderr) == (1, FULL)
    assert cli.json("show", "j")["state"] == "pending"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("verb", ["list", "list --json", "show j", "status", "events", "history j --json"])
def test_full_stdout_of_a_look(cli: CommandLine, verb: str) -> None:
    """No verb shows a traceback where its stdout is full."""
    cli("enqueue", "j", "true")
    done = in_shell(cli, f"{verb} >/dev/full")
    assert (done.returncode, done.stderr) == (1, FULL)


@pytest.mark.parametrize("words", ["--help", "list --help", "--version"])
def test_full_stdout_of_help(cli: CommandLine, words: str) -> None:
    """Help that cannot be printed is one line too."""
    done = in_shell(cli, f"{words} >/dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("Error: ")
    assert "No space left on device" in done.stderr


def test_full_stderr(cli: CommandLine) -> None:
    """A message that cannot be given changes neither the exit code nor the answer."""
    cli("enqueue", "j", "true")
    assert in_shell(cli, "show nope 2>/dev/full").returncode == 1
    assert in_shell(cli, "list --wrong 2>/dev/full").returncode == 2
    assert in_shell(cli, "list --state dead 2>/dev/full").returncode == 0


def test_interrupt_during_imports(cli: CommandLine) -> None:
    """Ctrl-C while the command line is still being imported ends it with 130 and no word."""
    code = (
        "import sys, signal, os\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == sys.argv[-1]: os.kill(os.getpid(), signal.SIGINT)\n"
        "from queuectl.cli.main import main\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "main()"
    )
    for module in ("queuectl.cli.app", "click", "queuectl.cli.verbs.show", "lmdb"):
        words = [sys.executable, "-c", code, "--db", str(cli.db), "show", module]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stdout, done.stderr) == (130, "", ""), module


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["status", "--db", "x"], "Error: --db goes before the verb; type: queuectl --db PATH status\n"),
        (["worker", "list", "--db=x"], "Error: --db goes before the verb; type: queuectl --db PATH worker list\n"),
        (["show"], "Error: Missing argument 'JOB...'; try: queuectl show --help\n"),
        (["wait", "j", "--timeout"], "Error: Option '--timeout' requires an argument; try: queuectl wait --help\n"),
        (["worker"], "Error: queuectl worker needs one of list, start, stop; try: queuectl worker --help\n"),
        (["worker", "begin"], "Error: queuectl worker has no 'begin'; it has list, start, stop; try: queuectl worker "),
        (["dlq", "purge"], "Error: name the jobs, or type --all, or say which, "),
        (["--wrong"], "Error: No such option"),
    ],
)
def test_usage_in_one_line(cli: CommandLine, words: list[str], says: str) -> None:
    """A command line of the wrong shape exits 2 with one line that says where to read on."""
    told = cli(*words, code=2).stderr
    assert told.startswith(says)
    assert told.count("\n") == 1
