"""doctor: each thing that can be wrong is found, with the command that mends it; a sound queue has nothing."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import queuectl.store.directory
import queuectl.store.memory_map
from queuectl import JobRequest, Queue, Result
from queuectl.integrity import doctor
from queuectl.integrity.doctor import DIRECTORY_CHECKS, STORE_CHECKS, Finding, examine
from queuectl.liveness.lock_file import LockFile
from queuectl.projections import marks
from queuectl.store.store import Store, key_of
from queuectl.system.wakeup import Doorbell
from tests.clocks import FakeClock
from tests.waiting import wait_until

READER = """
import sys, time
from pathlib import Path
from queuectl.store.store import Store
with Store.open(Path(sys.argv[1]), create=False, read_only=True) as store, store.read():
    print("reading", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Queue.open(tmp_path / "q") as queue:
        queue.worker("w").complete(queue.worker("w").start(*_claimed(queue)))
    return tmp_path / "q"


def _claimed(queue: Queue) -> Any:
    queue.enqueue("true", id="a")
    return queue.worker("w").claim()


def here(path: Path) -> dict[str, Finding]:
    """Examine in this process, and give what is not well, by its check."""
    return {each["check"]: Finding(**each) for each in doctor.messages(str(path)) if each["state"] != "ok"}


@pytest.mark.slow
def test_a_sound_queue(path: Path) -> None:
    """Every check is made, and every one is well."""
    found = examine(path)
    assert [each.check for each in found] == [*DIRECTORY_CHECKS, "open", *STORE_CHECKS]
    assert {(each.state, each.do) for each in found} == {("ok", "")}


def test_the_page_has_every_check() -> None:
    """docs/verify.md says what each check finds, in the order in which they are made."""
    page = (Path(__file__).parents[2] / "docs" / "verify.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w ]+)` \|", page.partition("## doctor")[2], re.MULTILINE)
    assert rows == [*DIRECTORY_CHECKS, "open", *STORE_CHECKS]


def test_no_queue(tmp_path: Path) -> None:
    """Where there is none, it says how to make one, and makes none."""
    [found] = examine(tmp_path / "q")
    assert (found.check, found.state) == ("open", "problem")
    assert "queuectl enqueue" in found.do
    assert not (tmp_path / "q").exists()


@pytest.mark.parametrize("content", [b"", b"no database " * 1000], ids=["empty", "other"])
def test_a_file_that_is_no_store(path: Path, content: bytes) -> None:
    """A data file that cannot be opened is a finding, with what to type, and is left as it is."""
    (path / "data.mdb").write_bytes(content)
    [found] = [each for each in examine(path) if each.state != "ok"]
    assert (found.check, found.do) == ("open", "queuectl restore FILE")
    assert (path / "data.mdb").read_bytes() == content


def test_a_file_cut_short(path: Path) -> None:
    """It cannot be opened, and verify is what to type."""
    os.truncate(path / "data.mdb", (path / "data.mdb").stat().st_size // 2)
    assert examine(path)[-1].do == "queuectl verify"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", range(8))
def test_any_page_of_the_file_may_be_spoilt(path: Path, seed: int) -> None:
    """Whatever stands in the file, it answers with findings, though the engine ends its process."""
    file = bytearray((path / "data.mdb").read_bytes())
    at = len(file) * seed // 8
    file[at : at + 512] = bytes((seed * 37 + n * 11) % 256 for n in range(512))
    (path / "data.mdb").write_bytes(file)
    assert all(each.check and each.state in ("ok", "warning", "problem") for each in examine(path))


def test_a_newer_store(path: Path) -> None:
    """A store or views of a newer queuectl say so."""
    with Store.open(path, create=False) as store, store.write() as txn:
        txn.put("meta", b"views", b"99")
    assert here(path)["views"].do == "upgrade queuectl"
    with Store.open(path, create=False) as store, store.write() as txn:
        txn.put("meta", b"format", b"99")
    assert here(path)["open"].do == "upgrade queuectl"


@pytest.mark.parametrize(
    ("change", "check", "do"),
    [
        (lambda txn: txn.put("meta", b"views", b"1"), "views", "queuectl replay"),
        (lambda txn: marks.put(txn, marks.APPLIED, 1), "views", "queuectl replay"),
        (lambda txn: txn.shadow().put("jobs", key_of(1), b""), "replay", "queuectl replay"),
    ],
)
def test_views_that_are_behind_are_told(path: Path, change: Callable[[Any], None], check: str, do: str) -> None:
    """Views that are old, behind, or left half made are told."""
    with Store.open(path, create=False) as store, store.write() as txn:
        change(txn)
    assert here(path)[check].do == do


def test_views_of_an_older_release_are_not_read(path: Path) -> None:
    """Rows as an older release wrote them are told once, as what the next verb makes anew, and never as damage."""
    with Store.open(path, create=False) as store, store.write() as txn:
        txn.put("meta", b"views", b"3")
        for key, _ in list(txn.scan("jobs")):
            txn.put("jobs", key, b"\x90")
        txn.put("marks", b"applied", b"\x01")
    assert {name: finding.state for name, finding in here(path).items()} == {"views": "warning"}


def test_killed_readers(path: Path) -> None:
    """Slots of readers that were killed are freed, and that is all well then."""
    with Queue.open(path):  # the first to open it would make all slots anew
        reader = subprocess.Popen([sys.executable, "-c", READER, str(path)], stdout=subprocess.PIPE)
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reading\n"
        reader.kill()
        reader.communicate()
        [found] = [each for each in examine(path) if each.check == "readers"]
    assert (found.state, found.found) == ("ok", "freed 1 slots of readers that were killed")


def test_a_map_nearly_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four fifths of the map in use are told before it is full."""
    monkeypatch.setattr(queuectl.store.memory_map, "MAP_SIZE", int((path / "data.mdb").stat().st_size * 1.2))
    assert here(path)["map"].do.startswith("queuectl compact")


@pytest.mark.parametrize(("free", "state"), [(doctor.SCARCE_BYTES, "problem"), (doctor.LOW_BYTES, "warning")])
def test_a_disk_nearly_full(path: Path, free: int, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little free space is told while there is some."""
    real = os.statvfs(path)
    blocks = free // real.f_frsize - 1
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([*real[:4], blocks, *real[5:]]))
    assert here(path)["disk"].state == state


def test_a_network_file_system(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system whose locks cannot be relied on is told."""
    monkeypatch.setattr(doctor, "NETWORK", {queuectl.store.directory.filesystem_of(path)})
    assert here(path)["file system"].state == "problem"


def test_a_clock_behind_the_log(path: Path) -> None:
    """A log whose last event lies in the future is told, by how much, until when, and what waits; it mends itself."""
    clock = FakeClock(time.time_ns() // 1000 + 86_400_000_000)
    with Queue.open(path, clock=clock) as queue:
        queue.enqueue("true", delay_s=60)
    (found,) = [each for each in examine(path) if each.check == "clock"]
    assert (found.state, found.do) == ("ok", "")
    assert re.search(r"^the log's time is (1 day, 0:0|23:59:5).* ahead of this machine's clock", found.found)
    assert re.search(r"will have caught up at \d{4}-\d\d-\d\d .*\(1 jobs wait for their time\)", found.found)


@pytest.mark.parametrize(
    ("name", "mode"), [(".", 0o750), ("data.mdb", 0o644), ("lock.mdb", 0o660), ("data.mdb", 0o400)]
)
def test_wrong_permissions_are_told_and_mended_as_said(path: Path, name: str, mode: int) -> None:
    """What others may read or the owner may not write is told, and mended by the command that it names."""
    (path / name).chmod(mode)
    if mode == 0o400 and os.geteuid() != 0:
        pytest.skip("only root opens such a file")
    found = here(path)["permissions"]
    assert found.do.startswith("chmod ")
    subprocess.run(found.do, shell=True, check=True)
    assert here(path) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_of_somebody_else(path: Path) -> None:
    """A file that belongs to another user is told."""
    os.chown(path / "data.mdb", 65_534, -1)
    assert f"sudo chown -R 0 {path}" in here(path)["permissions"].do


def test_a_dead_worker_is_told_with_what_it_holds(path: Path) -> None:
    """A dead worker is told, and what it holds."""
    process = subprocess.Popen(["sleep", "60"])
    with Queue.open(path) as queue:
        for worker in ("idle", "busy"):
            queue.worker(worker).started(host=os.uname().nodename, pid=process.pid, slots=1)
        queue.enqueue("true")
        queue.worker("busy").claim()
    assert "workers" not in here(path)
    process.kill()
    process.wait()
    found = [each for each in examine(path) if each.check == "workers"]
    assert [(each.state, each.do) for each in found] == [
        ("problem", "queuectl worker start"),
        ("warning", "queuectl worker stop idle"),
    ]


def test_jobs_that_nobody_takes(path: Path) -> None:
    """Jobs in a queue from which no living worker takes are told, with the command for that queue."""
    with Queue.open(path) as queue:
        queue.enqueue("true", queue="slow")
        lock = LockFile(path, "w1", entries=1, lease_s=60)
        queue.worker("w1").started(host=os.uname().nodename, pid=os.getpid(), slots=1, queues=["fast"])
        assert here(path)["waiting"].do == "queuectl worker start --queue slow"
        queue.enqueue("true", queue="fast")
        assert "queue slow (1 job waits)" in here(path)["waiting"].found
        lock.close()


def test_a_job_of_tomorrow_waits_for_no_worker_yet(path: Path) -> None:
    """A job whose time is still to come is not told of, nor counted beside one that could run now."""
    with Queue.open(path) as queue:
        queue.enqueue("true", queue="slow", delay="1d")
        assert "waiting" not in here(path)
        queue.enqueue("true", queue="slow")
        assert "queue slow (1 job waits)" in here(path)["waiting"].found


@pytest.mark.parametrize(("count", "jitter", "is_herd"), [(150, 0, True), (150, 10, False), (99, 0, False)])
def test_retries_that_come_back_together(path: Path, count: int, jitter: int, is_herd: bool) -> None:
    """Many jobs that failed together and are due together are told of; spread out, fewer, or merely delayed are not."""
    with Queue.open(path) as queue:
        queue.admin.config_set("backoff_jitter", jitter)
        queue.enqueue_many([JobRequest("true", delay=3600)] * 200)
        queue.enqueue_many([JobRequest("false", backoff_base=1000)] * count)
        failing = queue.worker("w").exchange([], want=count, lease_s=60).claimed
        queue.worker("w").exchange(
            [Result(job, "failed", 1, error="exit code 1") for job in failing], want=0, lease_s=60
        )
    found = here(path).get("retries")
    assert (found is not None) == is_herd
    if found is not None:
        assert (found.found.split()[0], found.do) == ("150", "queuectl config set backoff_jitter 0.5")


def test_classes_of_jobs_that_wait_for_limits(path: Path) -> None:
    """Each claim looks at each pair of a queue and limits: more than 64 are told."""
    with Queue.open(path) as queue:
        queue.limits.set("api", running=1)
        queue.enqueue_many([JobRequest("true", queue=f"q{n}", use=["api"]) for n in range(64)])
        assert "limits" not in here(path)
        queue.enqueue("true", queue="more", use=["api"])
    assert here(path)["limits"].state == "warning"
    assert here(path)["limits"].found.startswith("jobs wait for limits in 65 pairs of a queue and plain limits")


def test_dead_letters(path: Path) -> None:
    """Jobs in the dead letter queue are told."""
    with Queue.open(path) as queue:
        queue.enqueue("false", max_retries=0)
        queue.worker("w").fail(queue.worker("w").start(*queue.worker("w").claim()), "exit code 1")
    assert here(path)["dead letters"].do == "queuectl dlq list"
    assert here(path)["dead letters"].found == "1 job is in the dead letter queue"


def test_a_shell_that_is_not_there(path: Path) -> None:
    """A configured shell whose program is not there is told; one that is, with options behind it, is not."""
    with Queue.open(path) as queue:
        queue.admin.config_set("shell", "sh -e")
        assert "shell" not in here(path)
        queue.admin.config_set("shell", "/no/such -x")
    assert "'/no/such'" in here(path)["shell"].found
    assert here(path)["shell"].do == "queuectl config unset shell"


def test_files_of_nobody_are_told_and_removed_and_no_others(path: Path) -> None:
    """Files of no job and no worker are told, and the command removes them and no others."""
    with Queue.open(path) as queue:
        kept = queue.worker("w").output_path(*_claimed_again(queue))
    lone = [path / "outputs" / "000000" / "999-1", path / "workers" / "gone.lock", path / "doorbells" / "gone.fifo"]
    for file in (kept, *lone):
        file.parent.mkdir(exist_ok=True, parents=True)
        file.touch()
    bell, lock = Doorbell(path, "there"), LockFile(path, "there", entries=1, lease_s=60)
    subprocess.run(here(path)["leftovers"].do, shell=True, check=True)
    assert [file.exists() for file in (kept, *lone)] == [True, False, False, False]
    assert "leftovers" not in here(path)
    bell.close()
    lock.close()


def _claimed_again(queue: Queue) -> Any:
    queue.enqueue("true", id="b")
    return queue.worker("w").claim()


def test_it_looks_while_others_work(path: Path) -> None:
    """It waits for nobody, and an interrupted one leaves nothing behind."""
    with Store.open(path, create=False) as store, store.write():
        assert {each.state for each in examine(path)} == {"ok"}
    child = subprocess.Popen([sys.executable, "-m", "queuectl", "--db", str(path), "doctor"], stdout=subprocess.DEVNULL)
    child.send_signal(signal.SIGINT)
    assert wait_until(lambda: child.poll() is not None)
