"""top, driven as a person does: on a real pseudo-terminal, key by key, with a real worker beside it."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.terminal import Terminal
from tests.processes import is_stopped
from tests.waiting import wait_until

LIST_KEYS = "q quit"
UP, DOWN, RIGHT, LEFT, ESCAPE, ENTER = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b", "\r"


@contextmanager
def working(cli: CommandLine, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """Have a worker at work."""
    worker = cli.spawn("worker", "start", "--grace", "1", *words)
    try:
        yield worker
    finally:
        worker.terminate()
        worker.terminate()
        worker.communicate(timeout=20)


def chosen(terminal: Terminal) -> str:
    """Return the line that is marked."""
    lines = terminal.screen.buffer
    marked = [y for y in range(terminal.screen.lines) if lines[y][0].reverse and lines[y][20].reverse]
    return "".join(lines[marked[0]][x].data for x in range(terminal.screen.columns)) if marked else ""


def choose(terminal: Terminal, job_id: str) -> None:
    """Move to a job."""
    terminal.type("g")
    for _ in range(30):
        terminal.read()
        if chosen(terminal).startswith(job_id):
            return
        terminal.type(DOWN)
    raise AssertionError(f"{job_id} cannot be chosen:\n{terminal.text()}")


@pytest.mark.slow
def test_a_tour(cli: CommandLine) -> None:
    """It shows jobs; one is opened and seen printing, a running one is cancelled, a dead one retried, and q quits."""
    cli("enqueue", "dead1", "echo oops; exit 3", "--max-retries", "0")
    cli("enqueue", "talker", "i=0; while sleep 0.1; do i=$((i+1)); echo line $i; done", "--queue", "mail")
    with working(cli, "--count", "2"), Terminal(cli, "top", "--every", "0.2") as terminal:
        terminal.wait_for(re.compile(r"talker +processing").search)
        shown = terminal.wait_for(re.compile(r"dead1 +dead \(3\)").search)
        assert re.search(r"running 1/2  talker \ds", shown)
        assert "dead1: exit code 3" in shown
        choose(terminal, "talker")
        terminal.type(ENTER)
        terminal.wait_for("line 2")
        terminal.wait_for("line 25")  # more than fit: it follows
        terminal.type("h")
        terminal.wait_for("enqueued")
        terminal.type("d")
        terminal.wait_for(re.compile(r"queue +mail").search)
        terminal.type("c")
        terminal.wait_for("Cancel talker?")
        terminal.type("n")
        terminal.wait_for(lambda shown: "Cancel talker?" not in shown)
        assert cli.json("show", "talker")["state"] == "processing"
        terminal.type("c")
        terminal.wait_for("Cancel talker?")
        terminal.type("y")
        terminal.wait_for("to stop talker")
        terminal.type("q")
        terminal.wait_for(re.compile(r"talker +cancelled").search)
        choose(terminal, "dead1")
        terminal.type("r")
        terminal.wait_for("Requeued dead1")
        wait_until(lambda: len(cli.json("logs", "dead1")) == 2)
        terminal.type("q")
        assert (terminal.end(), terminal.is_sane()) == (0, True)


def test_it_says_who_acted(cli: CommandLine) -> None:
    """What is done by a key is in the log under the name of who pressed it; what is refused is told in one line."""
    cli("enqueue", "a", "true")
    with Terminal(cli, "top") as terminal:
        terminal.wait_for(re.compile(r"a +pending").search)
        terminal.type("r")
        terminal.wait_for("Error: cannot retry 'a'")
        terminal.type("c")
        terminal.wait_for("Cancel a? It is pending")
        terminal.type("y")
        terminal.wait_for("Cancelled a")
        terminal.type("q")
        assert terminal.end() == 0
    (event,) = cli.json("events", "--type", "cancelled")
    assert event["actor"].startswith("tester@")


def test_the_marked_job_stays_marked_where_filters_move_it(cli: CommandLine) -> None:
    """Left and right choose the state, Tab the queue; the marked job stays marked where it moves."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "true", "--queue", "mail")
    cli("enqueue", "c", "true", "--delay", "1h")
    cli("cancel", "b")
    with Terminal(cli, "top", "--every", "0.2") as terminal:
        terminal.wait_for(re.compile(r"a +pending[^$]*c +pending[^$]*b +cancelled").search)
        choose(terminal, "c")
        cli("enqueue", "first", "true", "--priority", "9")
        terminal.wait_for(re.compile(r"first +pending").search)
        assert chosen(terminal).startswith("c ")
        terminal.type(LEFT)  # round to the last state
        terminal.wait_for(lambda shown: not re.search(r"^a +pending", shown, re.MULTILINE))
        assert re.search(r"^b +cancelled", terminal.text(), re.MULTILINE)
        terminal.type(RIGHT + "\t")
        terminal.wait_for("queue default")
        terminal.wait_for(lambda shown: not re.search(r"^b +cancelled", shown, re.MULTILINE))
        terminal.type("?")
        terminal.wait_for("retry it: run it again now")
        terminal.type("q")
        terminal.wait_for(re.compile(r"^a +pending", re.MULTILINE).search)
        terminal.type("q")
        assert terminal.end() == 0


