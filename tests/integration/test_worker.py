"""Workers as processes of their own, over a real queue, with real commands and signals."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from queuectl import JobRequest, LeaseHolder, Queue, WorkerInfo
from queuectl.core.results import Recovered
from queuectl.events.codec import name_of
from queuectl.events.types import Completed, Failed, Released, Started
from queuectl.outputs.frames import read_stream
from queuectl.system.clock import SystemClock
from tests.lives import holder, state_of
from tests.processes import cpu_s, is_alive, pid_in
from tests.waiting import wait_until
from tests.workers import LiveWorker, StartWorker


class Ahead(SystemClock):
    """A clock that can be ahead of everybody else's."""

    ahead_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.ahead_us


@pytest.fixture
def clock() -> Ahead:
    return Ahead()


@pytest.fixture
def queue(tmp_path: Path, clock: Ahead) -> Iterator[Queue]:
    with Queue.open(tmp_path / "db", clock=clock) as opened:
        yield opened


def printed(queue: Queue, job_id: str) -> list[bytes]:
    """Return what each run of a job printed."""
    return [b"".join(read_stream(queue.ui.output_frames(run))) for run in queue.runs(job_id)]


def idle_worker(queue: Queue, worker: LiveWorker) -> WorkerInfo:
    """Wait until a worker has settled down to wait, and give what the queue knows of it."""
    wait_until(lambda: "started" in worker.said())
    return queue.workers()[0]


def test_a_job_is_run_and_completed(queue: Queue, drain: StartWorker) -> None:
    """A drained queue has run its jobs, their output and return codes are kept, and the log agrees with the views."""
    queue.enqueue("echo out; echo err >&2; exit 0", id="a")
    said = drain().said()
    job = queue.job("a")
    assert (job.state, job.attempts, job.last and job.last.return_code) == ("completed", 1, 0)
    assert sorted(printed(queue, "a")[0].split()) == [b"err", b"out"]
    assert "a: attempt 1 of 4 started: echo out" in said
    assert "a: completed in" in said
    assert queue.workers() == []
    assert queue.admin.replay(check=True).differences == []


def test_a_bad_job_is_retried_and_then_dead(queue: Queue, drain: StartWorker) -> None:
    """`max_retries=2` is three attempts, each after its delay; then the job is dead, with the command's own words."""
    queue.enqueue("echo no luck >&2; exit 9", id="bad", max_retries=2, backoff_base=0.3)
    said = drain().said()
    job = queue.job("bad")
    assert (job.state, job.attempts) == ("dead", 3)
    assert job.last is not None
    assert (job.last.error, job.last.return_code) == ("exit code 9: no luck", 9)
    assert printed(queue, "bad") == [b"no luck\n"] * 3
    assert "bad: attempt 1 of 3 failed" in said
    assert "next attempt in 0.3 s" in said
    assert "dead (see" in said
    events = queue.history("bad")
    failed = [each for each in events if isinstance(each.event, Failed)]
    started = [each for each in events if isinstance(each.event, Started)]
    for before, after in zip(failed, started[1:], strict=False):
        assert isinstance(before.event, Failed)
        assert before.event.retry_at_us is not None
        assert 0 <= after.at_us - before.event.retry_at_us < 2_000_000


def test_the_command_knows_its_job(queue: Queue, drain: StartWorker, tmp_path: Path) -> None:
    """A command finds its job in its environment, runs in its job's directory, and may use the queue."""
    command = 'echo "$QUEUECTL_JOB_ID $QUEUECTL_ATTEMPT $QUEUECTL_QUEUE $QUEUECTL_DB $OWN"; pwd'
    queue.enqueue(command, id="a", queue="mail", env={"OWN": "mine", "QUEUECTL_ATTEMPT": "lie"}, cwd=str(tmp_path))
    drain()
    assert printed(queue, "a") == [f"a 1 mail {queue.path} mine\n{tmp_path}\n".encode()]


