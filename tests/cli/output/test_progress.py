"""Bars on a terminal: what is done, how fast, how long it still takes; and a worker that drains behind one."""

import re

import pytest

from queuectl.cli.output.progress import progress
from tests.cli.conftest import CommandLine
from tests.cli.terminal import Terminal


def test_nothing_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Where stderr is no terminal nothing is shown."""
    with progress("Counting", 10) as shown:
        shown.done(5)
        shown.stage("Counting again", 6, 10)
        shown.above("a line")
    assert capsys.readouterr() == ("", "")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("columns", [100, 50])
def test_drain_behind_a_bar(cli: CommandLine, columns: int) -> None:
    """--progress shows how much is done and left, the rate and the time left; what fails stands above, in colour."""
    cli("enqueue", "bad", "exit 3", "--max-retries", "0", "--priority", "1")
    lines, go = cli.db.parent / "jobs", cli.db.parent / "go"  # the last is not over before all was seen
    lines.write_text("sleep 0.05\n" * 59 + f"until [ -e {go} ]; do sleep 0.05; done\n")
    cli("enqueue", "--file", str(lines), "--lines")
    with Terminal(cli, "worker", "start", "--drain", "--progress", columns=columns) as terminal:
        terminal.wait_for(re.compile(r"\d+ left, 1 failed .*\d+/61.* \d+s left").search)
        shown = terminal.wait_for(re.compile(r"/s  \d+s left" if columns > 70 else r"/61  \d+s left").search)
        go.touch()
        assert re.search("sleep|completed", shown) is None
        assert terminal.end() == 0
        assert "Ended 61 jobs, 1 failed attempt" in terminal.text()
        assert b"bad: \x1b[31mattempt 1 of 1 failed" in terminal.sent
        assert terminal.is_sane()


def test_ctrl_c_behind_a_bar(cli: CommandLine) -> None:
    """Ctrl-C finishes what runs, says so above the bar, and leaves the terminal as it was."""
    go = cli.db.parent / "go"
    cli("enqueue", "a", f"until [ -e {go} ]; do sleep 0.05; done")
    cli("enqueue", "b", "sleep 1")
    with Terminal(cli, "worker", "start", "--drain", "--progress") as terminal:
        terminal.wait_for("2 left")
        terminal.type("\x03")
        terminal.wait_for("finishing the running job")
        go.touch()
        assert (terminal.end(), terminal.is_sane()) == (0, True)
    assert cli.json("status")["jobs"]["pending"] == 1


def test_drain_in_a_pipe(cli: CommandLine) -> None:
    """In a pipe --progress changes nothing; with nothing to count down to, or in the background, it is refused."""
    cli("enqueue", "a", "true")
    done = cli.process("worker", "start", "--drain", "--progress")
    assert (done.returncode, done.stderr) == (0, "")
    assert "a: completed" in done.stdout
    assert "\x1b" not in done.stdout
    assert "--drain" in cli("worker", "start", "--progress", code=2).stderr
    assert "--detach" in cli("worker", "start", "--progress", "--drain", "--detach", code=2).stderr


def test_worker_lines_have_colour(cli: CommandLine) -> None:
    """On a terminal what becomes of a job is in its state's colour, unless NO_COLOR is set."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "exit 1", "--max-retries", "0")
    with Terminal(cli, "worker", "start", "--drain") as terminal:
        assert terminal.end() == 0
        assert re.search(rb"a: \x1b\[32mcompleted in", terminal.sent)
        assert re.search(rb"b: \x1b\[31mattempt 1 of 1 failed", terminal.sent)
    cli("retry", "b")
    with Terminal(cli, "worker", "start", "--drain", NO_COLOR="1") as terminal:
        assert terminal.end() == 0
        assert b"\x1b" not in terminal.sent


def test_bulk_on_a_terminal(cli: CommandLine) -> None:
    """Bulk enqueue shows a bar of the width of the terminal, and nothing of it stays."""
    lines = cli.db.parent / "jobs"
    lines.write_text("true\n" * 30_000)
    with Terminal(cli, "enqueue", "--file", str(lines), "--lines", columns=60) as terminal:
        assert terminal.end() == 0
        assert re.search(rb"Enqueueing.*\d0,000/30,000", terminal.sent)
        told = "".join(terminal.text().split())  # the terminal folds long lines anywhere
        assert told.startswith("Enqueued30,000jobsArunisstoppedafter5m,thedefault;")
        assert told.endswith("startone:queuectlworkerstart")
        assert terminal.is_sane()


@pytest.mark.slow
def test_killed_behind_a_bar(cli: CommandLine) -> None:
    """TERM in the middle of long work leaves the terminal as it was, and the queue whole."""
    lines = cli.db.parent / "jobs"
    lines.write_text("true\n" * 200_000)
    with Terminal(cli, "enqueue", "--file", str(lines), "--lines") as terminal:
        terminal.wait_for(re.compile(r"Enqueueing.*\d0,000/200,000").search)
        terminal.process.terminate()
        assert (terminal.end(), terminal.is_sane()) == (143, True)
    pending = cli.json("status")["jobs"]["pending"]
    assert pending % 10_000 == 0
    assert cli("replay", "--check").exit_code == 0
