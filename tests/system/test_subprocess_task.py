"""Work in a process of its own: its messages are heard, and however it ends is told."""

import errno
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from queuectl.errors import QueuectlError
from queuectl.integrity.doctor import examine
from queuectl.integrity.verify import verify
from queuectl.queue import Queue
from queuectl.store.store import Store
from queuectl.system import subprocess_task
from tests.waiting import wait_until

IMPORT = "from queuectl.system import subprocess_task as task"
RUN = "import sys; from queuectl.system.subprocess_task import run; run('verify', {'path': sys.argv[1]}, print)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue_many(["true"] * 3000)
    return tmp_path / "q"


def test_messages_are_heard_in_order(path: Path) -> None:
    """Each message arrives, and a task that came to its end has no other ending."""
    heard: list[subprocess_task.Message] = []
    assert subprocess_task.run("locate", {"path": str(path), "after": 2995}, heard.append) is None
    assert [each["position"] for each in heard] == [2996, 2997, 2998, 2999, 3000]


def test_a_signal_from_the_engine_is_an_ending(path: Path) -> None:
    """A process that the engine ends leaves what it said before, and the name of the signal."""
    with Store.open(path, create=False) as store, store.read() as txn:
        _, value = next(txn.scan("log", (2000).to_bytes(8, "big")))
    os.truncate(path / "data.mdb", (path / "data.mdb").read_bytes().rindex(value) // 4096 * 4096)
    heard: list[subprocess_task.Message] = []
    ending = subprocess_task.run("locate", {"path": str(path), "after": 0}, heard.append)
    assert ending is not None
    assert "SIGBUS" in ending.how
    assert ending.is_damage
    assert not heard or heard[-1]["position"] < 2000


def test_a_failure_is_an_ending(path: Path) -> None:
    """A task that fails is told in one line."""
    ending = subprocess_task.run("locate", {"path": 5, "after": 0}, lambda _: None)
    assert ending is not None
    assert ending.how.startswith("the process that looked at it failed (TypeError")
    assert "\n" not in ending.how
    assert ending.is_damage


def test_what_is_printed_is_no_message(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever prints while Python starts, a file of the machine's own among it, is not taken for a message."""
    (tmp_path / "sitecustomize.py").write_text("print('hello from the start'); import os; os.write(1, b'\\x2a')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    heard: list[subprocess_task.Message] = []
    assert subprocess_task.run("locate", {"path": str(path), "after": 2999}, heard.append) is None
    assert [each["position"] for each in heard] == [3000]
    assert verify(path).is_sound


@pytest.mark.parametrize("program", ["/bin/echo", "/bin/true", "/bin/false"])
def test_another_program_is_no_answer(path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Where a program that embeds Python is not one itself, what it does instead never reads as a sound queue."""
    monkeypatch.setattr(sys, "executable", program)
    ending = subprocess_task.run("locate", {"path": str(path), "after": 0}, lambda _: None)
    assert ending == (f"the process started for that, {program}, did not begin", False, 0)
    report = verify(path)
    assert not report.is_sound
    assert [(each.part, each.is_damage) for each in report.problems] == [("file", False)]


@pytest.mark.parametrize("program", [None, "", "/nonexistent/python"])
def test_no_program_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch, program: Any) -> None:
    """Where there can be no child that is said in one line, by whatever wants one."""
    monkeypatch.setattr(sys, "executable", program)
    for look in (verify, examine):
        with pytest.raises(QueuectlError, match="cannot start a process to look at the queue"):
            look(path)


@pytest.mark.parametrize(
    ("said", "how"),
    [
        ("os.write(0, task.pack(True) + task.pack(5))", "said something else"),
        ("os.write(0, task.pack(True) + b'\\xc1')", "said something else"),
        ("os.write(0, task.pack(True)); os._exit(0)", "ended before it was through"),
        ("os.write(0, task.pack(True)); os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        ("os.write(0, task.pack(True)); os.kill(os.getpid(), 15)", "was ended by SIGTERM"),
        ("os.write(0, task.pack(True)); raise MemoryError", "failed (MemoryError)"),
        ("os.kill(os.getpid(), 11)", "did not begin"),
    ],
)
def test_an_ending_that_is_not_of_the_queue(path: Path, monkeypatch: pytest.MonkeyPatch, said: str, how: str) -> None:
    """Killed from outside, out of memory, threads or words: none of it tells of the file, and it is no damage."""
    monkeypatch.setattr(
        subprocess_task, "_START", f"import os, sys; sys.path.insert(0, sys.argv.pop(1)); {IMPORT}; {said}"
    )
    ending = subprocess_task.run("locate", {"path": str(path), "after": 0}, lambda _: None)
    assert ending is not None
    assert how in ending.how
    assert not ending.is_damage


LIMITED = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import queuectl.integrity.verify_task
from queuectl.system import subprocess_task
from resource import *
setrlimit({limit}, ({most}, {most}))
subprocess_task.main()
"""


@pytest.mark.parametrize(
    ("limit", "most", "number", "how"),
    [
        ("RLIMIT_NOFILE", 4, errno.EMFILE, "Too many open files"),
        ("RLIMIT_AS", 100 << 20, errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_what_a_child_lacks_is_handed_over_as_a_number(
    path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, number: int, how: str
) -> None:
    """A child at a limit says at which, so that nobody has to guess it from what it printed: it is no damage."""
    monkeypatch.setattr(subprocess_task, "_START", LIMITED.format(limit=limit, most=most))
    ending = subprocess_task.run("locate", {"path": str(path), "after": 0}, lambda _: None)
    assert ending == (f"the process that looked at it failed ({how})", False, number)


def test_a_failure_that_only_reads_like_a_shortage_is_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words prove nothing: a row or a path may have any in it."""
    script = f"import os, sys; sys.path.insert(0, sys.argv.pop(1)); {IMPORT}; os.write(0, task.pack(True));"
    monkeypatch.setattr(subprocess_task, "_START", f"{script} raise ValueError('No space left on device')")
    ending = subprocess_task.run("locate", {"path": str(path), "after": 0}, lambda _: None)
    assert ending is not None
    assert ending.is_damage


def test_a_message_carries_any_number(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that is too large for msgpack, as a damaged key can be one, arrives as the largest."""
    send = "task._send(task.pack(True) + task._packed({'n': [2**80, -(2**80), 7]}) + task.pack(True))"
    monkeypatch.setattr(subprocess_task, "_START", f"import sys; sys.path.insert(0, sys.argv.pop(1)); {IMPORT}; {send}")
    heard: list[subprocess_task.Message] = []
    assert subprocess_task.run("locate", {"path": str(path), "after": 0}, heard.append) is None
    assert heard == [{"n": (2**63 - 1, 1 - 2**63, 7)}]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_child_does_not_outlive_its_parent(path: Path, ending: signal.Signals) -> None:
    """When the parent is interrupted or killed nothing goes on, though the child has nothing to say."""
    with Store.open(path, create=False) as store, store.write():  # which the child waits for
        words = [sys.executable, "-c", RUN, str(path)]
        null = subprocess.DEVNULL
        with subprocess.Popen(words, stdout=null, stderr=null, start_new_session=True) as parent:
            try:
                wait_until(lambda: len(_session(parent.pid)) >= 3)  # its child, and what that has look at the views
            finally:
                parent.send_signal(ending)
        wait_until(partial(_is_empty, parent.pid))


def _is_empty(leader: int) -> bool:
    return not _session(leader)


def _session(leader: int) -> list[int]:
    """Return the processes of a session."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if int((directory / "stat").read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(int(directory.name))
        except OSError:
            continue
    return found


def test_without_descriptors_it_says_which_limit(tmp_path: Path) -> None:
    """Wherever on the way to a child none is left, it is one error, and names what to raise."""
    script = (
        "import os, resource, sys\nfrom queuectl.errors import QueuectlError\n"
        "from queuectl.system import subprocess_task\n"
        "used = max(map(int, os.listdir('/proc/self/fd')))\n"
        "for more in range(1, 6):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (used + more, 4096))\n"
        "    try: subprocess_task.run('verify', {'path': sys.argv[1]}, lambda _: None)\n"
        "    except QueuectlError as error: print(more, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) > 2
    assert all(line.endswith("raise the limit on open files (`ulimit -n`)") for line in lines), done.stdout
