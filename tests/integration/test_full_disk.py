"""A disk that fills up: what was acknowledged is kept, what was not is as if it had never been asked for."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from queuectl import JobRequest, Queue
from queuectl.errors import WriteFailed
from queuectl.system.disk_space import is_out_of_room, no_room_by
from tests.lives import running, state_of
from tests.processes import is_alive, pid_in
from tests.waiting import wait_until
from tests.workers import StartWorker

FULL = 600_000
"""Where the file may not grow beyond: a few hundred jobs."""

HINT = " space, then try again"

WRITER = """
import resource, sys
from queuectl import JobRequest, Queue, StoreError

def refused(do):
    try:
        do()
    except StoreError as error:
        print(error, file=sys.stderr)
    else:
        sys.exit("it was not refused")

def fill(queue, batch):
    while True:
        for job_id in queue.enqueue_many([JobRequest("x" * 1000)] * batch).ids:
            print(job_id, flush=True)

with Queue.open(sys.argv[1]) as queue:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    refused(lambda: fill(queue, int(sys.argv[3])))
    head = queue.log.head()
    refused(lambda: queue.enqueue_many([JobRequest("x" * 1000)] * 200))
    assert queue.log.head() == head == queue.status().head
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for job_id in queue.enqueue_many([JobRequest("x" * 1000)] * 200).ids:
        print(job_id, flush=True)
    assert queue.log.head() == head + 200
    assert queue.admin.replay(check=True).differences == []
"""


@pytest.mark.parametrize("batch", [1, 50, 5000])
def test_a_full_disk_costs_nothing_that_was_acknowledged(tmp_path: Path, batch: int) -> None:
    """Every acknowledged job is there and no other; refused in one line; with room again the process goes on."""
    path = tmp_path / "queue"
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(path), str(FULL), str(batch)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    refusals = done.stderr.splitlines()
    assert [line.startswith(f"cannot write to the queue at {path}: ") for line in refusals] == [True] * 2
    assert [HINT in line for line in refusals] == [True] * 2
    with Queue.open(path, create=False) as queue:
        acknowledged = done.stdout.split()
        assert [job.id for job in queue.jobs()][::-1] == acknowledged
        assert (len(acknowledged) > 200) == (batch < 5000)
        assert queue.admin.replay(check=True).differences == []
        assert queue.enqueue("true").version == len(acknowledged) + 1


REPLAYER = """
import resource, sys
from queuectl import Queue, StoreError
with Queue.open(sys.argv[1]) as queue:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        queue.admin.replay()
    except StoreError as error:
        sys.exit(str(error))
"""


def test_a_replay_for_which_there_is_no_room_harms_nothing(queue: Queue) -> None:
    """A replay that fills the disk is refused, the live views stay, and one with room works."""
    queue.enqueue_many([JobRequest("true", f"job{n}") for n in range(5000)])
    queue.worker("w1").complete(running(queue))
    jobs, room = queue.jobs(), (queue.path / "data.mdb").stat().st_size + 4096
    queue.close()
    done = subprocess.run(
        [sys.executable, "-c", REPLAYER, str(queue.path), str(room)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert HINT in done.stderr
    with Queue.open(queue.path) as again:
        assert again.jobs() == jobs
        assert again.admin.replay().differences == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_quotas_and_size_limits_are_want_of_room(tmp_path: Path, code: int) -> None:
    """Whatever keeps a file from growing is no fault of the disk; an input/output error where there is room is one."""
    assert is_out_of_room(tmp_path, code)
    assert not is_out_of_room(tmp_path, errno.EIO)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_is_called_the_same_however_the_system_puts_it(tmp_path: Path, code: int) -> None:
    """LMDB tells of a write that was cut short as of a disk that failed: the line is that of a full disk."""
    assert no_room_by(code) == "no space left on the disk"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of its own for a queue."""
    path = tmp_path / "queue"
    path.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system of its own can only be mounted by root, outside of most containers")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def say(disk: Path, *words: str, code: int) -> str:
    """Run a verb in a process of its own, and return what it said."""
    command = [sys.executable, "-m", "queuectl", "--db", str(disk), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def fill_to_the_last_page(disk: Path) -> Path:
    """Fill a disk, and return the file whose end makes room again."""
    filler = disk / "outputs" / "filler"
    filler.parent.mkdir(exist_ok=True)
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)) == 4096:
            pass
    return filler


