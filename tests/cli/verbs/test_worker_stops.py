"""How a worker ends: by signals, by Ctrl-C on a real terminal, by the verb from elsewhere; and what is left then."""

import os
import pty
import re
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.processes import is_alive, pid_in
from tests.waiting import wait_until

CTRL_C = b"\x03"
GATED = "echo $$ > {0}/pid; until [ -e {0}/go ]; do sleep 0.05; done"
DEAF = "trap '' TERM; echo $$ > {0}/pid; while :; do sleep 0.05; done"


class Terminal:
    """A worker as the foreground process of a terminal of its own."""

    def __init__(self, cli: CommandLine, *words: str) -> None:
        self.ours, self.theirs = pty.openpty()
        self.settings = termios.tcgetattr(self.theirs)
        take_it = (
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
        )
        python, *rest = cli.words("worker", "start", *words)
        self.process = subprocess.Popen(
            [python, "-c", take_it, python, *rest],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            start_new_session=True,
        )
        self.shown = b""

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self.ours, key)

    def shows(self, text: bytes) -> None:
        """Wait until the terminal has shown something."""
        while text not in self.shown:
            self.shown += os.read(self.ours, 65536)

    def close(self) -> None:
        """Close what is still open."""
        for fd in {self.ours, self.theirs} - {-1}:
            os.close(fd)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


def test_ctrl_c_on_a_terminal(cli: CommandLine, tmp_path: Path, opened: list[Terminal]) -> None:
    """Ctrl-C reaches the worker and not its command, which finishes; it exits 0 and the terminal is as it was."""
    cli("enqueue", "a", GATED.format(tmp_path))
    terminal = Terminal(cli)
    opened.append(terminal)
    pid = pid_in(tmp_path / "pid")
    terminal.press(CTRL_C)
    terminal.shows(b"finishing the running job")
    assert is_alive(pid)
    (tmp_path / "go").touch()
    terminal.shows(b"stopped: asked to stop\r\n")
    assert terminal.process.wait(20) == 0
    assert termios.tcgetattr(terminal.theirs) == terminal.settings
    assert b"\x1b" not in re.sub(rb"\x1b\[\d*m", b"", terminal.shown)  # colour, and nothing that outlives its line
    assert cli.json("show", "a")["state"] == "completed"


def test_ctrl_c_twice_on_a_terminal(cli: CommandLine, tmp_path: Path, opened: list[Terminal]) -> None:
    """Ctrl-C again gives the running job back without using up an attempt, exits 0, and the terminal is as it was."""
    cli("enqueue", "a", GATED.format(tmp_path), "--max-retries", "0")
    terminal = Terminal(cli)
    opened.append(terminal)
    pid = pid_in(tmp_path / "pid")
    terminal.press(CTRL_C)
    terminal.shows(b"a second signal kills and gives back")
    terminal.press(CTRL_C)
    terminal.shows(b"stopped: asked to stop\r\n")
    assert terminal.process.wait(20) == 0
    assert termios.tcgetattr(terminal.theirs) == terminal.settings
    job = cli.json("show", "a")
    assert (job["state"], job["attempts"], is_alive(pid)) == ("pending", 0, False)


def test_a_closed_terminal_loses_nothing(cli: CommandLine, tmp_path: Path, opened: list[Terminal]) -> None:
    """A worker whose terminal window is closed finishes what runs, though it can tell nobody, and exits 0."""
    cli("enqueue", "a", GATED.format(tmp_path))
    terminal = Terminal(cli)
    opened.append(terminal)
    pid_in(tmp_path / "pid")
    os.close(terminal.theirs)
    os.close(terminal.ours)
    terminal.ours = terminal.theirs = -1
    wait_until(lambda: cli.json("worker", "list")[0]["state"] == "stopping")
    (tmp_path / "go").touch()
    assert terminal.process.wait(20) == 0
    assert cli.json("show", "a")["state"] == "completed"
    assert cli.json("worker", "list") == []


def test_stop_now_ends_what_ignores_it(cli: CommandLine, tmp_path: Path) -> None:
    """stop --now kills a command that ignores TERM after the grace, and gives its job back with its attempts."""
    cli("enqueue", "a", DEAF.format(tmp_path), "--max-retries", "0")
    worker = cli.spawn("worker", "start", "--grace", "0.5", "--poll", "30")
    pid = pid_in(tmp_path / "pid")
    begun = time.monotonic()
    cli.process("worker", "stop", "--now", "--wait")
    assert 0.5 <= time.monotonic() - begun < 10
    job = cli.json("show", "a")
    assert (job["state"], job["attempts"], is_alive(pid)) == ("pending", 0, False)
    worker.communicate(timeout=20)
    assert worker.returncode == 0