def test_narrow_and_resized(cli: CommandLine) -> None:
    """At 60 columns of 15 lines and at 80 of 24 all is within the screen; wide and control characters do no harm."""
    cli("enqueue", "日本語", "echo \x1b[2J\x1b]0;owned\x07 日本語日本語日本語日本語日本語日本語日本語日本語日本語")
    for number in range(30):
        cli("enqueue", f"job{number}", "true", "--queue", f"q{number % 7}")
    with Terminal(cli, "top", columns=60, rows=15) as terminal:
        shown = terminal.wait_for(re.compile(r"日\s*本\s*語").search and LIST_KEYS)
        assert "日" in shown
        assert "\\x1b[2J" in shown
        assert len(re.findall(r"^job\d+", shown, re.MULTILINE)) >= 3
        terminal.resize(80, 24)
        shown = terminal.wait_for("Tab queue")
        assert len(re.findall(r"^job\d+", shown, re.MULTILINE)) >= 5
        terminal.type("G")
        terminal.wait_for(re.compile(r"^job29", re.MULTILINE).search)
        terminal.resize(20, 4)
        terminal.wait_for("queuectl")
        terminal.type("q")
        assert (terminal.end(), terminal.is_sane()) == (0, True)
    assert b"owned\x07" not in terminal.sent


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda terminal, cli: terminal.type("\x03"), 130),
        (lambda terminal, cli: terminal.process.send_signal(signal.SIGINT), 130),
        (lambda terminal, cli: terminal.process.send_signal(signal.SIGTERM), 143),
        (lambda terminal, cli: terminal.process.send_signal(signal.SIGHUP), 129),
        (lambda terminal, cli: shutil.rmtree(cli.db), 1),
    ],
    ids=["ctrl-c", "int", "term", "hup", "gone"],
)
@pytest.mark.parametrize("keys", ["", ENTER, "c"], ids=["list", "job", "question"])
def test_however_it_ends(cli: CommandLine, end: Callable[[Terminal, CommandLine], None], code: int, keys: str) -> None:
    """However it ends, and wherever in it, the terminal is as it was; a queue that is gone is told in one line."""
    cli("enqueue", "a", "true")
    with Terminal(cli, "top", "--every", "0.2") as terminal:
        terminal.wait_for(re.compile(r"a +pending").search)
        terminal.type(keys)
        terminal.wait_for({"": LIST_KEYS, ENTER: "Esc back", "c": "Cancel a?"}[keys])
        end(terminal, cli)
        assert (terminal.end(), terminal.is_sane()) == (code, True)
        assert "Traceback" not in terminal.sent.decode()
        assert (b"Error: the queue at" in terminal.sent) == (code == 1)


