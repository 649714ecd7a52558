"""What a node of a shared log does where others act too, and what it refuses."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from queuectl import Job, JobNotFound, JobRequest, Queue
from queuectl.errors import StoreError
from tests.streams import MemoryStream


@pytest.fixture
def stream() -> MemoryStream:
    return MemoryStream()


@pytest.fixture
def nodes(tmp_path: Path, stream: MemoryStream) -> Iterator[list[Queue]]:
    """Yield two nodes, neither of which follows until it has to."""
    with Queue.open(tmp_path / "a", stream=stream) as a, Queue.open(tmp_path / "b", stream=stream) as b:
        yield [a, b]


def test_a_node_is_not_changed_without_its_stream(nodes: list[Queue]) -> None:
    """What was appended there alone would be in no other node's log; what it has is read as ever."""
    here, _ = nodes
    here.enqueue("true", id="a")
    with Queue.open(here.path) as alone:
        for act in (lambda: alone.enqueue("true"), lambda: alone.cancel("a"), alone.worker("w").claim):
            with pytest.raises(StoreError, match="a node of several that share a log"):
                act()
        assert [job.id for job in alone.jobs()] == ["a"]
        assert alone.admin.replay().differences == []


def test_a_queue_with_events_of_its_own_does_not_become_a_node(tmp_path: Path, stream: MemoryStream) -> None:
    """Its positions would not be the other nodes'; it stays what it was."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
    with pytest.raises(StoreError, match="it has 1 events of its own"):
        Queue.open(tmp_path / "q", stream=stream)
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="b")


def test_a_claim_finds_what_another_node_enqueued(nodes: list[Queue]) -> None:
    """That nothing is ready is said only of what the stream has by then."""
    here, there = nodes
    here.enqueue("true", id="a")
    assert [job.id for job in there.worker("w").claim()] == ["a"]
    assert there.worker("w").claim() == []


def test_a_worker_is_stopped_from_another_node(nodes: list[Queue]) -> None:
    """It runs there, whatever this machine knows of such a process, and learns of it as it follows."""
    here, there = nodes
    there.worker("w").started(host="elsewhere", pid=1, slots=1)
    here.worker("w").stop(now=True)
    assert [(info.id, info.state) for info in here.workers()] == [("w", "stopping")]
    there._engine.writer.catch_up()
    assert there.worker("w").stop_requested() == "now"


def test_one_to_be_replaced_may_be_gone_by_then(nodes: list[Queue]) -> None:
    """What has the id now is what is replaced: nothing, or another job of it."""
    here, there = nodes
    here.enqueue("true", id="a")
    here.cancel("a")
    there._engine.writer.catch_up()
    here.clear(all=True, state="cancelled")
    there.enqueue_many([JobRequest("true", id="a", replace=True)])
    here.cancel("a")
    here.enqueue_many([JobRequest("true", id="a", replace=True)])
    here.cancel("a")
    assert there.enqueue_many([JobRequest("false", id="a", replace=True)]).ids == ["a"]
    assert [(job.command, job.state) for job in there.jobs()] == [("false", "pending")]


@pytest.mark.parametrize("act", [Queue.cancel, lambda queue, job_id: queue.edit(job_id, delay=5)])
def test_an_id_may_have_another_job_by_then(nodes: list[Queue], act: Callable[[Queue, str], Job]) -> None:
    """What is done to an id is done to the job that has it, which this node has not seen yet; or there is none."""
    here, there = nodes
    here.enqueue("true", id="a")
    here.cancel("a")
    there._engine.writer.catch_up()
    there.enqueue_many([JobRequest("true", id="a", replace=True)])
    assert act(here, "a").number == there.job("a").number
    there._engine.writer.catch_up()
    if there.job("a").state == "pending":
        there.cancel("a")
    there.clear(all=True, state="cancelled")
    with pytest.raises(JobNotFound, match="no job 'a'"):
        act(here, "a")


def test_workers_of_other_nodes_are_not_taken_for_gone(nodes: list[Queue]) -> None:
    """Nothing is known here of their processes: not even that of one that names this machine has ended."""
    here, there = nodes
    there.worker("w").started(host="elsewhere", pid=1, slots=1)
    there.enqueue("true", id="a")
    there.worker("w").exchange([], want=1, lease_s=600)
    here._engine.writer.catch_up()
    assert here.worker("me").recover() == ([], [])
    assert [(info.id, info.state, len(info.runs)) for info in here.workers()] == [("w", "running", 1)]
