"""Who waits for a lock of the queue is told what for and who has it, after about a second, and once."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from queuectl.core.job_request import JobRequest
from queuectl.store.directory import REPLAY_LOCK, lock
from queuectl.system import lock_wait
from queuectl.system.processes import seen
from tests.cli.conftest import CommandLine
from tests.waiting import wait_until

HOLDING = """
import sys
from pathlib import Path
from queuectl.store import directory
from queuectl.store.store import REPLAY_LOCK, Store

path, what = Path(sys.argv[1]), sys.argv[2]
def hold():
    print("held", flush=True)
    sys.stdin.readline()
if what == "alone":
    with directory.alone(path, "look at"):
        hold()
else:
    with Store.open(path, create=False) as store, store.write() if what == "write" else store.sole(REPLAY_LOCK):
        hold()
"""

Hold = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def hold(cli: CommandLine) -> Iterator[Hold]:
    """Yield what starts a process that has a lock of the queue until it is given a line."""
    held: list[subprocess.Popen[str]] = []

    def start(what: str, *around: str) -> "subprocess.Popen[str]":
        words = [*around, sys.executable, "-c", HOLDING, str(cli.db), what]
        held.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert held[-1].stdout is not None
        assert held[-1].stdout.readline() == "held\n"
        return held[-1]

    yield start
    for process in held:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate(timeout=20)


@pytest.fixture
def made(cli: CommandLine) -> CommandLine:
    """Return the command line on a queue with a job."""
    cli("enqueue", "a", "true")
    return cli


def told(process: "subprocess.Popen[str]") -> str:
    """Return the next line that a process says to people."""
    assert process.stderr is not None
    return process.stderr.readline()


def freeze(process: "subprocess.Popen[str]") -> None:
    """Stop a process as Ctrl-Z or a frozen container does."""
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: (found := seen(process.pid)) is not None and found.is_stopped)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("lock", "verb", "what"),
    [
        ("write", ["enqueue", "b", "true", "--json"], "another process's write to"),
        ("write", ["cancel", "a", "--json"], "another process's write to"),
        ("write", ["worker", "start", "--drain"], "another process's write to"),
        ("alone", ["status", "--json"], "what puts another queue in the place of"),
        ("replay", ["verify", "--json"], "another process that makes anew or compares the views of"),
    ],
    ids=lambda each: each if isinstance(each, str) else each[0],
)
def test_who_waits_is_told_for_whom(made: CommandLine, hold: Hold, lock: str, verb: list[str], what: str) -> None:
    """One line on stderr names the lock and the process, which is stopped; then the verb ends as ever, with no more."""
    holder = hold(lock)
    freeze(holder)
    waiting = made.spawn(*verb)
    assert told(waiting).startswith(f"Waiting for {what} the queue at {made.db}: process {holder.pid} (")
    assert waiting.poll() is None
    holder.send_signal(signal.SIGCONT)
    holder.communicate("\n", timeout=20)
    out, err = waiting.communicate(timeout=20)
    assert (waiting.returncode, err) == (0, "")
    assert "Waiting" not in out


def is_held(path: Path) -> bool:
    """Whether somebody has a file locked."""
    if not path.exists():
        return False
    with lock(path, wait=False) as is_ours:
        return not is_ours


@pytest.mark.slow
def test_the_verb_of_who_is_waited_for_is_told(made: CommandLine) -> None:
    """Of a replay that is frozen half way the verb is told, that it is stopped, and how to have it go on."""
    with made.queue() as queue:
        queue.enqueue_many([JobRequest("true") for _ in range(10_000)])
    replay = made.spawn("replay", "--check")
    wait_until(lambda: is_held(made.db / REPLAY_LOCK))
    freeze(replay)
    assert is_held(made.db / REPLAY_LOCK), "it was done before it could be stopped"
    verify = made.spawn("verify")
    line = told(verify)
    assert f"process {replay.pid} (queuectl replay --check) has it, and is stopped" in line
    assert f"`kill -CONT {replay.pid}`" in line
    replay.send_signal(signal.SIGCONT)
    for process in (replay, verify):
        process.communicate(timeout=20)
        assert process.returncode == 0


def test_many_waits_for_one_process_are_told_once(made: CommandLine, hold: Hold) -> None:
    """Where each of many transactions waits for the same process, that is told of the first alone."""
    heard: list[str] = []
    waits = lock_wait._Waits(heard.append)
    holder = hold("write")
    with (made.db / "data.mdb").open("rb") as file:
        for _ in range(3):
            wait = lock_wait._Wait(file.fileno(), lock_wait.WRITE, made.db)
            with waits.noting(wait):
                waits._tell(wait)
    assert [f"process {holder.pid} (" in each for each in heard] == [True]


def test_a_short_wait_is_not_told(made: CommandLine) -> None:
    """Writers that wait for each other as ever say nothing, and neither does one that finds the lock free."""
    writers = [made.spawn("enqueue", f"job{n}", "true") for n in range(4)]
    assert [writer.communicate(timeout=20)[1] for writer in writers] == [""] * 4


CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def test_a_process_that_cannot_be_seen_is_not_named(made: CommandLine, hold: Hold) -> None:
    """From inside a container one outside is waited for without a process id: there it would be another's."""
    if subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to make pid namespaces (unshare)")
    holder = hold("write")
    words = [*CONTAINER, *made.words("enqueue", "b", "true")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        try:
            line = told(waiting)
            assert line.endswith("who has the lock cannot be seen from here\n")
            assert not re.search(r"process \d", line)
            holder.communicate("\n", timeout=20)
            assert waiting.wait(timeout=20) == 0
        finally:
            waiting.kill()


def test_a_process_in_a_container_is_named_as_it_is_seen_outside(made: CommandLine, hold: Hold) -> None:
    """From outside one in a container is told by the id that it has here, and not by its own."""
    if subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to make pid namespaces (unshare)")
    holder = hold("write", *CONTAINER)
    inner = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0]
    waiting = made.spawn("enqueue", "b", "true")
    assert f": process {inner} (" in told(waiting)
    holder.communicate("\n", timeout=20)
    waiting.communicate(timeout=20)
    assert waiting.returncode == 0
