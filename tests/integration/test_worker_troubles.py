"""Workers in trouble: frozen, unheard, out of means, killed."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from queuectl import Captured, Queue, Result
from queuectl.events.append import Append
from queuectl.events.types import NEW_STREAM, Enqueued, JobSpec, Released, WorkerStopped, WorkerStopping
from queuectl.outputs.frames import read_stream
from queuectl.store.event_writer import EventWriter
from queuectl.worker import start_worker
from queuectl.worker.launcher import Invocation, Launcher
from queuectl.worker.log_lines import LogLine
from queuectl.worker.process import Process
from queuectl.worker.start_errors import Shortage
from tests.lives import state_of
from tests.processes import is_alive, pid_in
from tests.waiting import wait_until
from tests.workers import LiveWorker, StartWorker, freeze


def test_a_frozen_worker_that_lost_its_job_says_so_once(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A worker frozen beyond its lease kills its run when it goes on, says so once, and writes nothing about it."""
    queue.enqueue(f"sleep 60 & echo $! > {tmp_path}/child; wait", id="a", backoff_base=0)
    worker = start(unreaped=True, lease_s=0.5)  # its dead child stays in the group
    child = pid_in(tmp_path / "child")
    [info] = queue.workers()
    try:
        freeze(worker, queue.path, info.id)
        [taken] = wait_until(lambda: queue.worker("other").claim(lease_s=60))
        head = queue.log.head()
        os.kill(info.pid, signal.SIGCONT)
        wait_until(lambda: not is_alive(child))
        queue.enqueue("true", id="next")
        wait_until(lambda: state_of(queue, "next") == "completed")
        told = [line for line in worker.said().splitlines() if "the lease was lost" in line or "drop this run" in line]
        assert len(told) == 1  # whether it finds its run killed first, or its lease gone
        assert len(worker.said().splitlines()) < 10
        assert [each.actor for each in queue.events(after=head) if each.stream == taken.number] == []
        queue.worker("other").complete(taken)
    finally:
        os.kill(info.pid, signal.SIGKILL)


def test_a_stop_asked_for_during_a_freeze_is_heeded(queue: Queue, start: StartWorker) -> None:
    """A worker that was asked to stop while frozen stops when it goes on."""
    worker = start(poll_s=30)
    wait_until(lambda: "started" in worker.said())
    [info] = queue.workers()
    freeze(worker, queue.path, info.id)
    queue.worker(info.id).stop()
    os.kill(info.pid, signal.SIGCONT)
    assert worker.exit_code() == 0


def test_a_stop_is_recorded_once_by_whoever_asked(queue: Queue, start: StartWorker) -> None:
    """A worker that is stopped through the queue adds no event; one stopped by a signal records it as its own."""
    first = start()
    wait_until(lambda: "started" in first.said())
    [info] = queue.workers()
    queue.worker(info.id).stop(reason="maintenance")
    assert first.exit_code() == 0
    assert stops(queue) == [(queue.actor, False)]
    second = start()
    wait_until(lambda: "started" in second.said())
    [info] = queue.workers()
    second.signal(signal.SIGTERM)
    assert second.exit_code() == 0
    assert stops(queue)[1:] == [(info.id, False)]


