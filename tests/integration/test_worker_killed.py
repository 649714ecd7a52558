"""Workers and guardians that are killed: what they ran is gone, and their jobs go on elsewhere."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from queuectl import JobRequest, Queue
from queuectl.events.types import Dead, Failed, Released, WorkerStopped
from queuectl.liveness import lock_file
from tests.lives import state_of
from tests.processes import Runaways, is_alive, pid_in
from tests.waiting import wait_until
from tests.workers import LiveWorker, StartWorker, freeze

LONG_LEASE_S = 600
"""So long that no test could see a job come back by its lease's end."""


@pytest.fixture
def options() -> dict[str, Any]:
    return {"lease_s": LONG_LEASE_S}


def guardian_of(worker: LiveWorker) -> int:
    """Wait for a worker's guardian and give its process id."""

    def find() -> int:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                stat, words = (path / "stat").read_bytes(), (path / "cmdline").read_bytes()
            except OSError:
                continue
            is_child = int(stat.rpartition(b")")[2].split()[1]) == worker.process.pid
            if is_child and b"queuectl.liveness.guardian" in words and is_alive(int(path.name)):
                return int(path.name)
        return 0

    return int(wait_until(find))


def stubborn(tmp_path: Path) -> tuple[str, Callable[[], list[int]]]:
    """Return a command that is hard to kill, with descendants of all kinds, and how to wait for their process ids."""
    deaf = "trap '' TERM INT HUP; while :; do sleep 0.05; done"
    command = (
        f"trap '' TERM INT HUP; echo $$ > {tmp_path}/leader;"
        f' sh -c "echo \\$\\$ > {tmp_path}/child; {deaf}" & '
        f' setsid sh -c "echo \\$\\$ > {tmp_path}/escaped; {deaf}" & '
        "while :; do sleep 0.05; done"
    )
    return command, lambda: [pid_in(tmp_path / name) for name in ("leader", "child", "escaped")]


def lost(queue: Queue, job_id: str) -> list[Failed]:
    """Return the attempts of a job that were lost."""
    return [each.event for each in queue.history(job_id) if isinstance(each.event, Failed)]


def test_what_a_killed_worker_ran_is_gone(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """kill -9 of a worker takes its commands along: those deaf to TERM, and those that left their group too."""
    command, pids = stubborn(tmp_path)
    queue.enqueue(command, id="a")
    worker = start()
    running = pids()
    worker.signal(signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, running)))
    assert state_of(queue, "a") == "processing"  # nobody was there to record it


def test_what_left_its_group_ends_with_a_killed_worker(queue: Queue, start: StartWorker) -> None:
    """kill -9 of a worker ends what its command started in groups and sessions of its own, and as another user."""
    left = Runaways(but="an orphan without its environment")
    queue.enqueue(left.command("wait"), id="a")
    worker = start()
    wait_until(left.are_up)
    worker.signal(signal.SIGKILL)
    wait_until(lambda: not left.alive())


def test_a_killed_worker_s_jobs_are_recovered(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Another worker of the host records the attempt as lost, naming worker and pid, long before the lease ends."""
    queue.enqueue(f"echo $$ >> {tmp_path}/pids; [ -e {tmp_path}/go ] || sleep 60", id="a", backoff_base=0)
    killed = start()
    pid_in(tmp_path / "pids")
    [info] = queue.workers()
    other = start()
    wait_until(lambda: len(queue.workers()) == 2)
    (tmp_path / "go").touch()
    killed.signal(signal.SIGKILL)
    wait_until(lambda: state_of(queue, "a") == "completed")
    [failed] = lost(queue, "a")
    assert (failed.failure, failed.attempt) == ("lost", 1)
    assert failed.error == f"worker {info.id} (pid {info.pid}) is gone; how the command ended is not known"
    assert queue.job("a").attempts == 2
    assert f"worker {info.id} is gone" in other.said()
    assert "a: taken back, failed: worker" in other.said()
    assert [each.event for each in queue.events() if isinstance(each.event, WorkerStopped)] == [
        WorkerStopped("found gone")
    ]
    assert lock_file.workers(queue.path) == [each.id for each in queue.workers()]


def test_a_killed_guardian_is_replaced(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A worker goes on without its guardian, gets another, and that one does what the first would have."""
    command, pids = stubborn(tmp_path)
    queue.enqueue(command, id="a")
    worker = start()
    running = pids()
    first = guardian_of(worker)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: "the guardian of this worker is gone" in worker.said())
    second = guardian_of(worker)
    assert second != first
    assert all(map(is_alive, running))
    worker.signal(signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, running)))
    wait_until(lambda: not is_alive(second))


