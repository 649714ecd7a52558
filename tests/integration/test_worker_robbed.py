"""A worker in a program that does with its children what it likes: how commands ended is known all the same."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.liveness import lock_file
from queuectl.system.processes import look
from queuectl.worker.guardian_process import PATIENCE_S
from tests.lives import state_of
from tests.processes import is_alive, pid_in
from tests.waiting import wait_until
from tests.workers import LiveWorker, StartWorker

PROGRAMS = {
    "a thread that reaps": """
import os, threading, time
def reap():
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            time.sleep(0.001)
threading.Thread(target=reap, daemon=True).start()
""",
    "a handler that reaps": """
import os, signal
def reap(number, frame):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, reap)
""",
    "children ignored": "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "asyncio": """
import asyncio, sys, threading
async def watch():
    while True:
        child = await asyncio.create_subprocess_exec("sh", "-c", "exit 5")
        assert await child.wait() == 5
def run():
    with asyncio.Runner() as runner:
        runner.run(watch())
threading.Thread(target=run, daemon=True).start()
""",
    "multiprocessing": """
import multiprocessing, threading, time
def work():
    time.sleep(0.02)
def start():
    context = multiprocessing.get_context("fork")
    while True:
        children = [context.Process(target=work) for _ in range(2)]
        [child.start() for child in children]
        [child.join() for child in children]
        assert not any(child.exitcode for child in children)
        time.sleep(0.05)  # each fork waits for all threads of the queue
threading.Thread(target=start, daemon=True).start()
""",
}
UNKNOWN = "how it ended is not known: the process that waited for it was killed"


def parent_of_commands(worker: LiveWorker) -> int:
    """Return the id of the process that a worker's commands are children of."""
    for each in look().children[worker.process.pid]:
        if b"command_parent" in Path(f"/proc/{each.pid}/cmdline").read_bytes():
            return each.pid
    return 0


@pytest.mark.sampled(1)
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_every_end_is_known(queue: Queue, start: StartWorker, program: str) -> None:
    """Whatever else waits for children in the program, however brief the jobs: each end is told as it was."""
    commands = ["true", "exit 3", "kill -9 $$"]
    jobs = [{"command": commands[number % 3], "id": f"job{number}", "max_retries": 0} for number in range(120)]
    queue.enqueue_many(jobs)
    queue.enqueue("sleep 60", id="limited", timeout_s=0.3, max_retries=0)
    worker = start(prelude=program, slots=3, drain=True)
    assert worker.exit_code(timeout_s=100) == 0, worker.said()
    ends = [("completed", None), ("dead", "exit code 3"), ("dead", "killed by SIGKILL")]
    for number in range(120):
        job = queue.job(f"job{number}")
        assert (str(job.state), job.last.error if job.last else None, job.attempts) == (*ends[number % 3], 1)
    limited = queue.job("limited").last
    assert limited is not None
    assert limited.error == "timed out after 0.3 s"


def test_a_command_hears_of_its_children_where_the_program_does_not(queue: Queue, start: StartWorker) -> None:
    """That a program ignores how its children end is not passed on to commands, which wait for their own."""
    queue.enqueue("grep SigIgn /proc/self/status", id="a")
    worker = start(prelude=PROGRAMS["children ignored"], drain=True)
    assert worker.exit_code() == 0, worker.said()
    [run] = queue.runs("a")
    ignored = int(queue.output_bytes(run).split()[-1], 16)
    assert not ignored & (1 << (signal.SIGCHLD - 1) | 1 << (signal.SIGPIPE - 1))