def test_higher_priority_runs_first(queue: Queue, drain: StartWorker) -> None:
    """One slot runs jobs by priority, then first come."""
    for job_id, priority in [("low", -1), ("a", 0), ("b", 0), ("high", 10)]:
        queue.enqueue("true", id=job_id, priority=priority)
    drain()
    started = [event.stream for event in queue.events(types=["started"])]
    assert [queue.log.job_id_of(stream) for stream in started] == ["high", "a", "b", "low"]


def test_slots_run_side_by_side(queue: Queue, drain: StartWorker, tmp_path: Path) -> None:
    """Jobs that can only end together end together: as many run at a time as there are slots."""
    meet = "touch {0}/$QUEUECTL_JOB_ID; while [ $(ls {0} | wc -l) -lt 3 ]; do sleep 0.02; done"
    (tmp_path / "meet").mkdir()
    for _ in range(3):
        queue.enqueue(meet.format(tmp_path / "meet"), timeout_s=10, max_retries=0)
    drain(slots=3)
    assert {job.state for job in queue.jobs()} == {"completed"}


def test_a_worker_takes_only_its_queues(queue: Queue, drain: StartWorker) -> None:
    """A worker of some queues runs theirs, is drained when those are, and leaves the others alone."""
    queue.enqueue("true", id="mine", queue="mail")
    queue.enqueue("true", id="other")
    drain(queues=["mail"])
    assert (state_of(queue, "mine"), state_of(queue, "other")) == ("completed", "pending")


def test_drain_waits_for_what_is_delayed(queue: Queue, drain: StartWorker) -> None:
    """A job that is to run later is waited for, and runs when it is due rather than at the next poll."""
    queue.enqueue("true", id="later", delay_s=1.2)
    drain(poll_s=30)
    job = queue.job("later")
    assert job.state == "completed"
    assert job.started_at_us is not None
    assert 0 <= job.started_at_us - job.due_us < 1_000_000


def test_drain_says_what_it_waits_for(queue: Queue, start: StartWorker) -> None:
    """A worker that drains a queue whose next job is far off says so, once, instead of seeming to hang."""
    queue.enqueue("true", id="now")
    due_at = (datetime.now() + timedelta(hours=30)).replace(microsecond=0)
    queue.enqueue("true", id="later", run_at=due_at.astimezone())
    worker = start(drain=True, poll_s=0.1)
    wait_until(lambda: "nothing to run now" in worker.said())
    seen = worker.said()
    assert f"nothing to run now: 1 job is left, due at {due_at:%Y-%m-%d %H:%M:%S}" in seen
    queue.enqueue("true", id="other", delay_s=3600 * 40)  # wakes it, and changes nothing
    time.sleep(0.5)
    assert worker.said() == seen
    queue.cancel("later")
    queue.cancel("other")
    assert worker.exit_code() == 0


def test_workers_that_drain_a_queue_together_end_together(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A worker with nothing left to do learns at once that the last job of another's has ended."""
    queue.enqueue(f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done", id="last")
    workers = [start(drain=True, poll_s=60)]
    wait_until(lambda: state_of(queue, "last") == "processing")
    workers.append(start(drain=True, poll_s=60))
    wait_until(lambda: "started" in workers[1].said())
    (tmp_path / "go").touch()
    assert [worker.exit_code(timeout_s=20) for worker in workers] == [0, 0]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"command": ("no-such-program-here",)}, "cannot start: no such program 'no-such-program-here'"),
        ({"command": "true", "cwd": "/no/such/place"}, "cannot start: no such directory '/no/such/place'"),
        ({"command": ("/etc/passwd",)}, "cannot start: '/etc/passwd' may not be executed"),
    ],
)
def test_what_cannot_start_has_failed(queue: Queue, drain: StartWorker, fields: dict[str, Any], error: str) -> None:
    """A command that cannot be started uses up its attempts and says why; the worker goes on."""
    queue.ui.enqueue_request(JobRequest(id="bad", max_retries=0, **fields))
    queue.enqueue("true", id="next")
    drain()
    job = queue.job("bad")
    assert job.state == "dead"
    assert job.last is not None
    assert job.last.error == error
    assert [each.event.failure for each in queue.events(types=["failed"]) if isinstance(each.event, Failed)] == [
        "spawn_error"
    ]
    assert state_of(queue, "next") == "completed"


