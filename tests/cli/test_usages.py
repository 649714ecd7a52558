"""The usages that people type first, exactly as they type them, in a real shell."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import CommandLine


@pytest.fixture
def shell(tmp_path: Path) -> "Shell":
    """Return a shell where `queuectl` is a command and QUEUECTL_DB names a fresh queue."""
    command = tmp_path / "bin" / "queuectl"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m queuectl "$@"\n')
    command.chmod(0o755)
    return Shell(tmp_path)


class Shell:
    """Runs command lines as typed."""

    def __init__(self, home: Path) -> None:
        self._environment = os.environ | {
            "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "QUEUECTL_DB": str(home / "q"),
        }

    def __call__(self, line: str) -> str:
        """Run a line that must succeed and give what it printed."""
        done = subprocess.run(line, shell=True, env=self._environment, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout


@pytest.mark.slow
def test_as_typed(shell: Shell) -> None:
    """Each of the usages works as typed, in one session from an empty machine."""
    shell("queuectl config set backoff_base 0.1")
    assert shell('queuectl enqueue job1 "echo Hello World"') == "Enqueued job1\n"
    assert (
        shell('queuectl enqueue \'{"id":"bad1","command":"bash -c \\"exit 1\\"","max_retries":2}\'')
        == "Enqueued bad1\n"
    )
    assert shell('queuectl enqueue --id jobB --command "echo x" --priority 10') == "Enqueued jobB\n"
    assert shell('queuectl run "echo Hello World"').startswith("Enqueued ")
    shell("queuectl config unset backoff_base")
    printed = shell("queuectl worker start --count 2 --drain")
    assert printed.index("jobB: attempt 1") < printed.index("job1: attempt 1")
    assert printed.count("bad1: attempt") == 6
    assert re.search(r"completed +3\n", shell("queuectl status"))
    assert "bad1" in shell("queuectl list --state dead")
    assert "dead (1)" in shell("queuectl dlq list")
    assert shell("queuectl dlq retry bad1") == "Requeued bad1\n"
    assert shell("queuectl logs job1").endswith("Hello World\n")
    assert shell("queuectl clear") == "Cleared 3 completed jobs\n"
    assert shell("queuectl config set max_retries 5") == "max_retries = 5\n"
    assert shell("queuectl config set max_retries_default 5") == "max_retries = 5\n"
    assert shell("queuectl config set job_timeout_s 30") == "job_timeout_s = 30\n"
    assert shell("queuectl config get backoff_base") == "2\n"
    assert "max_retries" in shell("queuectl config show")
    assert "requeued" in shell("queuectl history bad1")
    assert "no differences" in shell("queuectl replay --check")


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["enqueue", "neg", "-x; echo"], ["enqueue", "--id", "neg", "--command", "-x; echo"]),
        (["enqueue", "--priority", "1", "neg", "--json of"], ["enqueue", "--id", "ID", "--command", "--json of"]),
        (["run", "-x"], ["run", "--command", "-x"]),
    ],
)
def test_a_command_that_begins_with_a_dash(cli: CommandLine, words: list[str], typed: list[str]) -> None:
    """It is taken for an option; the error says what to type, and that enqueues it."""
    told = cli(*words, code=2).stderr
    assert f"a command that begins with - is typed: queuectl {shlex.join(typed)}; try" in told
    assert cli.json(*typed)["command"] == typed[-1]
