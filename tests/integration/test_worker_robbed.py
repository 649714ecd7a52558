"""A worker in a program that reaps every child there is, and so takes from it how its commands ended."""

from pathlib import Path

from queuectl import Queue
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


def test_ends_that_another_took_are_found_or_told_as_unknown(tmp_path: Path) -> None:
    """No run hangs, nothing crashes, and no end is told as what it was not."""
    with Queue.open(tmp_path / "db", create=True) as queue:
        for number in range(20):
            queue.enqueue("exit 3" if number % 2 else "true", id=f"job{number}", max_retries=0)
        queue.enqueue("sleep 60", id="limited", timeout_s=0.3, max_retries=0)
        worker = LiveWorker(queue.path, prelude=REAPER, slots=3, drain=True)
        assert worker.exit_code(timeout_s=30) == 0, worker.said()
        for number in range(20):
            job = queue.job(f"job{number}")
            assert job.attempts == 1
            error = job.last.error if job.last else None
            right = ("dead", "exit code 3") if number % 2 else ("completed", None)
            assert (str(job.state), error) in {("dead", UNKNOWN), right}
        limited = queue.job("limited").last
        assert limited is not None
        assert limited.error == "timed out after 0.3 s"
