"""Commands as processes: real ones, started and signalled."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.events.types import Command
from queuectl.outputs.frames import STDOUT
from queuectl.worker import posix_spawn
from queuectl.worker.launcher import Launcher
from queuectl.worker.process import Process, signal_name
from queuectl.worker.start_errors import SpawnError
from tests.waiting import wait_until


@pytest.fixture(params=[True, False], ids=["of the worker", "of another process"])
def launcher(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    """Start commands as children of this process, or of the parent of commands."""
    base = {b"PATH": os.environb[b"PATH"], b"OWN": b"worker", b"SHARED": b"worker"}
    made = Launcher(base, is_sole=request.param)
    yield made
    made.close()


def started(launcher: Launcher, command: Command, *, cwd: str | None = None, env: dict[str, str]) -> Process:
    """Start a command."""
    return launcher.spawn(launcher.prepare(command, cwd=cwd, env=env))


def output_of(process: Process) -> bytes:
    """Wait for the end and give what was printed."""
    printed: list[bytes] = []
    wait_until(lambda: process.exit_status() is not None)
    while data := process.read(STDOUT):
        printed.append(data)
    process.close()
    return b"".join(printed)


def test_a_command_leads_a_group_and_session_of_its_own(launcher: Launcher) -> None:
    """A signal to a command's group reaches the command and never its worker."""
    process = started(launcher, "exec sleep 30", cwd=None, env={})
    assert os.getpgid(process.pid) == os.getsid(process.pid) == process.pid
    assert process.signal_group(signal.SIGKILL)
    wait_until(lambda: process.exit_status() == -signal.SIGKILL)
    assert process.signal_group(0), "the number is the command's until it is let go of"
    process.close()
    wait_until(lambda: not process.signal_group(0))


def test_the_job_s_environment_lies_over_the_worker_s(launcher: Launcher) -> None:
    """A command sees the worker's variables, and its job's where both have one."""
    process = started(launcher, 'echo "$OWN $SHARED $MORE"', cwd=None, env={"SHARED": "job", "MORE": "ü"})
    assert output_of(process) == "worker job ü\n".encode()


def test_a_command_reads_nothing(launcher: Launcher) -> None:
    """Standard input is empty: a command that reads does not wait for a terminal."""
    assert output_of(started(launcher, "cat; echo done", cwd=None, env={})) == b"done\n"


@pytest.fixture(params=["as this system can", "descriptor by descriptor"])
def closing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what a command is not to get closed in each of the ways there are."""
    if request.param == "descriptor by descriptor":
        monkeypatch.setattr(posix_spawn, "_closes_all", False)
        monkeypatch.setattr(posix_spawn, "_add_close_from", None)
    posix_spawn._actions.cache_clear()


@pytest.mark.usefixtures("closing")
def test_a_command_holds_three_descriptors(launcher: Launcher, tmp_path: Path) -> None:
    """Whatever its worker has open, and was given open by its own parent, a command gets 0, 1 and 2 alone."""
    with (tmp_path / "foreign").open("w") as foreign:
        for number in (foreign.fileno(), 250):
            os.dup2(foreign.fileno(), number, inheritable=True)
        try:
            # A shell's glob is read before anything is opened for it; 3 and above would be of ours.
            printed = output_of(started(launcher, "for fd in /proc/$$/fd/*; do readlink $fd; done", env={})).split()
        finally:
            os.close(250)
    assert printed[0] == b"/dev/null"
    assert [each.partition(b":")[0] for each in printed[1:]] == [b"pipe", b"pipe"]


def test_a_command_runs_where_its_job_says(launcher: Launcher, tmp_path: Path) -> None:
    """The working directory is the job's."""
    assert output_of(started(launcher, ("pwd",), cwd=str(tmp_path), env={})) == f"{tmp_path}\n".encode()


def test_an_argv_runs_without_a_shell(launcher: Launcher) -> None:
    """Words of an argv reach the program as they are."""
    assert output_of(started(launcher, ("printf", "%s|", "a b", "$HOME", "*"), cwd=None, env={})) == b"a b|$HOME|*|"


def test_an_exit_is_waited_for_and_left_to_be_collected(launcher: Launcher) -> None:
    """Who waits learns whether all went well, also behind one who collected the exit, and leaves it to others."""
    for command, is_well in (("exit 0", True), ("exit 3", False), ("kill -9 $$", False)):
        process = started(launcher, command, env={})
        assert process.wait() is is_well
        assert process.signal_group(0)
        assert (process.exit_status() == 0) is is_well
        process.close()
        assert process.wait() in (False, is_well), "not known any more, where it was a child of this process"


@pytest.mark.parametrize(
    ("command", "cwd", "why", "code"),
    [
        (("no-such-program-here",), None, "no such program 'no-such-program-here'", 127),
        (("/no/such/program",), None, "no such program '/no/such/program'", 127),
        (("/etc/passwd",), None, "'/etc/passwd' may not be executed", 126),
        (("/tmp",), None, "'/tmp' may not be executed", 126),
        ("true", "/no/such/place", "no such directory '/no/such/place'", 126),
        ("true", "/etc/passwd", "'/etc/passwd' is not a directory", 126),
        ("echo \0", None, "cannot be passed on (embedded null byte)", 126),
        (("true", "x" * 3_000_000), None, "longer than this system allows", 126),
    ],
)
def test_what_cannot_start_says_why(launcher: Launcher, command: Command, cwd: str | None, why: str, code: int) -> None:
    """A command that cannot be started is told in words for its user, with a shell's code, and leaks no descriptor."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count of names
    with pytest.raises(SpawnError, match=r"^cannot start: ") as refused:
        started(launcher, command, cwd=cwd, env={})
    assert why in str(refused.value)
    assert refused.value.code == code
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_signals_have_names() -> None:
    """Every signal has a name, the real-time ones too."""
    assert signal_name(9) == "SIGKILL"
    assert signal_name(signal.SIGRTMIN + 3) == "SIGRTMIN+3"