def test_a_timeout_outlasts_no_resistance(queue: Queue, drain: StartWorker, tmp_path: Path) -> None:
    """A command that ignores TERM is killed after the grace, with all its children."""
    command = f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/child; while :; do sleep 0.05; done"
    queue.enqueue(command, id="stuck", timeout_s=0.3, max_retries=0)
    drain(grace_s=0.3)
    job = queue.job("stuck")
    assert job.last is not None
    assert (job.state, job.last.error, job.last.signal) == ("dead", "timed out after 0.3 s", "SIGKILL")
    assert not is_alive(pid_in(tmp_path / "child"))


def test_output_comes_whole_and_in_order(queue: Queue, drain: StartWorker) -> None:
    """Both streams keep their order, binary output is not touched, and large output is cut in the middle only."""
    queue.admin.config_set("output_limit_bytes", 300_000)
    queue.enqueue("for n in 1 2 3; do echo o$n; sleep 0.1; echo e$n >&2; sleep 0.1; done", id="order")
    queue.enqueue(r"printf '\377\000\376'", id="binary")
    queue.enqueue("seq 100000", id="large", max_retries=0)
    queue.enqueue("seq 20000", id="medium")
    drain(slots=4)
    assert printed(queue, "order") == [b"o1\ne1\no2\ne2\no3\ne3\n"]
    assert printed(queue, "binary") == [b"\xff\0\xfe"]
    assert printed(queue, "medium") == [b"".join(b"%d\n" % n for n in range(1, 20_001))]
    large = printed(queue, "large")[0]
    assert large.startswith(b"1\n2\n3\n")
    assert large.endswith(b"99999\n100000\n")
    assert b" bytes cut ...]" in large
    assert len(large) < 300_100
    completed = queue.history("large")[-1].event
    assert isinstance(completed, Completed)
    assert completed.stdout is not None
    assert completed.stdout.size_bytes == sum(len(str(n)) + 1 for n in range(1, 100_001))


def test_silent_jobs_leave_no_files(queue: Queue, drain: StartWorker) -> None:
    """Neither a job that prints nothing nor one that prints little leaves a file."""
    queue.enqueue("true")
    queue.enqueue("echo little; sleep 0.4; echo more")
    drain(slots=2)
    outputs = queue.path / "outputs"
    assert not outputs.exists() or not [path for path in outputs.rglob("*") if path.is_file()]


def test_a_background_child_does_not_hold_the_slot(queue: Queue, drain: StartWorker, tmp_path: Path) -> None:
    """A job is over when its command is, though a child of it keeps the pipe open."""
    queue.enqueue(f"sleep 60 & echo $! > {tmp_path}/child; echo done", id="a")
    drain()
    assert printed(queue, "a") == [b"done\n"]
    os.kill(pid_in(tmp_path / "child"), signal.SIGKILL)


