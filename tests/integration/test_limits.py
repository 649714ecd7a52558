"""Limits hold over real workers, whatever becomes of these; and what frees room wakes whoever waits for it."""

import signal
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from queuectl import Job, JobRequest, Queue
from queuectl.events.types import Claimed, Completed
from tests.waiting import wait_until
from tests.workers import StartWorker

AT_ONCE_S: Final = 10.0
"""Far less than the 60 s after which these workers look by themselves."""


class Log:
    """A file in which runs tell when they start and end."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "log"

    def command(self, seconds: float) -> str:
        """Return a command that runs for a while and tells so; what is killed meanwhile does not tell of its end."""
        now = f"$(date +%s%N) $QUEUECTL_JOB_ID >> {self._path}"
        return f"echo +1 {now}; sleep {seconds}; echo -1 {now}"

    def levels(self) -> list[tuple[int, int]]:
        """Return how many ran from which time on, in nanoseconds, in order."""
        rows = [line.split() for line in self._path.read_text().splitlines()]
        found, level = list[tuple[int, int]](), 0
        for change, at, _ in sorted(rows, key=lambda row: int(row[1])):
            level += int(change)
            found.append((int(at), level))
        return found

    def most(self) -> int:
        """Return how many ran at once at the most."""
        return max(level for _, level in self.levels())


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def states(queue: Queue) -> list[str]:
    return sorted({str(job.state) for job in queue.jobs()})


def count(queue: Queue, state: str) -> int:
    return len(queue.jobs(state=state))


def running(queue: Queue) -> list[Job]:
    return queue.jobs(state="processing")


def claim_times_us(queue: Queue, jobs: Sequence[Job]) -> list[int]:
    """Return when jobs were claimed, by the log's time."""
    told = (each for job in jobs for each in queue.history(job.id))
    return sorted(each.at_us for each in told if isinstance(each.event, Claimed))


def held_after_each_transaction(queue: Queue) -> list[int]:
    """Return how many jobs were claimed and had not completed, after each transaction in which that changed."""
    after, level = dict[int, int](), 0
    for each in queue.events():
        level += isinstance(each.event, Claimed) - isinstance(each.event, Completed)
        if isinstance(each.event, Claimed | Completed):
            after[each.at_us] = level
    return list(after.values())


def finish(queue: Queue, path: Path) -> None:
    """Let jobs end that wait for a file, and wait for them."""
    path.touch()
    wait_until(lambda: states(queue) == ["completed"])


def until_there(path: Path) -> str:
    return f"while [ ! -e {path} ]; do sleep 0.02; done"


# How many run


def test_never_more_run_than_a_limit_lets_and_mostly_as_many(queue: Queue, start: StartWorker, log: Log) -> None:
    """Forty jobs for a worker with eight slots, by what the runs themselves tell, and by the log."""
    queue.limits.set("api", running=3)
    queue.enqueue_many([JobRequest(log.command(0.15), use=["api"])] * 40)
    start(slots=8)
    wait_until(lambda: states(queue) == ["completed"], timeout_s=60)
    assert len(log.levels()) == 80
    assert log.most() == 3
    held = held_after_each_transaction(queue)
    assert set(held[:-3]) == {3}  # the next is claimed where an end is told, until none is left
    assert queue.limits.state("api").used == 0
    assert queue.admin.replay(check=True).differences == []


def test_what_a_killed_worker_used_is_free_for_another_at_once(queue: Queue, start: StartWorker, log: Log) -> None:
    """Its units are those of its jobs, which the other takes back: within two seconds what is used is what runs."""
    queue.limits.set("api", running=3)
    queue.enqueue_many([JobRequest(log.command(0.2), use=["api"], backoff_base=1)] * 40)
    killed = start(slots=8)
    wait_until(lambda: count(queue, "completed") >= 10)
    held = {job.lease.worker for job in running(queue) if job.lease is not None}
    killed.signal(signal.SIGKILL)
    killed.exit_code()
    start(slots=8)
    [gone] = held
    begun = time.monotonic()
    wait_until(lambda: all(job.lease is not None and job.lease.worker != gone for job in running(queue)))
    assert time.monotonic() - begun < 2
    assert queue.limits.state("api").used <= 3
    wait_until(lambda: states(queue) == ["completed"], timeout_s=60)
    assert len(queue.jobs()) == 40
    assert queue.limits.state("api").used == 0
    ends = [each for job in queue.jobs() for each in queue.history(job.id) if isinstance(each.event, Completed)]
    assert len(ends) == 40
    assert queue.admin.replay(check=True).differences == []