def test_a_killed_parent_of_commands_is_replaced(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Where it is killed, what it had started is ended, fails as lost, and runs again under another."""
    queue.enqueue(f"echo $$ >> {tmp_path}/pids; [ -e {tmp_path}/go ] || exec sleep 60", id="a", backoff_base=0.01)
    worker = start(drain=True)
    pid = pid_in(tmp_path / "pids")
    os.kill(parent_of_commands(worker), signal.SIGKILL)
    (tmp_path / "go").touch()
    assert worker.exit_code() == 0, worker.said()
    assert not is_alive(pid)
    first, second = queue.runs("a")
    assert UNKNOWN in first.summary
    assert second.state == "completed"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_the_parent_of_commands_ends_with_its_worker(
    queue: Queue, start: StartWorker, tmp_path: Path, end: str
) -> None:
    """However the program ends, also where what it has forked goes on, nothing of ours does."""
    forking = f"""
import os, time
def fork():
    if not os.fork():
        open({str(tmp_path / "forked")!r}, "w").write(str(os.getpid()))
        time.sleep(60)
        os._exit(0)
import threading
threading.Timer(0.5, fork).start()
"""
    queue.enqueue(f"echo $$ > {tmp_path}/pid; exec sleep 60", id="a")
    worker = start(prelude=forking)
    pid, forked = pid_in(tmp_path / "pid"), pid_in(tmp_path / "forked")
    ours = [each.pid for each in look().children[worker.process.pid] if each.pid != forked]
    assert len(ours) == 2, "the guardian and the parent of commands"
    if end == "killed":
        worker.process.kill()
        worker.process.wait()
    else:
        worker.signal(signal.SIGTERM)
        worker.signal(signal.SIGINT)
        assert worker.exit_code(timeout_s=PATIENCE_S / 2) == 0  # it need not wait for its guardian in vain
    wait_until(lambda: not any(map(is_alive, [pid, *ours])))
    assert is_alive(forked)
    assert lock_file.workers(queue.path) == [] or not lock_file.is_held(queue.path, *lock_file.workers(queue.path))
    os.kill(forked, signal.SIGKILL)


def test_what_is_sent_to_all_of_a_unit_ends_no_parent_of_commands(
    queue: Queue, start: StartWorker, tmp_path: Path
) -> None:
    """Where a service manager sends TERM to all processes, running commands are waited for as ever."""
    queue.enqueue(f"echo $$ > {tmp_path}/pid; until [ -e {tmp_path}/go ]; do sleep 0.02; done", id="a")
    worker = start()
    pid_in(tmp_path / "pid")
    parent = parent_of_commands(worker)
    subprocess.run(["kill", "-TERM", str(parent), str(worker.process.pid)], check=True)
    wait_until(lambda: "stopping" in worker.said())
    (tmp_path / "go").touch()
    assert worker.exit_code() == 0
    assert state_of(queue, "a") == "completed"


HANDLER = """
import asyncio, functools, os, signal, sys, threading, time
from contextlib import nullcontext
from queuectl import Queue, StoreError, start_worker
from queuectl.store.store import Store

def start():
    try:
        print("exit code", start_worker(queue, drain=True, report=len))
    except StoreError as error:
        print(error)

class Program:
    def heed(self, number, frame):
        signal.signal(number, signal.SIG_IGN)
        start()
    def __call__(self, number, frame=None):
        (lambda: frame)()  # a variable that two functions share
        start()

def bound(first, *rest):
    start()

def thread(*_):
    threads.append(threading.Thread(target=start))
    threads[0].start()

threads = []
HANDLERS = {
    "any": lambda *_: start(),
    "method": Program().heed,
    "object": Program(),
    "partial": functools.partial(bound, "more"),
    "thread": thread,
}

async def looped():
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: (start(), done.set()))
    os.kill(os.getpid(), signal.SIGUSR1)
    await done.wait()

with Queue.open(sys.argv[1]) as queue, Store.open(queue.path, create=False) as store:
    if sys.argv[2] == "asyncio":
        asyncio.run(looped())
    else:
        signal.signal(signal.SIGUSR1, HANDLERS[sys.argv[2]])
        with getattr(store, sys.argv[3], nullcontext)():
            os.kill(os.getpid(), signal.SIGUSR1)
    for each in threads:
        each.join()
    start()
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize("interrupted", ["write", "read", "nothing"])
@pytest.mark.parametrize("handler", ["any", "method", "object", "partial"])
def test_a_worker_in_a_signal_handler_is_refused(queue: Queue, handler: str, interrupted: str) -> None:
    """Whatever it interrupts and however it is written: one line says so, nothing is left, and one after it works."""
    first = started_in(queue, handler, interrupted)
    assert f"cannot start a worker on {queue.path} in a signal handler" in first
    assert "have the handler set a flag" in first


@pytest.mark.parametrize("handler", ["thread", "asyncio"])
def test_a_worker_that_a_signal_leads_to_works(queue: Queue, handler: str) -> None:
    """In a thread that the handler starts, or where an event loop calls its own, nothing stands still for it."""
    assert started_in(queue, handler, "nothing") == "exit code 0"


def started_in(queue: Queue, handler: str, interrupted: str) -> str:
    """Start a worker in a handler, and one after it, which works; returns what became of the first."""
    queue.enqueue("true", id="a")
    words = [sys.executable, "-c", HANDLER, str(queue.path), handler, interrupted]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert second == "exit code 0"
    assert (state_of(queue, "a"), queue.job("a").attempts) == ("completed", 1)
    assert (queue.workers(), list((queue.path / "workers").iterdir())) == ([], [])
    return first