def test_a_patient_stop_can_become_an_impatient_one(cli: CommandLine, tmp_path: Path) -> None:
    """stop --now behind a stop, or behind a signal, gives back what was to be finished."""
    for patiently in ("verb", "signal"):
        cli("enqueue", patiently, GATED.format(tmp_path))
        worker = cli.spawn("worker", "start", "--poll", "30")
        pid_in(tmp_path / "pid")
        cli("worker", "stop") if patiently == "verb" else worker.terminate()
        wait_until(lambda: cli.json("worker", "list")[0]["state"] == "stopping")
        cli("worker", "stop", "--now", "--wait")
        out, _ = worker.communicate(timeout=20)
        assert f"{patiently}: given back, no attempt used up" in out
        assert (worker.returncode, cli.json("show", patiently)["attempts"]) == (0, 0)
        cli("cancel", patiently)
        (tmp_path / "pid").unlink()


def test_stop_reaches_those_that_are_meant(cli: CommandLine) -> None:
    """stop with ids stops these, without ids all; each exits 0, and --wait comes back when they are gone."""
    cli("enqueue", "a", "true", "--delay", "1h")
    workers = [cli.spawn("worker", "start", "--poll", "30") for _ in range(3)]
    ids = {info["pid"]: info["id"] for info in wait_until(lambda: three(cli))}
    first = workers.pop(0)
    assert cli("worker", "stop", ids[first.pid], "--wait").stdout == f"Stopped {ids[first.pid]}\n"
    first.communicate(timeout=20)
    assert {info["pid"] for info in cli.json("worker", "list")} == {worker.pid for worker in workers}
    assert len(cli("worker", "stop", "--wait").stdout.splitlines()) == 2
    for worker in workers:
        worker.communicate(timeout=20)
    assert {worker.returncode for worker in (first, *workers)} == {0}
    assert cli.json("worker", "list") == []


def three(cli: CommandLine) -> "list[dict[str, int | str]]":
    """Return the workers once there are three."""
    workers: list[dict[str, int | str]] = cli.json("worker", "list")
    return workers if len(workers) == 3 else []


def test_waiting_for_one_that_dies(cli: CommandLine, tmp_path: Path) -> None:
    """stop --wait says so where a worker was killed before it had stopped, and exits 1."""
    cli("enqueue", "a", GATED.format(tmp_path))
    worker = cli.spawn("worker", "start")
    pid_in(tmp_path / "pid")
    stopping = cli.spawn("worker", "stop", "--wait")
    wait_until(lambda: cli.json("worker", "list")[0]["state"] == "stopping")
    worker.kill()
    worker.communicate(timeout=20)
    out, errors = stopping.communicate(timeout=20)
    assert (stopping.returncode, out) == (1, "")
    assert "died before it had stopped" in errors
    (tmp_path / "go").touch()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_no_zombies(cli: CommandLine, end: signal.Signals, tmp_path: Path) -> None:
    """Whatever its commands did, a worker leaves none of them unreaped, neither while it works nor at its end."""
    for n, command in enumerate(
        ["true", "exit 3", "kill -9 $$", "sleep 60 & exit 1", "sleep 60 & wait", "no-such-program"]
    ):
        cli("enqueue", f"job{n}", command, "--timeout", "0.5", "--max-retries", "0")
    worker = cli.spawn("worker", "start", "--count", "3", "--grace", "0.2")
    wait_until(lambda: sum(cli.json("status")["jobs"][state] for state in ("completed", "dead")) == 6)
    assert [pid for pid, state in children(worker.pid).items() if state == "Z"] == []
    cli("enqueue", "last", GATED.format(tmp_path))
    pid_in(tmp_path / "pid")
    worker.send_signal(end)
    (tmp_path / "go").touch()
    worker.communicate(timeout=20)
    assert worker.returncode == 0
    assert cli.json("show", "last")["state"] == "completed"


def children(parent: int) -> dict[int, str]:
    """Return the state of each child of a process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found[int(path.parent.name)] = fields[0]
    return found