@pytest.mark.parametrize(("limit", "asked"), [("queue:mail", {"queue": "mail"}), (None, {"use": ["mutex:m"]})])
def test_a_queues_limit_and_a_mutex_hold_over_two_workers(
    queue: Queue, start: StartWorker, log: Log, limit: str | None, asked: dict[str, object]
) -> None:
    """Also where jobs are brief, which workers otherwise claim ahead of free slots."""
    if limit is not None:
        queue.limits.set(limit, running=1)
    queue.enqueue_many([JobRequest(log.command(0.02), **asked) for _ in range(20)])
    for _ in range(2):
        start(slots=3, poll_s=60)
    wait_until(lambda: states(queue) == ["completed"], timeout_s=60)
    assert (len(log.levels()), log.most()) == (40, 1)


def test_a_retry_passes_the_limit_and_a_job_that_waits_for_one_holds_nothing(
    queue: Queue, start: StartWorker, tmp_path: Path
) -> None:
    """While the first waits for its retry the second runs, and the retry waits for that in turn."""
    go = tmp_path / "go"
    queue.limits.set("api", running=1)
    queue.enqueue(f"test -e {go}", id="a", use=["api"], backoff_base=1)
    queue.enqueue(until_there(go), id="b", use=["api"])
    start(slots=4)
    wait_until(lambda: [job.id for job in running(queue)] == ["b"])
    assert queue.job("a").state == "failed"
    wait_until(lambda: queue.ui.now_us() > queue.job("a").due_us + 500_000)
    assert queue.job("a").attempts == 1
    assert [blocker.code for blocker in queue.why("a")] == ["limit"]
    finish(queue, go)
    assert queue.job("a").attempts == 2


# How many start


def test_starts_are_as_far_apart_as_a_rate_says_and_none_is_late(queue: Queue, start: StartWorker) -> None:
    """By the times of the claims, which two workers make that do not look at the queue otherwise."""
    queue.limits.set("web", rate="5/s", burst=1)
    for _ in range(2):
        start(slots=4, poll_s=60)
    queue.enqueue_many([JobRequest("true", use=["web"])] * 10)
    wait_until(lambda: states(queue) == ["completed"])
    gaps = [after - before for before, after in pairwise(claim_times_us(queue, queue.jobs()))]
    assert len(gaps) == 9
    assert min(gaps) >= 200_000
    assert sum(gaps) < 9 * 200_000 + 1_500_000


# Who wakes whom


def test_a_limit_that_changes_is_heeded_at_once(queue: Queue, start: StartWorker, tmp_path: Path) -> None:
    """Raised, lowered to 0 and raised again: the worker looks for itself once a minute only."""
    go = tmp_path / "go"
    queue.limits.set("api", running=0)
    queue.enqueue_many([JobRequest(until_there(go), use=["api"])] * 6)
    start(slots=8, poll_s=60)
    queue.enqueue("true", id="first", priority=9)
    queue.wait("first", timeout=20)
    queue.limits.set("api", running=2)
    wait_until(lambda: len(running(queue)) == 2, timeout_s=AT_ONCE_S)
    queue.limits.set("api", running=3)
    wait_until(lambda: len(running(queue)) == 3, timeout_s=AT_ONCE_S)
    queue.limits.set("api", running=0)
    go.touch()
    wait_until(lambda: not running(queue), timeout_s=AT_ONCE_S)
    queue.enqueue("true", id="second")  # the worker has looked again, and left the others
    queue.wait("second", timeout=20)
    assert count(queue, "pending") == 3
    queue.limits.set("api", running=3)
    wait_until(lambda: states(queue) == ["completed"], timeout_s=AT_ONCE_S)


