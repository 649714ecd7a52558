"""The processes of our own beside a worker's commands: each is reaped where it was started, and nowhere else."""

import os
import signal
from contextlib import closing
from pathlib import Path

from queuectl import Queue
from queuectl.liveness.lock_file import LockFile
from queuectl.worker.guardian_process import Guard
from queuectl.worker.helper_process import Helper, unreaped
from queuectl.worker.snapshot_process import SnapshotMaker
from tests.waiting import wait_until


def start(*words: str) -> Helper:
    """Start one of these words, which says nothing."""
    helper = Helper("-I", "-S", "-c", *words)
    with Path(os.devnull).open("r+b", buffering=0) as null:
        helper.start((null.fileno(),) * 3)
    return helper


def test_a_helper_is_known_until_it_is_reaped() -> None:
    """Its id is on the list of those that are not reaped as long as it is, however it ended."""
    before = unreaped()
    helper = start("raise SystemExit(3)")
    assert unreaped() == before | {helper.pid}
    wait_until(helper.has_ended)
    assert (helper.has_failed, helper.pid, unreaped()) == (True, 0, before)


def test_a_helper_that_does_not_end_is_killed() -> None:
    """Whoever waits for one waits no longer than it said."""
    helper = start("import time; time.sleep(600)")
    pid = helper.pid
    helper.wait(patience_s=0)
    assert not Path(f"/proc/{pid}").exists()


def test_no_signal_is_sent_to_what_is_gone() -> None:
    """Where another part of the program has reaped it, nobody is signalled, and it counts as ended."""
    helper = start("")
    os.waitpid(helper.pid, 0)
    helper.send(signal.SIGKILL)
    helper.wait(patience_s=0)
    assert helper.pid == 0


def test_a_guardian_that_another_reaped_is_let_go_of(tmp_path: Path) -> None:
    """In a program that reaps every child a guardian's end costs its worker nothing, and the next one starts."""
    with closing(LockFile(tmp_path, "w1", entries=1, lease_s=9.0)):
        guard = Guard(tmp_path, "w1")
        for _ in range(2):
            before = unreaped()
            guard.start()
            [pid] = unreaped() - before
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            guard.close()
            assert not guard.is_there
            assert unreaped() == before


def test_a_maker_of_snapshots_is_forgotten_once_it_is_reaped(tmp_path: Path) -> None:
    """An orphan that gets a maker's process id later is an orphan like any other."""
    with Queue.open(tmp_path / "queue") as queue:
        queue.admin.config_set("snapshot_events", 1_000)
        queue.enqueue_many(["true"] * 1_000)
        maker = SnapshotMaker(queue)
        before = unreaped()
        maker.step(0.0)
        [pid] = unreaped() - before
        wait_until(lambda: maker.step(1.0) or pid not in unreaped(), timeout_s=60)
        assert not Path(f"/proc/{pid}").exists()
        assert not queue.admin.are_snapshots_due()