def test_a_guardian_outlives_what_stops_its_worker(queue: Queue, start: StartWorker) -> None:
    """Signals that ask a worker to stop do not end its guardian, and a worker that ends takes it along."""
    worker = start()
    guardian = guardian_of(worker)
    wait_until(lambda: "started" in worker.said())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(guardian, number)
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    assert not is_alive(guardian)
    assert "the guardian" not in worker.said()
    assert lock_file.workers(queue.path) == []


def test_worker_and_guardian_killed_at_once(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Where the guardian is killed too, the next worker ends the commands before it takes the jobs over."""
    command, pids = stubborn(tmp_path)
    queue.enqueue(f"[ -e {tmp_path}/go ] || {{ {command}; }}", id="a", backoff_base=0)
    worker = start()
    running = pids()
    worker.signal(signal.SIGSTOP)  # so that it starts no other guardian
    os.kill(guardian_of(worker), signal.SIGKILL)
    worker.signal(signal.SIGKILL)
    worker.exit_code()
    assert all(map(is_alive, running))
    (tmp_path / "go").touch()
    start()
    wait_until(lambda: queue.job("a").attempts > 1)
    assert not any(map(is_alive, running))
    wait_until(lambda: state_of(queue, "a") == "completed")


def test_a_worker_detached_by_a_job_outlives_it(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """What is killed with a worker is what it ran, and not a worker that a command of it started in the background."""
    detach = f"{sys.executable} -m queuectl worker start --detach --queue other"
    queue.enqueue(f"{detach} && echo $$ > {tmp_path}/there; sleep 60", id="a", cwd=str(Path.cwd()))
    worker = start()
    leader = pid_in(tmp_path / "there")
    [detached] = [info for info in queue.workers() if info.pid != worker.process.pid]
    worker.signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(leader))
    queue.enqueue("true", id="b", queue="other")
    wait_until(lambda: state_of(queue, "b") == "completed")
    os.kill(detached.pid, signal.SIGTERM)
    wait_until(lambda: not is_alive(detached.pid))


def test_a_frozen_worker_s_job_runs_elsewhere_alone(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A job whose worker was frozen beyond its lease runs elsewhere, once nothing of it is left, and there it ends."""
    command, pids = stubborn(tmp_path)
    queue.enqueue(f"[ -e {tmp_path}/go ] || {{ {command}; }}", id="a", backoff_base=0)
    frozen = start(lease_s=1)
    running = pids()
    [info] = queue.workers()
    freeze(frozen, queue.path, info.id)
    (tmp_path / "go").touch()
    start(lease_s=1)
    wait_until(lambda: queue.job("a").attempts == 2)
    assert not any(map(is_alive, running))
    wait_until(lambda: state_of(queue, "a") == "completed")
    head = queue.log.head()
    frozen.signal(signal.SIGCONT)
    wait_until(lambda: any(said in frozen.said() for said in ("a: cannot ", "a: the lease was lost")))
    queue.enqueue("true", id="b")
    wait_until(lambda: state_of(queue, "b") == "completed")
    number = queue.job("a").number
    assert [each for each in queue.events(after=head) if each.stream == number] == []
    assert [failed.failure for failed in lost(queue, "a")] == ["lost"]
    assert queue.job("a").attempts == 2


@pytest.mark.slow
def test_jobs_a_frozen_worker_had_claimed_ahead_cost_no_attempt(queue: Queue, start: StartWorker) -> None:
    """Of a worker frozen beyond its lease only what it had started is lost; what it had only claimed is given back."""
    queue.enqueue_many([JobRequest("true", max_retries=0) for _ in range(1000)])
    frozen = start(slots=2, lease_s=1)
    wait_until(queue.workers)
    [info] = queue.workers()
    started, ahead = wait_until(lambda: freeze_with_jobs_ahead(queue, frozen, info.id))
    start(drain=True, slots=2, lease_s=1)
    wait_until(lambda: queue.backlog() == 0, timeout_s=60)
    assert {job.id for job in queue.dlq.jobs()} == started
    assert {state_of(queue, job_id) for job_id in ahead} == {"completed"}
    assert all(any(isinstance(each.event, Released) for each in queue.history(job_id)) for job_id in ahead)
    frozen.signal(signal.SIGCONT)


def freeze_with_jobs_ahead(queue: Queue, worker: LiveWorker, worker_id: str) -> tuple[set[str], set[str]] | None:
    """Freeze a worker that has claimed ahead: return what it had started and what it had not; let it go on if none."""
    pid = freeze(worker, queue.path, worker_id)
    sighting = lock_file.sighting_of(queue.path, worker_id)
    assert sighting is not None
    held = {job.id: job.lease.token for job in queue.jobs(state="processing") if job.lease is not None}
    ahead = {job_id for job_id, token in held.items() if token > sighting.launched}
    if ahead:
        return held.keys() - ahead, ahead
    os.kill(pid, signal.SIGCONT)
    return None


@pytest.mark.slow
def test_a_stopped_guardian_does_not_hold_up_its_worker_s_end(queue: Queue, start: StartWorker) -> None:
    """A worker ends though its guardian was stopped, and leaves none behind."""
    worker = start()
    guardian = guardian_of(worker)
    os.kill(guardian, signal.SIGSTOP)
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    assert not is_alive(guardian)


def test_a_library_recovers_jobs_as_well(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Whoever claims jobs takes those of the dead back first, and ends what they left running."""
    command, pids = stubborn(tmp_path)
    queue.enqueue(command, id="a", backoff_base=0)
    worker = start()
    running = pids()
    worker.signal(signal.SIGSTOP)
    os.kill(guardian_of(worker), signal.SIGKILL)
    worker.signal(signal.SIGKILL)
    worker.exit_code()
    assert [job.id for job in queue.worker("mine").claim()] == ["a"]
    assert not any(map(is_alive, running))


@pytest.mark.slow
def test_a_job_that_kills_its_worker_ends_dead(queue: Queue, start: StartWorker) -> None:
    """Lost attempts count, so that a poisonous job ends in the dead letter queue and others get their turn."""
    queue.enqueue("kill -9 $PPID", id="poison", backoff_base=0, max_retries=2)
    for n in range(6):
        queue.enqueue("sleep 0.05", id=f"job{n}", backoff_base=0, max_retries=9)
    killed = 0
    while queue.backlog():
        worker = start(drain=True, is_sole=True)  # elsewhere its commands have another parent
        killed += worker.exit_code() == -signal.SIGKILL
    assert killed == 3
    assert [failed.failure for failed in lost(queue, "poison")] == ["lost"] * 3
    dead = [each.event for each in queue.history("poison") if isinstance(each.event, Dead)]
    assert dead == [Dead(3, "lost")]
    assert [job.id for job in queue.dlq.jobs()] == ["poison"]
    assert {state_of(queue, f"job{n}") for n in range(6)} == {"completed"}


def test_claims_not_yet_started_cost_no_attempt(queue: Queue) -> None:
    """A worker that died between claiming and starting has used nothing up."""
    queue.enqueue("true", id="a")
    with LockFileOf("w1", queue.path):
        queue.worker("w1").started(host=os.uname().nodename, pid=os.getpid(), slots=1)
        queue.worker("w1").claim(lease_s=LONG_LEASE_S)
        assert queue.worker(queue.actor).recover() == ([], [])
    recovered = queue.worker(queue.actor).recover()
    assert ([(job.state, job.attempts) for job in recovered.jobs], recovered.workers) == ([("pending", 0)], ["w1"])
    [released] = [each.event for each in queue.history("a") if isinstance(each.event, Released)]
    assert released.why == f"worker w1 (pid {os.getpid()}) is gone before it started the command"


class LockFileOf:
    """A lock file whose holder dies at the end of the block: the file stays, and nobody holds it."""

    def __init__(self, worker: str, path: Path) -> None:
        self._out, self._in = os.pipe()
        self._worker, self._path = worker, path

    def __enter__(self) -> None:
        self._pid = os.fork()
        if not self._pid:
            held = lock_file.LockFile(self._path, self._worker, entries=1, lease_s=LONG_LEASE_S)
            os.close(self._in)
            os.read(self._out, 1)
            os.kill(os.getpid(), signal.SIGKILL)
            held.close()
        os.close(self._out)
        wait_until(lambda: lock_file.is_held(self._path, self._worker))

    def __exit__(self, *error: object) -> None:
        os.close(self._in)
        os.waitpid(self._pid, 0)


STOPS_WHILE_IT_WRITES = """
import os, signal
from queuectl.engine import exchange as module
exchange = module.exchange
def stopping(unit, worker, results, **how):
    if results:
        os.kill(os.getpid(), signal.SIGSTOP)
    return exchange(unit, worker, results, **how)
module.exchange = stopping
"""


@pytest.mark.slow
def test_a_worker_stopped_while_it_writes_does_not_stop_the_others(queue: Queue, start: StartWorker) -> None:
    """A worker frozen inside a write transaction is killed by its guardian, and nothing half done is seen."""
    queue.enqueue("true", id="a", backoff_base=0)
    frozen = start(prelude=STOPS_WHILE_IT_WRITES, lease_s=1)
    assert frozen.exit_code() == -signal.SIGKILL
    start()
    queue.enqueue("true", id="b")
    wait_until(lambda: {job.state for job in queue.jobs()} == {"completed"})
    assert [failed.failure for failed in lost(queue, "a")] == ["lost"]
    assert queue.admin.replay(check=True).differences == []
