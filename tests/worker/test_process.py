"""Commands as processes: real ones, started and signalled."""

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.events.types import Command
from queuectl.worker.process import STDOUT, Launcher, Process, SpawnError, signal_name

from .live import wait_until


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    made = Launcher({b"PATH": os.environb[b"PATH"], b"OWN": b"worker", b"SHARED": b"worker"})
    yield made
    made.close()


def output_of(process: Process) -> bytes:
    """Wait for the end and give what was printed."""
    printed: list[bytes] = []
    wait_until(lambda: process.poll() is not None)
    while data := process.read(STDOUT):
        printed.append(data)
    process.close()
    return b"".join(printed)


def test_a_command_leads_a_group_and_session_of_its_own(launcher: Launcher) -> None:
    """A signal to a command's group reaches the command and never its worker."""
    process = launcher.spawn("exec sleep 30", cwd=None, env={})
    assert os.getpgid(process.pid) == os.getsid(process.pid) == process.pid
    assert process.signal_group(signal.SIGKILL)
    wait_until(lambda: process.poll() == -signal.SIGKILL)
    assert not process.signal_group(0)
    process.close()


def test_the_job_s_environment_lies_over_the_worker_s(launcher: Launcher) -> None:
    """A command sees the worker's variables, and its job's where both have one."""
    process = launcher.spawn('echo "$OWN $SHARED $MORE"', cwd=None, env={"SHARED": "job", "MORE": "ü"})
    assert output_of(process) == "worker job ü\n".encode()


def test_a_command_reads_nothing(launcher: Launcher) -> None:
    """Standard input is empty: a command that reads does not wait for a terminal."""
    assert output_of(launcher.spawn("cat; echo done", cwd=None, env={})) == b"done\n"


def test_a_command_runs_where_its_job_says(launcher: Launcher, tmp_path: Path) -> None:
    """The working directory is the job's."""
    assert output_of(launcher.spawn(("pwd",), cwd=str(tmp_path), env={})) == f"{tmp_path}\n".encode()


def test_an_argv_runs_without_a_shell(launcher: Launcher) -> None:
    """Words of an argv reach the program as they are."""
    assert output_of(launcher.spawn(("printf", "%s|", "a b", "$HOME", "*"), cwd=None, env={})) == b"a b|$HOME|*|"


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the platform has no pidfd")
def test_the_exit_is_something_to_wait_on(launcher: Launcher) -> None:
    """The exit descriptor is readable once the command has exited, and not before."""
    process = launcher.spawn("exec sleep 30", cwd=None, env={})
    process.watch_exit()
    assert process.exit_fd is not None
    assert select.select([process.exit_fd], [], [], 0)[0] == []
    process.signal_group(signal.SIGTERM)
    assert select.select([process.exit_fd], [], [], 10)[0] == [process.exit_fd]
    assert process.poll() == -signal.SIGTERM
    process.close()


@pytest.mark.parametrize(
    ("command", "cwd", "why"),
    [
        (("no-such-program-here",), None, "no such program 'no-such-program-here'"),
        (("/etc/passwd",), None, "'/etc/passwd' may not be executed"),
        ("true", "/no/such/place", "no such directory '/no/such/place'"),
        ("true", "/etc/passwd", "'/etc/passwd' is not a directory"),
        ("echo \0", None, "cannot be passed on (embedded null byte)"),
        (("true", "x" * 3_000_000), None, "longer than this system allows"),
    ],
)
def test_what_cannot_start_says_why(launcher: Launcher, command: Command, cwd: str | None, why: str) -> None:
    """A command that cannot be started is told in words for its user, and leaks no descriptor."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count of names
    with pytest.raises(SpawnError, match=r"^cannot start: ") as refused:
        launcher.spawn(command, cwd=cwd, env={})
    assert why in str(refused.value)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_signals_have_names() -> None:
    """Every signal has a name, the real-time ones too."""
    assert signal_name(9) == "SIGKILL"
    assert signal_name(signal.SIGRTMIN + 3) == "SIGRTMIN+3"
