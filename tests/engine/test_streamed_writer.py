"""What a node of a shared log does where others act too, and what it refuses."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest

from queuectl import CompactBusy, DuplicateJob, InvalidLine, Job, JobNotFound, JobRequest, KeyTaken, Queue, WrongState
from queuectl.engine.follower import Follower
from queuectl.errors import StoreError
from queuectl.events.append import Append
from queuectl.events.codec import name_of
from queuectl.events.event_stream import Message, Outrun, Published, to_payload
from queuectl.events.types import WorkerStopped
from queuectl.retention.compact import Retention
from queuectl.retention.policy import Limits, Rule
from tests.clocks import FakeClock
from tests.nodes import Killed, check_alike
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


class Busy(MemoryStream):
    """Something new is there at each look, and a reader is shown one message at a time."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.is_busy = self.is_slow = False

    def last(self) -> int:
        if self.is_busy:
            count = super().last()
            payload = to_payload([Append(f"worker:w{count}", 0, (WorkerStopped("gone"),))], at_us=0, actor="x", cause=0)
            self.publish([Message(f"named.worker:w{count}", 0, f"id{count}", payload)], whole=False)
        return super().last()

    def read(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        return super().read(after, 1 if self.is_slow else limit)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def busy(clock: FakeClock) -> Busy:
    return Busy(clock)


@pytest.fixture
def busy_nodes(tmp_path: Path, busy: Busy, clock: FakeClock) -> Iterator[list[Queue]]:
    """Yield two nodes on a stream that can be busy and slow."""
    with (
        Queue.open(tmp_path / "a", stream=busy, clock=clock) as a,
        Queue.open(tmp_path / "b", stream=busy, clock=clock) as b,
    ):
        yield [a, b]


def test_a_key_that_another_node_s_job_holds_is_held(nodes: list[Queue]) -> None:
    """A node looks at what the stream has by then, and finds or changes that job; a retry goes by what it has."""
    here, there = nodes
    here.enqueue("true", id="a", unique="k")
    assert there.enqueue("true", id="b", unique="k").id == "a"
    assert there.enqueue("false", id="b", unique="k", if_exists="replace").command == "false"
    assert here.enqueue("true", unique="k").command == "false"
    here.cancel("a")
    assert there.enqueue("true", id="b", unique="k").id == "b"
    here.log.catch_up()
    with pytest.raises(KeyTaken, match="held by job 'b'"):
        here.retry("a")
    check_alike(nodes)


def test_of_two_that_nodes_enqueued_in_one_moment_both_are_there(nodes: list[Queue]) -> None:
    """Nodes do not keep each other from that; the views stay alike, and a retry takes the key from neither."""
    here, there = nodes
    here.enqueue("true", id="a", unique="k")
    with patch("queuectl.engine.unit_of_work.Unit._catch_up", return_value=False):
        assert there.enqueue("true", id="b", unique="k").id == "b"
    held = {here.enqueue("true", unique="k").id, there.enqueue("true", unique="k").id}
    assert len(held) == 1
    here.cancel(*held)
    assert {there.enqueue("true", unique="k").id} == {"a", "b"} - held
    with pytest.raises(KeyTaken):
        there.retry(*held)
    check_alike(nodes)


def test_a_refusal_stands_though_something_is_always_new(busy_nodes: list[Queue], busy: Busy) -> None:
    """After as many looks as it takes a refusal is told as what it is."""
    here, _ = busy_nodes
    here.enqueue("true", id="a")
    here.cancel("a")
    busy.is_busy = True
    with pytest.raises(WrongState):
        here.cancel("a")
    with pytest.raises(DuplicateJob):
        here.enqueue("true", id="a")
    with pytest.raises(JobNotFound):
        here.cancel("nothing")
    assert here.worker("w").claim() == []
    assert here.admin.config_set("max_retries", 3) == 3


def test_a_guard_is_never_seen_before_what_it_guards(busy_nodes: list[Queue], busy: Busy, clock: FakeClock) -> None:
    """A node that reads one message at a time does not retry a job that another has let go."""
    here, there = busy_nodes
    here.enqueue("true", id="a")
    here.cancel("a")
    there._engine.writer.catch_up()
    clock.advance(60)
    assert here.admin.compact(older_than_s=1).jobs == 1
    busy.is_slow = True
    with pytest.raises(JobNotFound):
        there.retry("a")
    assert there.enqueue("true", id="a").state == "pending"
    check_alike(caught_up(busy_nodes))


def caught_up(nodes: list[Queue]) -> list[Queue]:
    for queue in nodes:
        queue._engine.writer.catch_up()
    return nodes


def test_nothing_to_do_is_decided_on_what_is_there(nodes: list[Queue]) -> None:
    """A node that is behind sets a setting, or edits a job, to what it has here: elsewhere it was changed since."""
    here, there = nodes
    here.enqueue("true", id="a", priority=1)
    here.admin.config_set("max_retries", 4)
    there._engine.writer.catch_up()
    here.edit("a", priority=5)
    here.admin.config_set("max_retries", 7)
    there.edit("a", priority=1)
    there.admin.config_set("max_retries", 4)
    here._engine.writer.catch_up()
    assert (here.job("a").priority, here.admin.config_get("max_retries")) == (1, 4)


def test_what_is_refused_replaces_nothing(nodes: list[Queue]) -> None:
    """Of several jobs of which one is refused none is enqueued, and none that was to be replaced is removed."""
    here, there = nodes
    here.enqueue("true", id="a")
    here.cancel("a")
    here.enqueue("true", id="b")
    with pytest.raises(InvalidLine):
        there.enqueue_many([JobRequest("true", id="a", replace=True), JobRequest("true", id="b", replace=True)])
    assert {job.id: str(job.state) for job in there.jobs()} == {"a": "cancelled", "b": "pending"}


def test_a_segment_that_an_event_names_stays(busy_nodes: list[Queue], clock: FakeClock) -> None:
    """Another node compacts between two parts of a pass: what the first part archived is there, and the rest stays."""
    here, there = busy_nodes
    for n in range(8):
        here.enqueue("true", id=f"j{n}")
        here.cancel(f"j{n}")
    clock.advance(60)
    limits = Limits(step_jobs=1, step_events=4, segment_events=100, segment_bytes=1 << 20)
    steps = Retention(here._engine, Rule(here.log.head() - 4, False), None, limits=limits).steps()
    while "retention_applied" not in [name_of(each.event) for each in here.events(last=1)]:
        next(steps)
    assert there.admin.compact(older_than_s=1).jobs > 0
    here._engine.writer.catch_up()
    with pytest.raises(CompactBusy):
        list(steps)
    assert [name_of(each.event) for each in here.history("j0")] == ["enqueued", "cancelled"]
    assert here.admin.compact(older_than_s=1).jobs == 0
    check_alike(caught_up(busy_nodes))


def test_a_segment_of_which_nothing_went_here_is_no_hindrance(busy_nodes: list[Queue], clock: FakeClock) -> None:
    """Where another node let all of it go meanwhile, and sealed the very same, that is it; the next pass goes on."""
    here, there = busy_nodes
    here.enqueue("true", id="a")
    here.cancel("a")
    clock.advance(60)
    steps = Retention(here._engine, Rule(2, False), None, limits=Limits()).steps()
    while not list(here.path.rglob("*.seg")):
        next(steps)
    assert there.admin.compact(older_than_s=1).jobs == 1
    here._engine.writer.catch_up()
    with suppress(CompactBusy):
        list(steps)
    assert not list(here.path.rglob("*.pending"))
    assert [name_of(each.event) for each in here.history("a")] == ["enqueued", "cancelled"]
    here.enqueue("true", id="b")
    here.cancel("b")
    clock.advance(60)
    assert here.admin.compact(older_than_s=1).jobs == 1
    assert here.admin.verify().problems == []


def test_a_lease_is_renewed_of_the_jobs_that_a_worker_has(busy_nodes: list[Queue], clock: FakeClock) -> None:
    """A claim that never reached its worker is taken back when its lease is over, whatever the worker holds else."""
    here, _there = busy_nodes
    for job_id in "ab":
        here.enqueue("true", id=job_id)
    worker = here.worker("w")
    lost, had = worker.exchange([], want=2, lease_s=10).claimed
    for _ in range(3):
        clock.advance(8)
        worker.exchange([], want=0, lease_s=10, hold=True, held=[had])
    assert [job.id for job in here.worker("v").recover().jobs] == [lost.id]


def test_nodes_go_by_the_time_of_their_stream(tmp_path: Path, busy: Busy) -> None:
    """One whose clock is an hour ahead takes no job from a worker that goes on."""
    ahead = FakeClock()
    ahead.jump(3600)
    with (
        Queue.open(tmp_path / "a", stream=busy, clock=FakeClock()) as here,
        Queue.open(tmp_path / "b", stream=busy, clock=ahead) as there,
    ):
        here.enqueue("true", id="a")
        here.worker("w").exchange([], want=1, lease_s=30)
        there._engine.writer.catch_up()
        assert there.worker("v").recover() == ([], [])
        assert there.enqueue("true").created_at_us < ahead.now_us() - 3_000_000_000


def test_a_pass_that_dies_as_it_has_told_leaves_its_segment(
    busy_nodes: list[Queue], busy: Busy, clock: FakeClock
) -> None:
    """Its message arrives late: the segment that it names is there, whatever passes there were since."""
    here, there = busy_nodes
    here.enqueue("true", id="a")
    here.cancel("a")
    there.log.catch_up()
    clock.advance(60)
    sent: list[list[Message]] = []

    def die(batch: list[Message], *, whole: bool) -> list[Published | Outrun]:
        sent.append(batch)
        raise Killed

    with patch.object(busy, "publish", die), pytest.raises(Killed):
        here.admin.compact(older_than_s=1)
    with patch.object(Follower, "catch_up", lambda self, *args, **options: 0):
        busy.publish(sent[0], whole=True)
    assert here.admin.compact(older_than_s=1).jobs == 0
    here.enqueue("true", id="b")
    here.cancel("b")
    clock.advance(60)
    assert here.admin.compact(older_than_s=1).jobs == 1
    assert [name_of(each.event) for each in here.history("a")] == ["enqueued", "cancelled"]
    assert here.admin.verify().problems == []


def test_a_stream_that_is_another_is_told(tmp_path: Path, nodes: list[Queue]) -> None:
    """Nothing is acknowledged by what stands elsewhere under the same number."""
    here, _ = nodes
    for job_id in "ab":
        here.enqueue("true", id=job_id)
    with (
        Queue.open(here.path, stream=MemoryStream()) as queue,
        pytest.raises(StoreError, match="has 2 messages of another one"),
    ):
        queue.enqueue("true", id="c")


def test_a_message_that_no_node_wrote_is_told(nodes: list[Queue], stream: MemoryStream) -> None:
    """It says which, and reading goes on."""
    here, _ = nodes
    here.enqueue("true", id="a")
    stream.publish([Message("job.b", 0, "garbage", b"\xc1")], whole=False)
    with pytest.raises(StoreError, match="cannot follow the shared log beyond message 1: the next"):
        here.log.catch_up()
    assert [job.id for job in here.jobs()] == ["a"]
