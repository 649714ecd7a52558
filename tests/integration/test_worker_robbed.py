"""A worker in a program that reaps every child there is, and so takes from it how its commands ended."""

import os
import subprocess
from pathlib import Path

from queuectl import Queue
from queuectl.processes import handle_of
from queuectl.worker.libc import exit_by
from tests.worker.live import LiveWorker

REAPER = """
import os, threading, time
def reap():
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            time.sleep(0.001)
threading.Thread(target=reap, daemon=True).start()
"""
UNKNOWN = "how it ended is not known: this program reaps every child"


def _tells_of_the_reaped() -> bool:
    """Whether this kernel says by a handle how a process ended that was reaped."""
    child = subprocess.Popen(["sh", "-c", "read line; exit 3"], stdin=subprocess.PIPE)
    handle = handle_of(child.pid)
    child.communicate(b"\n")
    try:
        return exit_by(handle) == 3
    finally:
        if handle >= 0:
            os.close(handle)


def test_ends_that_another_took_are_found_or_told_as_unknown(tmp_path: Path) -> None:
    """No run hangs, nothing crashes, and no end is told as what it was not; each is told where the kernel does."""
    unknown = set() if _tells_of_the_reaped() else {("dead", UNKNOWN)}
    with Queue.open(tmp_path / "db", create=True) as queue:
        for number in range(20):
            queue.enqueue("sleep 0.2; exit 3" if number % 2 else "sleep 0.2", id=f"job{number}", max_retries=0)
        queue.enqueue("sleep 60", id="limited", timeout_s=0.3, max_retries=0)
        worker = LiveWorker(queue.path, prelude=REAPER, slots=3, drain=True)
        assert worker.exit_code(timeout_s=30) == 0, worker.said()
        for number in range(20):
            job = queue.job(f"job{number}")
            assert job.attempts == 1
            error = job.last.error if job.last else None
            right = ("dead", "exit code 3") if number % 2 else ("completed", None)
            assert (str(job.state), error) in {right} | unknown
        is_robbed = any(job.last and job.last.error == UNKNOWN for job in queue.jobs())
        assert worker.said().count("this program reaps every child, so how") == is_robbed
        limited = queue.job("limited").last
        assert limited is not None
        assert limited.error == "timed out after 0.3 s"


def test_a_worker_warns_once_that_ends_are_taken(tmp_path: Path) -> None:
    """Brief jobs may be reaped before the worker has a handle of them: what it cannot know it says, once."""
    with Queue.open(tmp_path / "db", create=True) as queue:
        queue.enqueue_many([{"command": "true", "max_retries": 0}] * 40)
        worker = LiveWorker(queue.path, prelude=REAPER, slots=3, drain=True)
        assert worker.exit_code(timeout_s=30) == 0, worker.said()
        is_robbed = any(job.last and job.last.error == UNKNOWN for job in queue.jobs())
        assert worker.said().count("this program reaps every child, so how") == is_robbed
