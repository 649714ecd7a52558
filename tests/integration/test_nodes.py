"""Two nodes in processes of their own, killed again and again: nothing runs twice, and nothing is lost."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count, cycle
from pathlib import Path
from random import Random

import pytest

from queuectl import JobRequest, Queue
from queuectl.events.types import Completed, Started, WorkerStopped
from tests.nodes import check_alike
from tests.stream_processes import Follower, served_stream
from tests.stream_server import StreamClient
from tests.waiting import wait_until
from tests.workers import LiveWorker

LEASE_S = 30
"""A killed worker's jobs come back at once; only a claim still on its way when others looked for it waits for this."""

NODES = ("a", "b")


@pytest.fixture
def stream() -> Iterator[Path]:
    with served_stream() as path:
        yield path


class Cluster:
    """Two nodes with a worker and a follower each, and the queues of both as this process has them."""

    def __init__(self, home: Path, stream: Path, opened: ExitStack) -> None:
        self.home = home
        self.stream = stream
        self.queues = {
            node: opened.enter_context(Queue.open(home / node / "db", stream=StreamClient(stream))) for node in NODES
        }
        self.followers = {node: Follower(home / node / "db", stream) for node in NODES}
        self._numbers = count()
        self.workers = {node: self.start_worker(node) for node in NODES}
        opened.callback(self.close)

    def start_worker(self, node: str) -> LiveWorker:
        worker_id = f"{node}{next(self._numbers)}"
        return LiveWorker(self.home / node / "db", stream=self.stream, slots=2, lease_s=LEASE_S, id=worker_id)

    def kill_worker(self, node: str) -> None:
        """Kill a worker that is at work, wherever it is, and start another one."""
        worker = self.workers[node]
        wait_until(lambda: "attempt" in worker.said() or not self.left())
        worker.process.kill()
        assert worker.exit_code() == -signal.SIGKILL, worker.said()
        self.workers[node] = self.start_worker(node)

    def left(self) -> int:
        """Return how many jobs have not completed yet."""
        return sum(count for state, count in self.queues[NODES[0]].status().jobs.items() if state != "completed")

    def stop(self) -> None:
        """Let the workers end, and each node have all there is."""
        for worker in self.workers.values():
            worker.signal(signal.SIGTERM)
        for worker in self.workers.values():
            assert worker.exit_code() == 0, worker.said()
        for queue in self.queues.values():
            queue._engine.writer.catch_up()

    def close(self) -> None:
        for worker in self.workers.values():
            worker.kill()
        for follower in self.followers.values():
            follower.kill()


@pytest.fixture
def cluster(tmp_path: Path, stream: Path) -> Iterator[Cluster]:
    with ExitStack() as opened:
        for node in NODES:
            (tmp_path / node).mkdir()
        yield Cluster(tmp_path, stream, opened)


@pytest.mark.parametrize("jobs", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_nothing_runs_twice_and_nothing_is_lost(cluster: Cluster, tmp_path: Path, jobs: int) -> None:
    """Whatever is killed at whatever moment, each attempt runs once at the most, and one of each job completes."""
    ran = tmp_path / "ran"
    ran.mkdir()
    here, there = cluster.queues.values()
    here.admin.config_set("backoff_base", 0)
    command = f'sleep 0.$(( $$ % 3 )); echo "$QUEUECTL_ATTEMPT" >> {ran}/"$QUEUECTL_JOB_ID"'
    half = jobs // 2
    ids = [
        *here.enqueue_many([JobRequest(command, id=f"here{n}", max_retries=50) for n in range(half)]).ids,
        *there.enqueue_many([JobRequest(command, id=f"there{n}", max_retries=50) for n in range(jobs - half)]).ids,
    ]
    kill_at_random(cluster, Random(jobs), times=jobs // 15)
    wait_until(lambda: not cluster.left(), timeout_s=60)
    cluster.stop()
    check_alike([here, there])
    for queue in cluster.queues.values():
        assert queue.admin.verify().problems == []
        assert queue.workers() == []
    events = list(here.events())
    ends = Counter(each.stream for each in events if isinstance(each.event, Completed))
    assert (len(ends), set(ends.values())) == (jobs, {1})
    for job_id in ids:
        begun = {each.event.attempt for each in here.history(job_id) if isinstance(each.event, Started)}
        lines = [int(line) for line in (ran / job_id).read_text().split()]
        assert len(set(lines)) == len(lines), f"an attempt of {job_id} ran twice"
        assert set(lines) <= begun
        assert here.job(job_id).attempts in lines
    found = [each for each in events if isinstance(each.event, WorkerStopped) and each.event.why == "found gone"]
    assert len(found) == jobs // 15


def kill_at_random(cluster: Cluster, random: Random, times: int) -> None:
    """Kill a worker and a follower at a time, at moments of chance, on one node after the other."""
    for _, node in zip(range(times), cycle(NODES), strict=False):
        time.sleep(random.uniform(0.0, 0.3))
        cluster.kill_worker(node)
        time.sleep(random.uniform(0.0, 0.3))
        cluster.followers[random.choice(NODES)].kill_and_restart()