def test_a_running_job_is_cancelled(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Cancelling a running job ends its whole group soon, keeps what it printed, and the worker goes on."""
    worker = start(poll_s=30)
    queue.enqueue(f"echo begun; sleep 60 & echo $! > {tmp_path}/child; wait", id="long")
    child = pid_in(tmp_path / "child")
    queue.cancel("long")
    wait_until(lambda: state_of(queue, "long") == "cancelled")
    assert not is_alive(child)
    assert printed(queue, "long")[0].startswith(b"begun\n")
    queue.enqueue("true", id="next")
    wait_until(lambda: state_of(queue, "next") == "completed")
    assert "long: cancelled" in worker.said()


def test_an_idle_worker_is_woken(queue: Queue, start: StartWorker) -> None:
    """A worker that polls once in half a minute starts a new job at once."""
    idle_worker(queue, start(poll_s=30))
    begun = time.monotonic()
    for n in range(5):
        queue.enqueue("true", id=f"job{n}")
        wait_until(lambda n=n: state_of(queue, f"job{n}") == "completed")  # type: ignore[misc]
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_finishes_what_runs(queue: Queue, start: StartWorker, tmp_path: Path, number: int) -> None:
    """Asked to stop, a worker finishes its running jobs, takes no more and exits with 0."""
    queue.enqueue(f"echo $$ > {tmp_path}/pid; until [ -e {tmp_path}/go ]; do sleep 0.02; done", id="running")
    queue.enqueue("true", id="waiting")
    worker = start()
    pid_in(tmp_path / "pid")  # one that its slot had not begun yet would be given back
    worker.signal(number)
    wait_until(lambda: [info.state for info in queue.workers()] == ["stopping"])
    (tmp_path / "go").touch()
    assert worker.exit_code() == 0
    assert (state_of(queue, "running"), state_of(queue, "waiting")) == ("completed", "pending")
    assert queue.workers() == []


def test_a_second_signal_gives_back(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Told twice, a worker kills what runs and gives it back: no attempt is used up."""
    queue.enqueue(f"echo $$ > {tmp_path}/pid; sleep 60", id="long", max_retries=0)
    worker = start()
    pid = pid_in(tmp_path / "pid")
    worker.signal(signal.SIGINT)
    wait_until(lambda: "finishing the running job" in worker.said())
    worker.signal(signal.SIGINT)
    assert worker.exit_code() == 0
    job = queue.job("long")
    assert (job.state, job.attempts) == ("pending", 0)
    assert isinstance(queue.history("long")[-1].event, Released)
    assert not is_alive(pid)
    assert "long: given back" in worker.said()


def test_a_third_signal_waits_for_nobody(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Told three times, a worker does not wait for the grace of a command that ignores TERM."""
    queue.enqueue(f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.05; done", id="long")
    worker = start(grace_s=60)
    pid_in(tmp_path / "pid")
    for said in ("finishing", "stopping at once", ""):
        worker.signal(signal.SIGTERM)
        wait_until(lambda said=said: said in worker.said())  # type: ignore[misc]
    assert worker.exit_code() == 0
    assert (state_of(queue, "long"), queue.job("long").attempts) == ("pending", 0)


@pytest.mark.parametrize("now", [False, True])
def test_a_worker_is_stopped_through_the_queue(queue: Queue, start: StartWorker, tmp_path: Path, now: bool) -> None:
    """Where no signal reaches, the queue tells a worker to stop: after the running jobs, or at once."""
    queue.enqueue(f"echo $$ > {tmp_path}/pid; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done", id="running")
    worker = start(poll_s=30)
    pid_in(tmp_path / "pid")
    queue.worker(queue.workers()[0].id).stop(now=now)
    if not now:
        wait_until(lambda: "finishing" in worker.said())
        (tmp_path / "go").touch()
    assert worker.exit_code() == 0
    assert state_of(queue, "running") == ("pending" if now else "completed")


def test_a_long_job_keeps_its_lease(queue: Queue, drain: StartWorker) -> None:
    """A job longer than its lease is run once, and its history is of four lines however long it runs."""
    queue.enqueue("sleep 1.5", id="long")
    drain(lease_s=0.6)
    assert queue.job("long").attempts == 1
    assert [name_of(each.event) for each in queue.history("long")] == ["enqueued", "claimed", "started", "completed"]


def test_a_worker_holds_its_leases_by_its_presence(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """While a job runs its lease goes on again and again, though nothing is written of the job."""
    queue.enqueue(f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done", id="a")
    start(lease_s=0.6)
    wait_until(lambda: state_of(queue, "a") == "processing")
    head = queue.log.head()
    for _ in range(3):
        before = until_us(queue, "a")
        wait_until(lambda before=before: until_us(queue, "a") > before)  # type: ignore[misc]
    assert queue.log.head() == head
    (tmp_path / "go").touch()
    wait_until(lambda: state_of(queue, "a") == "completed")


def until_us(queue: Queue, job_id: str) -> int:
    """Return until when a job's lease holds."""
    lease = queue.job(job_id).lease
    assert lease is not None, "the job runs"
    return lease.expires_at_us


def test_a_lost_lease_ends_the_run(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A worker whose job was taken away kills its own run, records nothing of it, and goes on."""
    queue.enqueue(f"echo $$ >> {tmp_path}/pids; sleep 60", id="a", backoff_base=0)
    worker = start()
    pid = pid_in(tmp_path / "pids")
    taken = queue.job("a")
    assert taken.lease is not None
    holder(queue, taken).release(taken)
    wait_until(lambda: not is_alive(pid))
    wait_until(lambda: "the lease was lost" in worker.said())
    wait_until(lambda: len((tmp_path / "pids").read_text().split()) == 2)
    ended = [each.event for each in queue.history("a") if isinstance(each.event, Failed | Released)]
    assert [(type(event), event.token) for event in ended] == [(Released, taken.lease.token)]


def test_a_clock_that_is_ahead_takes_nothing_from_a_worker_that_lives(
    queue: Queue, clock: Ahead, start: StartWorker, tmp_path: Path
) -> None:
    """A lease that has run out by somebody's clock, and not by the life of its worker, is the worker's to keep."""
    queue.enqueue(f"echo $$ >> {tmp_path}/pids; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done", id="a")
    start(lease_s=1.5)
    pid_in(tmp_path / "pids")
    clock.ahead_us = 3_600_000_000
    assert (queue.worker(queue.actor).recover().jobs, queue.worker("another").claim()) == ([], [])
    queue.enqueue("true", id="b")  # from here on the log's time is an hour ahead
    wait_until(lambda: state_of(queue, "b") == "completed" or until_us(queue, "a") > clock.now_us())
    (tmp_path / "go").touch()
    wait_until(lambda: {job.state for job in queue.jobs()} == {"completed"})
    assert (queue.job("a").attempts, (tmp_path / "pids").read_text().count("\n")) == (1, 1)


SETTABLE = """
import os, time
class Settable:
    def __getattr__(self, name):
        return getattr(time, name)
    def time_ns(self):
        with open({path!r}) as file:
            return time.time_ns() + int(file.read()) * 10**9
from queuectl.system import clock
clock.time = Settable()
"""


def test_a_clock_that_jumps_loses_and_doubles_nothing(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Two workers under a clock that is set an hour on, and back: each job runs once, and retries come soon."""
    hour = tmp_path / "hour"
    hour.write_text("0")
    gate = f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
    for n in range(2):
        queue.enqueue(f"echo {n} >> {tmp_path}/ran; {gate}", id=f"long{n}")
    for _ in range(2):
        start(prelude=SETTABLE.format(path=str(hour)), lease_s=1.5, slots=2)
    wait_until(lambda: (tmp_path / "ran").exists() and len((tmp_path / "ran").read_text()) == 4)
    for said, ahead_s in (("ahead", 3600), ("back", -3600), ("right", 0)):
        (tmp_path / "said").write_text(str(ahead_s))
        (tmp_path / "said").rename(hour)
        queue.enqueue(f"echo $QUEUECTL_ATTEMPT >> {tmp_path}/{said}; exit 1", id=said, max_retries=1, backoff_base=0.5)
        wait_until(lambda said=said: state_of(queue, said) == "dead")  # type: ignore[misc]
        for n in range(2):
            before = until_us(queue, f"long{n}")
            wait_until(lambda n=n, before=before: until_us(queue, f"long{n}") > before)  # type: ignore[misc]
    (tmp_path / "go").touch()
    wait_until(lambda: queue.backlog() == 0)
    assert sorted((tmp_path / "ran").read_text().split()) == ["0", "1"]
    assert [(tmp_path / said).read_text().split() for said in ("ahead", "back", "right")] == [["1", "2"]] * 3
    assert list(queue.events(types=["released"])) == []
    times = [each.at_us for each in queue.events()]
    assert times == sorted(times)
    assert queue.admin.replay(check=True).differences == []


def test_a_worker_that_fails_gives_back_what_it_ran(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error inside the worker kills its commands, gives their jobs back and is raised, not swallowed."""
    from queuectl.worker import start_worker

    class Unwell(Exception):
        """What the worker's own surroundings raise."""

    recover = LeaseHolder.recover

    def fail_once_it_runs(holder: LeaseHolder) -> Recovered:
        if queue.job("a").attempts:
            pid_in(tmp_path / "pid")
            raise Unwell
        return recover(holder)

    monkeypatch.setattr(LeaseHolder, "recover", fail_once_it_runs)
    queue.enqueue(f"echo $$ > {tmp_path}/pid; sleep 60", id="a")
    with Queue.open(queue.path) as unwell, pytest.raises(Unwell):
        start_worker(unwell, slots=2)
    assert (state_of(queue, "a"), queue.job("a").attempts) == ("pending", 0)
    assert not is_alive(pid_in(tmp_path / "pid"))
    assert queue.workers() == []


def test_two_workers_share_without_doubling(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Two workers on one queue run each job exactly once."""
    ran = tmp_path / "ran"
    queue.enqueue_many([JobRequest(f"echo $QUEUECTL_JOB_ID >> {ran}") for _ in range(60)])
    workers = [start(slots=3, drain=True) for _ in range(2)]
    assert [worker.exit_code() for worker in workers] == [0, 0]
    assert sorted(ran.read_text().split()) == sorted(job.id for job in queue.jobs())
    assert {job.attempts for job in queue.jobs()} == {1}
    assert queue.admin.replay(check=True).differences == []


@pytest.mark.slow
def test_an_idle_worker_costs_next_to_nothing(queue: Queue, start: StartWorker) -> None:
    """An idle worker neither spins nor writes to the log."""
    worker = start(poll_s=0.2)
    idle_worker(queue, worker)
    head, begun = queue.log.head(), cpu_s(worker.process.pid)
    wait_until(lambda until=time.monotonic() + 2: time.monotonic() > until)  # type: ignore[misc]
    assert queue.log.head() == head
    assert cpu_s(worker.process.pid) - begun < 0.2


@pytest.mark.slow
def test_jobs_claimed_ahead_do_not_wait_behind_a_long_one(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """A worker whose slots turn out to be busy gives back what it had claimed ahead; others run it, at no attempt."""
    queue.enqueue_many([JobRequest("true", id=f"brief{n}") for n in range(60)])
    queue.enqueue(f"touch {tmp_path}/long; sleep 60", id="long")
    queue.enqueue_many([JobRequest("true", id=f"behind{n}") for n in range(10)])
    start(slots=1)
    wait_until((tmp_path / "long").exists)
    start(slots=1)
    behind = queue.wait([f"behind{n}" for n in range(10)], timeout_s=20)
    assert {(job.state, job.attempts) for job in behind} == {("completed", 1)}
    assert queue.job("long").state == "processing"


def test_a_job_claimed_ahead_can_be_cancelled(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Cancelled between its claim and its start, or before, it never runs."""
    queue.enqueue_many([JobRequest("true", id=f"brief{n}") for n in range(200)])
    holds = f"touch {tmp_path}/holds; until [ -e {tmp_path}/go ]; do sleep 0.02; done"
    queue.enqueue_many([JobRequest(holds), *[JobRequest(f"touch {tmp_path}/ran{n}", id=f"off{n}") for n in range(20)]])
    start(slots=1)
    wait_until((tmp_path / "holds").exists)
    for n in range(20):
        queue.cancel(f"off{n}")
    jobs = queue.wait([f"off{n}" for n in range(20)], timeout_s=20)  # its worker hears of it while the slot is taken
    (tmp_path / "go").touch()
    assert {job.state for job in jobs} == {"cancelled"}
    assert not [n for n in range(20) if (tmp_path / f"ran{n}").exists()]


def test_a_worker_told_to_stop_gives_back_what_it_claimed_ahead(queue: Queue, start: StartWorker) -> None:
    """After a stop everything is completed or pending, and nothing has lost an attempt."""
    queue.enqueue_many([JobRequest("true") for _ in range(400)])
    worker = start(slots=2)
    wait_until(lambda: queue.status().jobs["completed"] > 50)
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    assert {(job.state, job.attempts) for job in queue.jobs()} == {("completed", 1), ("pending", 0)}
