"""Names in events that become parts of paths: whatever they say, nothing outside of a queue's directory is touched."""

import os
import subprocess
import sys
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.engine.engine import Engine
from queuectl.errors import JobNotFound, StoreError
from queuectl.events.types import RetentionApplied, WorkerStarted
from queuectl.integrity import doctor
from queuectl.liveness import lock_file
from queuectl.retention import archive
from queuectl.store.store import Store
from queuectl.system.files import is_file_name
from tests.clocks import FakeClock

OUTSIDE = "../../outside"
STRANGE = (OUTSIDE, "/outside", "a/b", "a\0b", "b" * 300, "ä" * 126, "", ".", "..", "\ud800")
LATER_S = 3600


@pytest.mark.parametrize("word", STRANGE)
def test_such_a_word_names_no_file(word: str) -> None:
    """A path, a directory, NUL, bytes that no name has, and more than fit beside the suffix are no name of a file."""
    assert not is_file_name(word, suffix=".lock")


@pytest.mark.parametrize("word", ["w1", "host-7-ab12", "..a", "ä" * 125, "b" * 250, "\udcff", "new\nline"])
def test_any_other_does(tmp_path: Path, word: str) -> None:
    """What is accepted can be made, and lies in the directory itself."""
    assert is_file_name(word, suffix=".lock")
    (tmp_path / f"{word}.lock").touch()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("worker", STRANGE)
def test_a_worker_that_no_file_can_be_named_after_has_no_lock_file(tmp_path: Path, worker: str) -> None:
    """Whatever its id is, it is answered that there is none, and nothing is raised."""
    assert lock_file.sighting_of(tmp_path, worker) is None
    assert lock_file.is_held(tmp_path, worker) is None
    assert lock_file.seize(tmp_path, worker) is None
    lock_file.remove(tmp_path, worker)
    assert list(tmp_path.iterdir()) == []


def lock_outside(path: Path, worker: str) -> Path:
    """Leave a lock file that nobody holds where the id of a worker would lead to as a path."""
    with closing(lock_file.LockFile(path, "w", entries=1, lease_s=60)):
        content = (path / "workers" / "w.lock").read_bytes()
    place = Path(lock_file.path_of(path, worker))
    place.write_bytes(content)
    return place


@pytest.mark.parametrize("worker", [OUTSIDE, "{}/outside"])
def test_a_worker_s_id_is_no_way_out(tmp_path: Path, worker: str) -> None:
    """A lock file elsewhere is none of a worker's whose id leads there: it is not read, held, locked or removed."""
    worker = worker.format(tmp_path)
    place = lock_outside(tmp_path / "queue" / "q", worker)
    path = tmp_path / "queue" / "q"
    assert (tmp_path / "queue" / "outside.lock", tmp_path / "outside.lock").count(place.resolve()) == 1
    assert lock_file.sighting_of(path, worker) is None
    assert lock_file.is_held(path, worker) is None
    assert lock_file.seize(path, worker) is None
    lock_file.remove(path, worker)
    assert place.exists()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("worker", [OUTSIDE, "/outside", "a/b", "ä" * 126, ".", ".."])
def test_a_worker_of_any_id_in_the_log_is_one_without_a_lock_file(
    tmp_path: Path, clock: FakeClock, worker: str
) -> None:
    """It is listed, found by doctor, and its jobs come back when their lease ends; no id ends who reads it."""
    path = tmp_path / "q"
    with Store.open(path, create=True) as store:
        engine = Engine(store, clock, "tester")
        with engine.unit() as unit:
            unit.append_named(f"worker:{worker}", lambda: (WorkerStarted(os.uname().nodename, 0, 1),))
    with Queue.open(path, clock=clock) as queue:
        queue.enqueue("true", id="job")
        with queue._engine.unit() as unit:
            unit.claim(worker, 1, lease_s=5)
        assert [info.id for info in queue.workers()] == [worker]
        clock.advance(LATER_S)
        assert [job.id for job in queue.worker(queue.actor).recover().jobs] == ["job"]
    assert {each.check for each in doctor.examine(path) if each.check == "open" and each.state != "ok"} == set()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("directory", ["../x", "/nowhere/x", "a\0b", "b" * 300, ".."])
def test_an_archive_s_directory_that_cannot_be_has_no_segments(tmp_path: Path, directory: str) -> None:
    """A directory that an event names and that is not there is one without segments, whatever it is called."""
    path = tmp_path / "home" / "q"
    with Queue.open(path) as queue:
        queue.enqueue("true", id="job")
        with queue._engine.unit() as unit:
            swept = RetentionApplied(1, 0, 1, 0, bytes(32), f"{directory}/000001-1-2.seg", bytes(32))
            unit.append_named("retention", lambda: (swept,))
        assert archive.found([path / directory]) == {}
        assert [each.position for each in queue.history("job")] == [1]
        with pytest.raises(JobNotFound):
            queue.history("never")
        with pytest.raises(StoreError, match="none that a directory") if "\0" in directory else nullcontext():
            queue.admin.backup(str(tmp_path / "backup"))
    assert {each.name for each in tmp_path.iterdir()} <= {"backup", "home"}
    assert [each.name for each in path.parent.iterdir()] == ["q"]


START = """
import socket, sys
socket.sethostname("a/b")
from queuectl.cli.main import main
sys.argv = ["queuectl", "--db", sys.argv[1], "worker", "start", "--drain"]
main()
"""


def test_a_worker_whose_own_id_no_file_can_have_does_not_start(tmp_path: Path) -> None:
    """On a host whose name is a path, it says so in one line, and claims nothing."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="job")
    words = ["unshare", "--uts", sys.executable, "-c", START, str(tmp_path / "q")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if done.stderr.startswith("unshare:"):
        pytest.skip(done.stderr)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("Error: worker id: found 'a/b-")
    assert done.stderr.count("\n") <= 2
    with Queue.open(tmp_path / "q") as queue:
        assert queue.job("job").attempts == 0
        assert queue.workers() == []
