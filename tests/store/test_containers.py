"""Processes of two pid namespaces, as containers are, share a store though they have the same pid."""

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

import pytest

from queuectl import Queue
from queuectl.events.types import Failed
from queuectl.store.store import Store
from tests.waiting import wait_until

CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def _can_contain() -> bool:
    try:
        return subprocess.run([*CONTAINER, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not _can_contain(), reason="needs the right to make pid namespaces (unshare)")

Start = Callable[..., "Process"]


class Process:
    """A process that is the first of a pid namespace, so that its pid there is 1."""

    def __init__(self, *words: str) -> None:
        self.outer = subprocess.Popen(
            [*CONTAINER, sys.executable, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self.outer.stdout is not None
        return self.outer.stdout.readline().strip()

    def go_on(self) -> None:
        """Return it a line to read."""
        assert self.outer.stdin is not None
        self.outer.stdin.write("\n")
        self.outer.stdin.flush()

    def pid(self) -> int:
        """Return its pid out here."""
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        return int(wait_until(children.read_text))

    def kill(self) -> None:
        """Kill it, and wait for its end."""
        os.kill(self.pid(), SIGKILL)
        self.outer.wait(20)

    def end(self) -> str:
        """Close its input, and return what it still prints; it must end well."""
        out, err = self.outer.communicate(timeout=60)
        assert self.outer.returncode == 0, (self.outer.args, out, err)
        return out

    def tries_again_and_again(self) -> bool:
        """Whether it is opening a store, where it waits time and again, and has printed nothing."""
        seen = [self._pauses()]
        for _ in range(3):
            wait_until(lambda: self._pauses() > seen[-1])
            seen.append(self._pauses())
        return seen[0] >= 0 and not select.select([self.outer.stdout], [], [], 0)[0]

    def _pauses(self) -> int:
        """Return how often it has waited so far, -1 where it is not opening a store."""
        place = Path(f"/proc/{self.pid()}")
        with suppress(OSError):
            if any(fd.readlink().name == "open.lock" for fd in (place / "fd").iterdir()):
                return int((place / "status").read_text().split("voluntary_ctxt_switches:")[1].split()[0])
        return -1

    def is_blocked(self) -> bool:
        """Whether it waits for a lock on a whole file."""
        return any("->" in line and f" {self.pid()} " in line for line in Path("/proc/locks").read_text().splitlines())


@pytest.fixture
def start() -> Iterator[Start]:
    """Yield what starts a program in a container; whatever still runs is killed at the end."""
    started: list[Process] = []

    def begin(*words: str) -> Process:
        started.append(Process(*words))
        return started[-1]

    yield begin
    for process in started:
        process.outer.kill()
        process.outer.wait(20)
        for stream in (process.outer.stdin, process.outer.stdout, process.outer.stderr):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()


HEAD = "import sys; from pathlib import Path; from queuectl.store.store import Store; path = Path(sys.argv[1])\n"
READER = (
    HEAD
    + """
with Store.open(path, create=False) as store, store.read() as txn:
    print("reading", flush=True)
    sys.stdin.readline()
    print(bytes(txn.get("ids", b"n") or b"0").decode(), flush=True)
sys.stdin.readline()
"""
)
HOLDER = (
    HEAD
    + """
with Store.open(path, create=False) as store:
    with store.read():
        pass
    print("open", flush=True)
    sys.stdin.readline()
"""
)
COUNTER = (
    HEAD
    + """
with Store.open(path, create=False) as store:
    print("open", flush=True)
    sys.stdin.readline()
    with store.write() as txn:
        number = int(txn.get("ids", b"n") or b"0")
        print("writing", flush=True)
        sys.stdin.readline()
        txn.put("ids", b"n", b"%d" % (number + 1))
"""
)


def make(path: Path) -> Path:
    """Make a store there."""
    Store.open(path, create=True).close()
    return path


def number_in(path: Path) -> int:
    """Return what COUNTERs have counted."""
    with Store.open(path, create=False) as store, store.read() as txn:
        return int(txn.get("ids", b"n") or b"0")


def test_a_second_process_with_the_pid_reads_and_writes(tmp_path: Path, start: Start) -> None:
    """While one process has the store open and has read, another of its pid opens, reads and writes it."""
    path = make(tmp_path / "q")
    holder = start("-c", HOLDER, str(path))
    assert holder.line() == "open"
    second = start("-c", COUNTER, str(path))
    second.go_on()
    second.end()
    assert number_in(path) == 1
    holder.end()


def test_closing_leaves_the_readers_of_the_same_pid_alone(tmp_path: Path, start: Start) -> None:
    """LMDB frees every slot of its pid when it closes; a reader of that pid keeps its snapshot all the same."""
    path = make(tmp_path / "q")
    holder = start("-c", HOLDER, str(path))
    assert holder.line() == "open"
    reader = start("-c", READER, str(path))
    assert reader.line() == "reading"
    holder.end()
    with Store.open(path, create=False) as store:
        for number in range(20):  # pages that a reader without a slot would see written over
            with store.write() as txn:
                txn.put("ids", b"n", b"%d" % number)
                txn.put_many("jobs", [(b"%04d" % row, b"%d" % number * 500) for row in range(50)])
        assert _pids(store).count("1") == 1
    reader.go_on()
    assert reader.line() == "0"
    reader.end()


@pytest.mark.slow
def test_a_process_opens_once_one_of_its_pid_has_read(tmp_path: Path, start: Start) -> None:
    """Whoever opens while another process of its pid reads waits for the end of that read, and no longer."""
    path = make(tmp_path / "q")
    reader = start("-c", READER, str(path))
    assert reader.line() == "reading"
    second = start("-c", HOLDER, str(path))
    wait_until(second.tries_again_and_again)
    reader.go_on()
    assert reader.line() == "0"
    assert second.line() == "open"
    reader.end()
    second.end()


def _pids(store: Store) -> list[str]:
    lines = store._shared.opened.env.readers().splitlines()[1:]
    return [line.split()[0] for line in lines if line.strip()]


@pytest.mark.slow
def test_a_slot_left_by_a_killed_process_is_freed_by_the_next_of_its_pid(tmp_path: Path, start: Start) -> None:
    """LMDB takes slots of its own pid for alive: a restarted container frees what its predecessor left."""
    path = make(tmp_path / "q")
    reader = start("-c", READER, str(path))
    assert reader.line() == "reading"
    with Store.open(path, create=False) as store:
        reader.kill()
        assert _pids(store) == ["1"]
        second = start("-c", HOLDER, str(path))
        assert second.line() == "open"
        assert _pids(store) == []
        second.end()


HOUSEKEEPER = (
    HEAD
    + """
with Store.open(path, create=False) as store:
    print("open", flush=True)
    sys.stdin.readline()
    print(store.free_readers(), flush=True)
    with store.write() as txn:
        txn.put("ids", b"n", b"1")
"""
)


def test_a_slot_of_its_own_pid_is_freed_by_a_process_that_goes_on(tmp_path: Path, start: Start) -> None:
    """Housekeeping frees the slots of a killed process of the same pid, and the process reads and writes on."""
    path = make(tmp_path / "q")
    keeper = start("-c", HOUSEKEEPER, str(path))
    assert keeper.line() == "open"
    reader = start("-c", READER, str(path))
    assert reader.line() == "reading"
    reader.kill()
    keeper.go_on()
    assert keeper.line() == "1"
    keeper.end()
    assert number_in(path) == 1


@pytest.mark.slow
def test_slots_of_a_reader_of_the_same_pid_are_left_to_it(tmp_path: Path, start: Start) -> None:
    """Housekeeping frees no slot of a living reader, though it has this process's pid."""
    path = make(tmp_path / "q")
    keeper = start("-c", HOUSEKEEPER, str(path))
    assert keeper.line() == "open"
    reader = start("-c", READER, str(path))
    assert reader.line() == "reading"
    keeper.go_on()
    assert keeper.line() == "0"
    keeper.end()
    with Store.open(path, create=False) as store:
        assert _pids(store) == ["1"]
    reader.end()


@pytest.mark.slow
def test_a_killed_waiter_lets_no_second_writer_in(tmp_path: Path, start: Start) -> None:
    """Where a process is killed while it waits for a writer of its own pid and thread id, the next still waits.

    The kernel takes LMDB's mutex from the one that holds it, since the two have one name.
    """
    path = make(tmp_path / "q")
    first, second = start("-c", COUNTER, str(path)), start("-c", COUNTER, str(path))
    assert (first.line(), second.line()) == ("open", "open")
    first.go_on()
    assert first.line() == "writing"
    second.go_on()
    wait_until(second.is_blocked)
    second.kill()
    third = start("-c", COUNTER, str(path))
    third.go_on()
    third.go_on()
    wait_until(third.is_blocked)
    first.end()
    third.end()
    assert number_in(path) == 2


def test_workers_of_two_containers_share_the_work_and_recover(tmp_path: Path, start: Start) -> None:
    """Two workers with pid 1 run jobs beside verbs with pid 1; when one is killed, the other takes its job over.

    It takes some seconds: seven programs start. The lease is not waited for: what was process 1 is known to be gone.
    """
    words = ("-m", "queuectl", "--db", str(tmp_path / "q"))
    with Queue.open(tmp_path / "q") as queue:
        queue.admin.config_set("backoff_base", 1.0)
        workers = {process.line().split()[2]: process for process in [start(*words, "worker", "start") for _ in "ab"]}
        queue.enqueue(f"test -e {tmp_path}/again || sleep 100", id="lost")
        holder = wait_until(lambda: _holder_of(queue, "lost"))
        queue.enqueue("true", id="other")
        other = queue.wait("other", timeout_s=20)
        assert other.state == "completed"
        verbs = ("status", "doctor", "verify", "backup -", "enqueue third true")
        for started in [start(*words, *verb.split()) for verb in verbs]:
            started.end()
        (tmp_path / "again").touch()
        workers.pop(holder).kill()
        lost = queue.wait("lost", timeout_s=30)
        assert lost.state == "completed"
        [other_worker] = workers
        assert [each.actor for each in queue.history("lost") if isinstance(each.event, Failed)] == [other_worker]


def _holder_of(queue: Queue, job_id: str) -> str | None:
    job = queue.job(job_id)
    return job.lease.worker if job.lease is not None and job.state == "processing" else None