def test_an_escalated_stop_is_recorded_too(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A second signal is recorded as a stop at once, a third is not recorded again."""
    queue.enqueue(f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.05; done")
    worker = start(grace_s=60)
    pid_in(tmp_path / "pid")
    [info] = queue.workers()
    for said in ("finishing", "stopping at once", ""):
        worker.signal(signal.SIGTERM)
        wait_until(lambda said=said: said in worker.said())  # type: ignore[misc]
    assert worker.exit_code() == 0
    assert stops(queue) == [(info.id, False), (info.id, True)]


def stops(queue: Queue) -> list[tuple[str, bool]]:
    """Return who asked workers to stop, and whether at once."""
    return [(each.actor, each.event.now) for each in queue.events() if isinstance(each.event, WorkerStopping)]


def test_a_closed_stdout_stops_nothing(queue: Queue) -> None:
    """A worker whose reader went away goes on in silence, and loses no job."""
    script = "import sys; from queuectl import Queue; from queuectl.worker import start_worker\n"
    script += "with Queue.open(sys.argv[1]) as queue: start_worker(queue, drain=True, report=report)\n"
    script = "def report(lines): print(lines, flush=True)\n" + script + "import os; os._exit(7)"
    for n in range(5):
        queue.enqueue("true", id=f"job{n}")
    worker = subprocess.Popen([sys.executable, "-c", script, str(queue.path)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    worker.stdout.close()
    assert worker.wait(20) == 7
    assert {job.state for job in queue.jobs()} == {"completed"}
    assert queue.workers() == []


def test_jobs_not_yet_started_are_given_back(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a failing worker has claimed and not yet launched is given back with what it runs."""

    class Unwell(Exception):
        """What nobody reckons with."""

    spawn = Launcher.spawn

    def failing(launcher: Launcher, what: Invocation) -> Any:
        if what.command == "sleep 61":
            raise Unwell
        return spawn(launcher, what)

    monkeypatch.setattr(Launcher, "spawn", failing)
    for n in range(4):
        queue.enqueue(f"sleep {60 + n}", id=f"job{n}")
    with pytest.raises(Unwell):
        start_worker(queue, slots=4, report=refuse)
    assert {(job.state, job.attempts) for job in queue.jobs()} == {("pending", 0)}
    assert queue.workers() == []


def test_a_slot_that_fails_fails_its_worker(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody reckons with in a slot's thread ends the worker, with its commands, and not that thread alone."""

    class Unwell(Exception):
        """What nobody reckons with."""

    def failing(process: Process) -> bool:
        pids.append(process.pid)
        raise Unwell

    pids: list[int] = []
    monkeypatch.setattr(Process, "wait", failing)
    for n in range(4):
        queue.enqueue("sleep 60", id=f"job{n}")
    with pytest.raises(Unwell):
        start_worker(queue, slots=4, report=refuse)
    assert {(job.state, job.attempts) for job in queue.jobs()} == {("pending", 0)}
    assert pids
    assert not any(map(is_alive, pids))
    assert queue.workers() == []


def test_what_a_slot_is_free_for_is_not_given_back(queue: Queue, start: StartWorker) -> None:
    """However long it takes until a thread gets its turn, only jobs claimed ahead of a free slot go back soon."""
    for n in range(6):
        queue.enqueue("sleep 0.5", id=f"job{n}")
    worker = start(
        prelude="import queuectl.worker.exchanger as exchange; exchange.GIVE_BACK_S = -1.0", drain=True, slots=3
    )
    assert worker.exit_code() == 0, worker.said()
    assert {(job.state, job.attempts) for job in queue.jobs()} == {("completed", 1)}
    assert list(queue.events(types=["released"])) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 KiB."""
    path = tmp_path / "disk"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "tmpfs", path], check=False).returncode:
        pytest.skip("may not mount a file system")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_a_full_disk_is_no_bus_error(small_disk: Path) -> None:
    """A worker that cannot have its lock file says so, leaves none behind, and works once there is room."""
    with Queue.open(small_disk) as queue:
        queue.enqueue("true", id="a")
        filler = small_disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))
        full = LiveWorker(small_disk, drain=True)
        assert full.exit_code() == 1
        assert "cannot start a worker of the queue" in full.said()
        assert "no space left on the disk; free some disk space, then try again" in full.said()
        assert list((small_disk / "workers").iterdir()) == []
        filler.unlink()
        assert LiveWorker(small_disk, drain=True).exit_code() == 0
        assert state_of(queue, "a") == "completed"


def refuse(lines: Sequence[LogLine]) -> None:
    """Fail at saying anything."""
    raise ValueError("I/O operation on closed file")


def test_a_worker_that_fails_to_begin_leaves_no_bell(queue: Queue) -> None:
    """Wherever a worker fails to begin, its bell is taken down again and its descriptors are closed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    lowest = os.dup(0)
    os.close(lowest)
    failures = 0
    for spare in range(20):
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
        try:
            start_worker(queue, drain=True, report=refuse)
            break
        except Shortage:
            failures += 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert list(queue.path.rglob("*.fifo")) == []
        assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert failures >= 5


WITHOUT_WAITID = "import os; del os.waitid"
"""Makes a process as one is on macOS before Python 3.13."""


@pytest.mark.parametrize("prelude", ["", WITHOUT_WAITID])
def test_an_end_is_noticed_though_the_pipes_do_not_tell(queue: Queue, start: StartWorker, prelude: str) -> None:
    """A command that goes on behind its closed pipes, or leaves them open as it ends, ends when it does."""
    queue.enqueue("exec >&- 2>&-; sleep 0.3; exit 3", id="closes", max_retries=0)
    queue.enqueue("sleep 60 & exit 4", id="leaves", max_retries=0)
    worker = start(prelude=prelude, drain=True, slots=2, poll_s=30)
    assert worker.exit_code() == 0, worker.said()
    ended = {job.id: job.last for job in queue.jobs() if job.last}
    assert {job_id: last.return_code for job_id, last in ended.items()} == {"closes": 3, "leaves": 4}
    assert (ended["closes"].duration_ms or 0) >= 300
    assert (ended["leaves"].duration_ms or 0) < 10_000


def test_ends_are_noticed_where_no_signal_can_be_heard(queue: Queue, start: StartWorker) -> None:
    """Outside the main thread a command that goes on behind its closed pipes ends too."""
    queue.enqueue("exec >&- 2>&-; sleep 0.3; exit 3", id="closes", max_retries=0)
    prelude = """
import threading, queuectl.worker
begin = queuectl.worker.start_worker
def start_worker(*args, **options):
    thread = threading.Thread(target=begin, args=args, kwargs=options)
    thread.start()
    thread.join()
    return 0
queuectl.worker.start_worker = start_worker
"""
    assert start(prelude=prelude, drain=True).exit_code() == 0
    assert (last := queue.job("closes").last) is not None
    assert last.return_code == 3


def test_a_shortage_kills_no_job(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A worker that comes to have fewer descriptors than its slots need runs every job once, as many as go."""
    for n in range(30):
        queue.enqueue(f"touch {tmp_path}/go; sleep 0.1" if n == 10 else "sleep 0.1", id=f"job{n:02}", max_retries=0)
    limit = f"""
import os, resource, threading, time
def lower():
    while not os.path.exists("{tmp_path}/go"):
        time.sleep(0.01)
    resource.setrlimit(resource.RLIMIT_NOFILE, (29, 29))
threading.Thread(target=lower, daemon=True).start()
"""
    worker = start(prelude=limit, drain=True, slots=12)
    assert worker.exit_code(timeout_s=40) == 0, worker.said()
    assert {(job.state, job.attempts) for job in queue.jobs()} == {("completed", 1)}
    released = [each.event for each in queue.events() if isinstance(each.event, Released)]
    assert 0 < len(released) < 30
    assert "Too many open files" in released[0].why
    assert "taking fewer jobs for a while" in worker.said()


def test_a_killed_worker_is_buried_once(queue: Queue, start: StartWorker) -> None:
    """A worker that died without a word is recorded as gone by the next one on its host; a frozen one is not."""
    killed, frozen = start(), start()
    wait_until(lambda: all("started" in worker.said() for worker in (killed, frozen)))
    ids = {info.pid: info.id for info in queue.workers()}
    freeze(frozen, queue.path, ids[frozen.process.pid])
    killed.signal(signal.SIGKILL)
    killed.exit_code()
    finder = start()
    wait_until(lambda: "is gone" in finder.said())
    found = [each for each in queue.events() if isinstance(each.event, WorkerStopped)]
    assert [(each.stream, each.event) for each in found] == [
        (f"worker:{ids[killed.process.pid]}", WorkerStopped("found gone"))
    ]
    assert found[0].actor == next(info.id for info in queue.workers() if info.pid == finder.process.pid)
    assert len(queue.workers()) == 2
    queue.worker(ids[killed.process.pid]).stopped("found gone", actor="another")
    assert len([each for each in queue.events() if isinstance(each.event, WorkerStopped)]) == 1
    frozen.signal(signal.SIGCONT)


def test_a_stale_run_s_output_is_not_kept(queue: Queue) -> None:
    """What a run printed whose lease was lost is dropped with its result, and other results are not."""
    queue.enqueue("true", id="a")
    queue.enqueue("true", id="b")
    stale, good = queue.worker("w1").exchange([], want=2, lease_s=60).claimed
    queue.worker("w1").release(stale)
    printed = Captured(b"o\0\0\0\x02hi")
    answer = queue.worker("w1").exchange(
        [Result(job, "completed", 0, output=printed) for job in (stale, good)], want=0, lease_s=1
    )
    assert [job.id for job, _ in answer.refused] == ["a"]
    assert [b"".join(read_stream(queue.ui.output_frames(run))) for job_id in "ab" for run in queue.runs(job_id)] == [
        b"",
        b"hi",
    ]


def test_a_job_without_its_environment_fails_alone(queue: Queue, start: StartWorker) -> None:
    """A job whose log has no environment of its digest fails, saying so; its worker goes on with the next."""
    spec = JobSpec("a", "true", max_retries=0, inherited=b"x" * 16)
    with queue._store.write() as txn:
        EventWriter(txn).append([Append(NEW_STREAM, 0, (Enqueued(spec),))], at_us=1, actor="elsewhere")
    queue.admin.replay()
    queue.enqueue("true", id="next")
    assert start(drain=True).process.wait(30) == 0
    assert [state_of(queue, job) for job in ("a", "next")] == ["dead", "completed"]
    last = queue.job("a").last
    assert last is not None
    assert f"the environment {spec.inherited.hex() if spec.inherited else ''} that the job took along" in str(
        last.error
    )
