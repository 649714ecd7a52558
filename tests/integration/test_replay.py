"""A replay beside processes that work, one that is interrupted, and two at once."""

import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from queuectl import JobRequest, Queue
from queuectl.store.store import REPLAY_LOCK, VIEW_TABLES, Row, Store
from tests.waiting import wait_until

JOBS = 30_000

ENQUEUER = """
import sys
from queuectl import JobRequest, Queue
with Queue.open(sys.argv[1]) as queue:
    while True:
        print(queue.enqueue("true", delay_s=0.2).id, flush=True)
        queue.enqueue_many([JobRequest("true", max_retries=0)] * 20)
"""

WORKER = """
import sys
from queuectl import Queue
with Queue.open(sys.argv[1]) as queue:
    worker = queue.worker("w" + sys.argv[1][-1])
    while True:
        first, *others = worker.claim(5, lease_s=60)
        worker.fail(worker.start(first), "exit code 1", return_code=1)
        print(len(worker.complete_many(others)), flush=True)
        queue.clear(all=True)
"""

REPLAY = [sys.executable, "-m", "queuectl", "--db"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a queue lies whose replay takes a moment."""
    with Queue.open(tmp_path / "queue") as queue:
        queue.enqueue_many([JobRequest("true", f"job{n}", priority=n % 3) for n in range(JOBS)])
        queue.worker("w1").complete_many(queue.worker("w1").claim(1000))
    return queue.path


def views(path: Path, *, live: bool) -> dict[str, list[Row]]:
    """Return every row of one set of views."""
    with Store.open(path, create=False) as store, store.read() as txn:
        chosen = txn if live else txn.shadow()
        return {table: list(chosen.scan(table)) for table in VIEW_TABLES}


@pytest.mark.slow
def test_a_replay_while_other_processes_work(path: Path, tmp_path: Path) -> None:
    """With two processes that change everything all the time, no replay finds a difference, and nothing is lost."""
    with ExitStack() as stack:
        for name, script in (("enqueued", ENQUEUER), ("worked", WORKER)):
            said = stack.enter_context((tmp_path / name).open("wb"))
            process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=said)
            stack.callback(process.wait)
            stack.callback(process.kill)
        wait_until(lambda: (tmp_path / "enqueued").stat().st_size and (tmp_path / "worked").stat().st_size)
        with Queue.open(path) as queue:
            heads = [queue.log.head()]
            for check in (True, False, False, True):
                assert queue.admin.replay(check=check).differences == []
                heads.append(queue.log.head())
        assert heads == sorted(set(heads))  # they went on all the while
    acknowledged = (tmp_path / "enqueued").read_text().rpartition("\n")[0].split()
    with Queue.open(path) as queue:
        assert queue.admin.replay(check=True).differences == []
        assert {queue.history(job_id)[0].position > 0 for job_id in acknowledged} == {True}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_replay_leaves_the_views_alone(path: Path, number: signal.Signals) -> None:
    """Ctrl-C or kill -9 while the shadow is being filled leaves the live views alone, and the next one works."""
    before = views(path, live=True)
    process = subprocess.Popen([*REPLAY, str(path), "replay"], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    with Store.open(path, create=False) as store:

        def has_begun() -> bool:
            with store.read() as txn:
                return txn.shadow().count("jobs") > 0 or process.poll() is not None

        wait_until(has_begun)
    process.send_signal(number)
    printed, said = process.communicate(timeout=30)
    if number == signal.SIGINT:
        assert (process.returncode, printed, b"Traceback" in said) == (130, b"", False)
        assert b"events replayed; the views are as they were" in said
        assert not any(views(path, live=False).values())
    else:
        assert process.returncode == -signal.SIGKILL
    assert views(path, live=True) == before
    with Queue.open(path) as queue:
        assert queue.admin.replay().differences == []
    assert views(path, live=True) == before
    assert not any(views(path, live=False).values())


@pytest.mark.slow
def test_a_replay_beside_another_process_is_refused(path: Path) -> None:
    """A second replay exits 1 and says what to do; it never waits, and works once the first has ended."""
    with Store.open(path, create=False) as store, store.sole(REPLAY_LOCK):
        refused = subprocess.run([*REPLAY, str(path), "replay", "--check"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "another replay is at work; let it end, then try again" in refused.stderr
    assert subprocess.run([*REPLAY, str(path), "replay", "--check"], stdout=subprocess.PIPE, check=True).stdout