@pytest.mark.parametrize("limit", ["api", "queue:there"])
@pytest.mark.parametrize("end", ["completes", "fails", "is cancelled", "is given back"])
def test_a_run_that_ends_wakes_another_worker_that_waits_for_its_unit(
    queue: Queue, start: StartWorker, tmp_path: Path, end: str, limit: str
) -> None:
    """Which serves another queue, or the same by a limit of the queue, and would look only after a minute."""
    go = tmp_path / "go"
    queue.limits.set(limit, running=1)
    use = None if limit.startswith("queue:") else ["api"]
    there, here = "there", "there" if use is None else "here"
    queue.enqueue(f"{until_there(go)}; {'false' if end == 'fails' else 'true'}", id="a", queue=there, use=use)
    holder = start(slots=1, poll_s=60, queues=[there])
    wait_until(lambda: len(running(queue)) == 1)
    start(slots=2, poll_s=60, queues=[here, "else"])
    queue.enqueue("true", id="b", queue=here, use=use, priority=1)
    queue.enqueue("true", id="c", queue="else")
    queue.wait("c", timeout=20)
    assert queue.job("b").state == "pending"
    if end == "is cancelled":
        queue.cancel("a")
    elif end == "is given back":
        for each in (signal.SIGTERM, signal.SIGINT):  # the same again could be told as one
            holder.signal(each)
    else:
        go.touch()
    wait_until(lambda: queue.job("b").state == "completed", timeout_s=AT_ONCE_S)


# Draining


def test_a_worker_that_drains_leaves_what_can_never_run_and_waits_for_what_can(
    queue: Queue, start: StartWorker, tmp_path: Path
) -> None:
    """It waits for a unit that another worker's job holds, and for its turn by a rate."""
    go = tmp_path / "go"
    for name, units in (("api", 1), ("gpu", 4), ("shut", 1)):
        queue.limits.set(name, running=units)
    queue.limits.set("web", rate="2/s", burst=1)
    queue.enqueue(until_there(go), id="holds", queue="other", use=["api"])
    start(queues=["other"])
    wait_until(lambda: len(running(queue)) == 1)
    queue.enqueue_many([JobRequest("true", use=["api"]), *[JobRequest("true", use=["web"])] * 3])
    queue.enqueue("true", id="too-large", use=["gpu=3"])
    queue.enqueue("true", id="shut", use=["shut"])
    queue.limits.set("gpu", running=2)
    queue.limits.set("shut", running=0)
    drains = start(drain=True, queues=["default"])
    wait_until(lambda: count(queue, "completed") == 3)
    assert drains.process.poll() is None
    go.touch()
    assert drains.exit_code() == 0
    assert "2 jobs are left, paused, under too small a limit" in drains.said()
    assert {job.id for job in queue.jobs() if job.state != "completed"} == {"too-large", "shut"}


# Reservation


def test_what_needs_much_starts_although_what_needs_little_never_ends(
    queue: Queue, start: StartWorker, log: Log
) -> None:
    """Once it has waited for `overtake_s` those after it wait too: it starts after the longest run of them."""
    longest_s = 0.6
    queue.admin.config_set("overtake_s", 1)
    queue.limits.set("gpu", running=4)
    little = [JobRequest(log.command(seconds), use=["gpu"]) for seconds in (0.3, 0.4, 0.5, longest_s)]
    queue.enqueue_many(little)
    start(slots=8)
    wait_until(lambda: len(running(queue)) == 4)
    much = queue.enqueue("true", id="much", use=["gpu=4"])
    queue.enqueue_many(little * 20)
    job = queue.wait("much", timeout=30)
    [claimed_us] = claim_times_us(queue, [job])
    assert claimed_us - much.created_at_us < (1 + longest_s + 1) * 1_000_000  # a second for all it takes beside
    assert claimed_us - much.created_at_us >= 1_000_000
    assert count(queue, "pending") > 20