def test_verify_on_a_full_disk_asks_for_room_and_not_for_a_backup(disk: Path) -> None:
    """The log is checked and the views, which take room, are not: that is said with what to do, which then helps."""
    with Queue.open(disk) as queue:
        queue.enqueue_many(["true"] * 3000)
    filler = fill_to_the_last_page(disk)
    said = say(disk, "verify", code=1)
    assert "views  could not be looked at" in said
    assert "no space left on the disk" in said
    assert said.count("free some disk space, then try again") == 1
    assert "Found 1 problem; nothing is known to be damaged" in said
    assert "more memory" not in said
    assert not [advised for advised in ("restore", "replay") if advised in said]
    [problem] = json.loads(say(disk, "verify", "--json", code=1))["problems"]
    assert (problem["part"], problem["is_damage"]) == ("views", False)
    assert "Sound, up to position 3000" in say(disk, "verify", "--log-only", code=0)
    filler.unlink()
    assert "Sound, up to position 3000" in say(disk, "verify", code=0)


@pytest.mark.parametrize("verb", ["verify", "doctor"])
def test_a_lock_file_without_room_is_no_damage(disk: Path, verb: str) -> None:
    """The engine's lock file, made anew on a full disk, has no pages to be written to: the kernel ends who tries."""
    with Queue.open(disk) as queue:
        queue.enqueue("true")
    (disk / "lock.mdb").unlink()
    filler = fill_to_the_last_page(disk)
    said = say(disk, verb, code=1)
    assert "could not be looked at" in said
    assert not [advised for advised in ("restore", "queuectl replay", "queuectl verify") if advised in said]
    filler.unlink()
    assert "Sound" in say(disk, "verify", code=0)


NO_ROOM = "no space left on the disk; "


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "replay --until 19000 --into {disk}/new",
            "cannot make the queue {disk}/new: " + NO_ROOM + "nothing was made; free",
        ),
        (
            "list --as-of 19000",
            "cannot make the views of position 19000 among temporary files: " + NO_ROOM + "the queue is",
        ),
        ("--db {disk}/new import {file}", "cannot import {file}: " + NO_ROOM + "nothing was imported; free"),
    ],
    ids=["replay --into", "--as-of", "import"],
)
def test_what_found_no_room_is_called_as_it_was_typed(disk: Path, tmp_path: Path, words: str, told: str) -> None:
    """No directory that nobody named is in the message; the one that is wanted is, and nothing is left behind."""
    path, file = tmp_path / "long", tmp_path / "export"
    with Queue.open(path) as queue:
        queue.enqueue_many(["true"] * 20_000)
        with file.open("wb") as sink:
            queue.admin.export(sink.write)
    filler = disk / "filler"
    filler.write_bytes(bytes(3_500_000))
    typed = [word.format(disk=disk, file=file) for word in words.split()]
    command = [sys.executable, "-m", "queuectl", *([] if typed[0] == "--db" else ["--db", str(path)]), *typed]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | {"TMPDIR": str(disk)}
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: " + told.format(disk=disk, file=file))
    assert done.stderr.count("\n") == 1
    assert [each.name for each in disk.iterdir()] == ["filler"]


@contextmanager
def filled(queue: Queue) -> Iterator[None]:
    """Fill a queue's disk to its last page, and what is free within its file, for a while."""
    filler = queue.path / "workers" / "filler"
    with queue._store.read():  # which holds what a commit frees
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)) == 4096:
                pass
        with pytest.raises(WriteFailed, match="no space left on the disk;") as refusal:
            beat_for_ever(queue)
        assert refusal.value.is_full
        yield
    os.truncate(filler, 0)


def beat_for_ever(queue: Queue) -> None:
    """Write something, again and again."""
    while True:
        queue.worker("filler").heartbeat()


@pytest.fixture
def worked(disk: Path) -> Path:
    return disk


@pytest.mark.slow
def test_a_worker_waits_for_room_and_then_records_what_ended(disk: Path, tmp_path: Path, start: StartWorker) -> None:
    """On a full disk a run goes on and ends, its job is nobody else's, and with room its end is recorded, once."""
    with Queue.open(disk) as queue:
        wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
        queue.enqueue(f"echo $$ >> {tmp_path}/pids; {wait}; exit 3", id="a", max_retries=0)
        queue.enqueue(f"echo $$ > {tmp_path}/long; {wait}; sleep 0.5; exit 3", id="b", timeout_s=3)
        worker = start(slots=3, lease_s=1)
        ends = pid_in(tmp_path / "pids"), pid_in(tmp_path / "long")
        with filled(queue):
            (tmp_path / "go").touch()
            wait_until(lambda: "no space left" in worker.said())
            wait_until(lambda: not any(map(is_alive, ends)))
            lease = queue.job("a").lease
            assert lease is not None
            wait_until(lambda: queue.ui.now_us() > lease.expires_at_us + 1_000_000)
            assert queue.worker(queue.actor).recover().jobs == []
            assert (state_of(queue, "a"), state_of(queue, "b")) == ("processing", "processing")
        wait_until(lambda: state_of(queue, "a") == "dead")
        wait_until(lambda: "has room again" in worker.said())
        queue.enqueue("true", id="c")
        wait_until(lambda: state_of(queue, "c") == "completed")
        assert queue.job("a").attempts == 1
        assert (tmp_path / "pids").read_text().count("\n") == 1
        assert (worker.said().count("no space left"), worker.said().count("has room again")) == (1, 1)
        worker.signal(signal.SIGTERM)
        assert worker.exit_code() == 0
        assert queue.admin.replay(check=True).differences == []


