"""Record docs/tour.md: a session as it went, in a temporary queue, on a terminal of its own.

python docs/tour.py            run every command, and write the page
python docs/tour.py FILE       the same, to another file

What varies (times, ids of workers, who) stands as it was; only the temporary directory gets a short
name. Stops where a command exits otherwise than it is expected to.
"""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
COLUMNS = 110
SHORT_NAME = "/tmp/tour"
SHELL = 'queuectl() { "$PYTHON" -P -m queuectl "$@"; }; '
"""How the shell finds queuectl in this source tree, and though it is not in the PATH."""


class Run(NamedTuple):
    """A command, and what it is expected to exit with."""

    command: str
    code: int = 0


TOUR: tuple[str | Run, ...] = (
    """\
# A tour

A session as it went, recorded by `make docs`: real commands in a temporary queue. `queuectl demo` runs
a shorter one on your machine. What each verb takes is in [cli.md](cli.md).""",
    "## From nothing",
    Run("queuectl"),
    "## Jobs",
    "A shell line under an id; one with options; one that fails at first; one as JSON, which will fail for good.",
    Run('queuectl enqueue hello "echo Hello World"'),
    Run('queuectl enqueue --id lines --command "seq 1 1000 | wc -l" --priority 10'),
    Run('queuectl enqueue flaky "test -e seen || { touch seen; echo not yet >&2; exit 75; }" --backoff-base 0.3'),
    Run(
        'queuectl enqueue \'{"id": "upload", "command": "echo no such host >&2; exit 1", '
        '"max_retries": 1, "backoff_base": 0.3}\''
    ),
    "An argument vector, run without a shell. A job that enqueues others. A file of commands. One for later.",
    Run('queuectl enqueue copy -- cp /etc/hostname "a name with spaces"'),
    Run("queuectl enqueue report 'for part in north south; do queuectl enqueue $part \"echo $part\"; done'"),
    Run("seq 1 3 | sed 's/^/sleep 0.0/' | queuectl enqueue --file - --lines --queue bulk"),
    Run("queuectl enqueue backup ./backup.sh --at 'tomorrow 2am' --reason 'before the move'"),
    "The same id twice is refused, and what was meant is told.",
    Run('queuectl enqueue hello "echo again"', 1),
    Run("queuectl lsit", 2),
    Run("queuectl status"),
    "## A worker",
    "Two commands at a time, until nothing is left; without `--drain` it would go on until Ctrl-C.",
    Run("queuectl cancel backup --reason 'not tonight'"),
    Run("queuectl worker start --count 2 --drain"),
    "## What became of them",
    Run("queuectl list"),
    Run("queuectl logs flaky"),
    Run("queuectl list --state dead --state cancelled --columns id,state,error"),
    Run("queuectl show uplaod", 1),
    "## A dead letter, mended and run again",
    Run("queuectl dlq list"),
    Run("queuectl edit upload --set 'command=echo connected' --reason 'the host moved'"),
    Run("queuectl dlq retry upload"),
    Run("queuectl worker start --drain"),
    "All of it is in the job's history, for ever: when, what, who, and why.",
    Run("queuectl history upload"),
    "A job knows whose run enqueued it.",
    Run("queuectl history --tree report"),
    Run("queuectl events --last 4"),
    "## The past",
    "What the queue was amid all this, after the event at position 40, and what a job was.",
    Run("queuectl status --as-of 40"),
    Run("queuectl show upload --as-of 40"),
    "## Trust",
    "Every view, built from the log again, is what it is; and the log is what was written.",
    Run("queuectl replay --check"),
    Run("queuectl verify --checkpoint checkpoint"),
    Run("queuectl enqueue more true"),
    Run("queuectl verify --against checkpoint --log-only"),
    "## A backup, and the queue again from it",
    Run("queuectl backup queue.tar.gz"),
    Run("QUEUECTL_DB=copy queuectl restore queue.tar.gz"),
    Run("QUEUECTL_DB=copy queuectl list --state pending"),
    "## Settings",
    Run("queuectl config set max_retries 5 --reason 'the network is bad'"),
    Run("queuectl config set max_retries many", 2),
    Run("queuectl history config"),
    "## Letting old events go",
    "Ended jobs leave the lists; their events go to an archive when you say so, and can still be asked for.",
    Run("queuectl clear --yes"),
    Run("queuectl compact --older-than 0s"),
    Run("queuectl history lines"),
    Run("queuectl verify --against checkpoint"),
    "## Is all well?",
    "One job waits, and nobody takes it: that is told, with what to type.",
    Run("queuectl doctor", 1),
)


def main(file: Path) -> int:
    """Run the tour and write the page; give the exit code."""
    with tempfile.TemporaryDirectory(prefix="queuectl-tour-") as name:
        try:
            page = "\n\n".join(_parts(Path(name).resolve()))
        except UnexpectedEnd as error:
            print(f"Error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130  # the page is as it was
    file.write_text(page + "\n", encoding="utf-8")
    print(f"wrote: {file}")
    return 0


class UnexpectedEnd(Exception):
    """A command exited otherwise than the tour says."""


def _parts(home: Path) -> Iterator[str]:
    shown: list[str] = []
    for step in TOUR:
        if isinstance(step, Run):
            shown.append(_session(step, home))
            continue
        if shown:
            yield _block(shown)
            shown = []
        yield step
    yield _block(shown)


def _block(shown: list[str]) -> str:
    return "```console\n" + "\n\n".join(shown) + "\n```"


def _session(step: Run, home: Path) -> str:
    """Run one command, and give what was on the terminal."""
    code, printed = _on_a_terminal(step.command, home)
    if code != step.code:
        raise UnexpectedEnd(f"`{step.command}` exited with {code}, not {step.code}:\n{printed}")
    rows = [f"$ {step.command}", *(row.rstrip() for row in printed.replace(str(home), SHORT_NAME).splitlines())]
    if code:
        rows.append(f"[exit code {code}]")
    return "\n".join(rows)


def _on_a_terminal(command: str, home: Path) -> tuple[int, str]:
    """Run a command where it sees a terminal that can do nothing but print."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    words = ["/bin/sh", "-c", SHELL + command]
    with subprocess.Popen(
        words, cwd=home, env=_environment(home), stdin=subprocess.DEVNULL, stdout=there, stderr=there
    ) as process:
        os.close(there)
        printed = b"".join(_read(here))
    os.close(here)
    return process.returncode, printed.decode().replace("\r\n", "\n")


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the last who had it open is gone
            return
        if not piece:
            return
        yield piece


def _environment(home: Path) -> dict[str, str]:
    command = home / "bin" / "queuectl"  # for the jobs that enqueue others
    if not command.exists():
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m queuectl "$@"\n')
        command.chmod(0o755)
    own = ("QUEUECTL_", "VIRTUAL_ENV")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return plain | {
        "PATH": f"{command.parent}:/usr/local/bin:/usr/bin:/bin",  # jobs take it along, and `show` tells it
        "PYTHON": sys.executable,
        "PYTHONPATH": str(HERE.parent),
        "QUEUECTL_DB": str(home / "queue"),
        "TERM": "dumb",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": str(COLUMNS),
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "tour.md"))