def test_a_job_that_is_removed(cli: CommandLine) -> None:
    """A job that leaves the queue while it is looked at brings back to the list, with a word about it."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    with Terminal(cli, "top", "--every", "0.2") as terminal:
        terminal.wait_for(re.compile(r"a +completed").search)
        terminal.type(ENTER)
        terminal.wait_for("Esc back")
        cli("clear")
        terminal.wait_for("no such jobs")
        assert "'a'" in terminal.text()
        terminal.type("q")
        assert terminal.end() == 0


def test_no_terminal(cli: CommandLine) -> None:
    """Elsewhere than on a terminal it says in one line what to use there; --once prints one frame."""
    cli("enqueue", "a", "true")
    refused = cli.process("top")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "status --json" in refused.stderr
    frame = cli.process("top", "--once")
    assert frame.returncode == 0
    assert re.search(r"^a +pending", frame.stdout, re.MULTILINE)
    assert "\x1b" not in frame.stdout
    assert "no queue at" in CommandLine(cli.db.parent / "none")("top", "--once", code=1).stderr


@pytest.mark.slow
def test_it_holds_up_nobody(cli: CommandLine) -> None:
    """While another process is inside a write transaction it goes on, and a key that has to wait does not stop it."""
    cli("enqueue", "a", "true")
    with Terminal(cli, "top", "--every", "0.2") as terminal:
        terminal.wait_for(re.compile(r"a +pending").search)
        holder = cli.queue()
        with holder._store.write():
            terminal.type("c")
            terminal.wait_for("Cancel a?")
            terminal.type("y")
            terminal.wait_for(lambda shown: "Cancel a?" not in shown)
            terminal.wait_for(re.compile(r"a +pending +default +[2-9]s ago").search)
            terminal.type("?")
            terminal.wait_for("retry it: run it again now")
            terminal.type("q")
        holder.close()
        terminal.wait_for("Cancelled a")
        terminal.type("q")
        assert terminal.end() == 0


def test_much_output(cli: CommandLine) -> None:
    """Of a job that printed megabytes the end is there at once; the rest is not laid out."""
    cli("enqueue", "a", "seq 1 1000000")
    cli.drain()
    with Terminal(cli, "top") as terminal:
        terminal.wait_for(re.compile(r"a +completed").search)
        terminal.type(ENTER)
        shown = terminal.wait_for("==> completed", patience_s=5)
        assert "\n1000000\n" in shown
        terminal.type(ESCAPE)
        terminal.wait_for(LIST_KEYS)
        terminal.type("q")
        assert terminal.end() == 0


def test_ctrl_z(cli: CommandLine) -> None:
    """Ctrl-Z gives the terminal back while it is stopped, and it comes back as it was."""
    cli("enqueue", "a", "true")
    with Terminal(cli, "top") as terminal:
        terminal.wait_for(re.compile(r"a +pending").search)
        terminal.type("\x1a")
        wait_until(lambda: is_stopped(terminal.process.pid))
        terminal.read()
        assert terminal.is_sane()
        terminal.process.send_signal(signal.SIGCONT)
        wait_until(lambda: terminal.read() or not terminal.is_sane())
        terminal.type("q")
        assert (terminal.end(), terminal.is_sane()) == (0, True)


@pytest.mark.slow
def test_a_failure_within(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody reckoned with ends it too, with the terminal as it was and an exit code that tells."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "from queuectl.cli.top import panels\n\n\ndef broken(*of):\n    raise RuntimeError('broken')\n\n\n"
        "assert panels.job_table\npanels.job_table = broken\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{os.environ['PYTHONPATH']}")
    cli("enqueue", "a", "true")
    with Terminal(cli, "top") as terminal:
        assert (terminal.end(), terminal.is_sane()) == (1, True)
        assert "broken" in terminal.sent.decode()


def test_pages_and_the_mouse(cli: CommandLine) -> None:
    """A page key goes on by a screenful, the wheel by three; a click chooses a job, and another one opens it."""
    with cli.queue() as queue:
        queue.enqueue_many([{"id": f"j{number:02}", "command": "true"} for number in range(60)])
    with Terminal(cli, "top", "--every", "0.2") as terminal:
        terminal.wait_for(lambda _: chosen(terminal).startswith("j00"))
        terminal.type("\x1b[6~")  # page down
        terminal.wait_for(lambda _: "j05" < chosen(terminal)[:3] < "j25")
        paged = chosen(terminal)[:3]
        terminal.type("\x1b[<65;3;10M")  # the wheel, downwards
        terminal.wait_for(lambda _: chosen(terminal).startswith(f"j{int(paged[1:]) + 3:02}"))
        terminal.type("\x1b[<64;3;10M")
        terminal.wait_for(lambda _: chosen(terminal).startswith(paged))
        row = next(
            y for y, text in enumerate(terminal.screen.display, 1) if text.startswith(f"j{int(paged[1:]) - 1:02}")
        )
        click = f"\x1b[<0;3;{row}M\x1b[<0;3;{row}m"
        terminal.type(click)
        terminal.wait_for(lambda _: chosen(terminal).startswith(f"j{int(paged[1:]) - 1:02}"))
        terminal.type(click + click)
        terminal.wait_for("h history")
        terminal.type("q")
        terminal.wait_for(LIST_KEYS)
        terminal.type("q")
        assert terminal.end() == 0


def test_what_is_paused_is_seen(cli: CommandLine) -> None:
    """A queue, with when its pause ends, though it is the only one, and a job."""
    cli("enqueue", "a", "true", "--paused")
    cli("queue", "pause", "default", "--until", "in 1h")
    shown = cli("top", "--once").stdout
    assert "pending, paused" in shown
    assert re.search(r"default .*pend.* paused for .* and until \d{4}-", shown)