def test_output_that_found_no_room_is_not_put_down_to_the_limit(disk: Path, start: StartWorker) -> None:
    """Of a run whose output filled the disk it is said what kept it from being kept, wherever the cut is told."""
    with Queue.open(disk) as queue:
        queue.enqueue("head -c 5000000 /dev/zero; echo end; exit 3", id="a", max_retries=0)
        filler = disk / "filler"
        filler.write_bytes(bytes(2_000_000))
        worker = start()
        wait_until(lambda: "no space left" in worker.said() or state_of(queue, "a") == "dead")
        filler.unlink()
        wait_until(lambda: state_of(queue, "a") == "dead")
        wait_until(lambda: f"a: not all that it printed was kept: {no_room_by(0)}" in worker.said())
        assert [run.output_error for run in queue.runs("a")] == [no_room_by(0)]
        assert queue.output_bytes("a").endswith(b" bytes cut ...]\n")
    assert f" bytes of what the last run printed were not kept: {no_room_by(0)}\n" in say(disk, "show", "a", code=0)
    shown, [logged] = (json.loads(say(disk, verb, "a", "--json", code=0)) for verb in ("show", "logs"))
    assert (shown["output_error"], logged["output_error"]) == (no_room_by(0), no_room_by(0))
    assert shown["output_cut_bytes"] == logged["cut_bytes"] > 500_000
    for words in (("logs", "a"), ("logs", "a", "--follow")):
        said = say(disk, *words, code=3 if "--follow" in words else 0)
        assert f"were not kept, since the queue's disk did not take them: {no_room_by(0)}\n" in said
        assert "output_limit_bytes" not in said
    assert f"not all kept: {no_room_by(0)})" in say(disk, "history", "a", code=0)
    assert "Sound" in say(disk, "verify", code=0)


def test_a_worker_is_stopped_on_a_full_disk(disk: Path, tmp_path: Path, start: StartWorker) -> None:
    """One without jobs ends at the first signal; one whose job's end cannot be recorded waits, but not after three."""
    with Queue.open(disk) as queue:
        queue.enqueue(f"echo $$ > {tmp_path}/pid; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done", id="a")
        worker = start(lease_s=1)
        end = pid_in(tmp_path / "pid")
        idle = start()
        wait_until(lambda: len(queue.workers()) == 2)
        with filled(queue):
            idle.signal(signal.SIGTERM)
            assert idle.exit_code() == 0
            (tmp_path / "go").touch()
            wait_until(lambda: not is_alive(end))
            worker.signal(signal.SIGTERM)
            wait_until(lambda: "no space left" in worker.said())
            assert worker.process.poll() is None
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                worker.signal(number)
            assert worker.exit_code() != 0
            assert "a: completed, but that could not be recorded" in worker.said()
        [recovered] = wait_until(lambda: queue.worker(queue.actor).recover().jobs)
        assert (recovered.id, recovered.state) == ("a", "failed")


@pytest.mark.parametrize("is_room_found", [True, False])
def test_a_worker_that_is_to_stop_waits_for_room_for_a_while(
    disk: Path, tmp_path: Path, start: StartWorker, is_room_found: bool
) -> None:
    """It says once what it waits for; with room it records what ended, and else it leaves that to the next worker."""
    with Queue.open(disk) as queue:
        queue.enqueue(f"echo $$ > {tmp_path}/pid; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done", id="a")
        wait_s = 60 if is_room_found else 2
        worker = start(lease_s=1, prelude=f"from queuectl.worker import shutdown; shutdown.WAIT_FOR_ROOM_S = {wait_s}")
        end = pid_in(tmp_path / "pid")
        with filled(queue):
            worker.signal(signal.SIGTERM)
            wait_until(lambda: "stopping: finishing the running job" in worker.said())
            (tmp_path / "go").touch()
            wait_until(lambda: not is_alive(end))
            told = f"waiting up to {wait_s} s for space on the disk, to record how 1 run ended; else that"
            wait_until(lambda: told in worker.said())
            if not is_room_found:
                assert worker.exit_code() != 0
                assert "a: completed, but that could not be recorded" in worker.said()
        assert worker.exit_code() == (0 if is_room_found else 1)
        assert worker.said().count(told) == 1
        if is_room_found:
            assert state_of(queue, "a") == "completed"
        else:
            [recovered] = wait_until(lambda: queue.worker(queue.actor).recover().jobs)
            assert (recovered.id, recovered.state) == ("a", "failed")
