"""Events chosen by type, job, queue and actor: always what a filter over the whole log would give."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl import InvalidInput, JobNotFound, JobRequest, Queue, Recorded
from queuectl.events.codec import name_of
from queuectl.store.event_reader import EventReader
from queuectl.store.store import key_of
from tests.clocks import FakeClock
from tests.lives import holder


@pytest.fixture
def busy(queue: Queue, clock: FakeClock) -> Queue:
    """Return a queue with a random past: two queues, several workers, removed jobs, ids used again, settings."""
    chance = random.Random(5)
    for _ in range(30):
        names = chance.sample([f"j{n}" for n in range(12)], 4)
        requests = [JobRequest("true", each, queue=chance.choice(["a", "b"]), max_retries=0) for each in names]
        queue.enqueue_many(requests, skip_existing=True)
        for job in queue.worker(chance.choice(["w1", "w2"])).claim(2):
            running = holder(queue, job).start(job)
            holder(queue, running).complete(running) if chance.random() < 0.6 else holder(queue, running).fail(
                running, "no"
            )
        queue.admin.config_set("max_retries", chance.randrange(9))
        if chance.random() < 0.5:
            queue.clear(all=True)
        clock.advance(1)
    return queue


def slowly(busy: Queue, /, **wanted: object) -> Iterator[Recorded]:
    """Choose from the whole log, looking up each event's job by itself."""
    first = {each.position: each.event for each in busy.events(types=["enqueued"])}
    for each in busy.events():
        spec = first[each.stream].spec if isinstance(each.stream, int) else None  # type: ignore[union-attr]
        told = {
            "types": name_of(each.event),
            "job": spec.id if spec else None,
            "queue": spec.queue if spec else None,
            "actor": each.actor,
        }
        if all(told[key] in (value if key == "types" else [value]) for key, value in wanted.items()):  # type: ignore[operator]
            yield each


CHOICES: list[dict[str, object]] = [
    {},
    {"queue": "a"},
    {"queue": "nowhere"},
    {"actor": "w1"},
    {"job": "j3"},
    {"types": ["completed", "config_changed"]},
    {"queue": "b", "actor": "w2", "types": ["failed", "dead"]},
    {"job": "j4", "types": ["enqueued"]},
    {"job": "j4", "queue": "a"},
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_choice_is_what_a_filter_gives(busy: Queue, choice: dict[str, object]) -> None:
    """Each combination gives the very events that a filter over the log gives; so do bounds, first and newest."""
    wanted = list(slowly(busy, **choice))
    assert list(busy.events(**choice)) == wanted  # type: ignore[arg-type]
    for count in (0, 1, 3, 10_000):
        assert list(busy.events(limit=count, **choice)) == wanted[:count]  # type: ignore[arg-type]
        assert list(busy.events(last=count, **choice)) == wanted[max(0, len(wanted) - count) :]  # type: ignore[arg-type]
    after, until = busy.log.head() // 3, busy.log.head() // 2
    within = [each for each in wanted if after < each.position <= until]
    assert list(busy.events(after=after, until=until, **choice)) == within  # type: ignore[arg-type]
    assert list(busy.events(after=after, until=until, last=2, **choice)) == within[-2:]  # type: ignore[arg-type]


def test_a_named_stream_can_be_chosen(busy: Queue) -> None:
    """What is asked for as a job may be a named stream, where no job has that for an id."""
    changes = list(slowly(busy, types=["config_changed"]))
    assert list(busy.events(job="config")) == busy.history("config") == changes
    busy.enqueue("true", id="config")
    assert [name_of(each.event) for each in busy.history("config")] == ["enqueued"]


def test_a_worker_has_a_history(queue: Queue) -> None:
    """worker: and an id gives the life of a worker, with the reason for its start; one that never was is refused."""
    queue.worker("w1").started(host="here", pid=1, slots=2, reason="more power")
    queue.worker("w1").stopped("drained")
    assert [each.reason for each in queue.history("worker:w1")] == ["more power", None]
    with pytest.raises(InvalidInput, match="worker: found 'w2'"):
        queue.history("worker:w2")
    assert queue.history("config") == []


def test_what_there_is_not_is_refused(busy: Queue) -> None:
    """A type that is none, a count that is none and a job that never was are refused."""
    with pytest.raises(InvalidInput, match="event type"):
        busy.events(types=["exploded"])
    with pytest.raises(InvalidInput, match="limit"):
        busy.events(limit=-1)
    with pytest.raises(InvalidInput, match="last"):
        busy.events(last=-1)
    with pytest.raises(InvalidInput, match="queue: found 'a b'"):
        busy.events(queue="a b")
    with pytest.raises(JobNotFound):
        list(busy.events(job="nobody"))


def test_a_job_is_found_by_its_stream(busy: Queue) -> None:
    """A job's events are read without the rest of the log: damage elsewhere is not even seen."""
    wanted = busy.history("j3")
    spared = {each.position for each in wanted} | {busy.log.head()}
    with busy._store.write() as txn:
        for position in set(range(1, busy.log.head())) - spared:
            txn.put("log", key_of(position), b"damaged")
    assert list(busy.events(job="j3")) == wanted


def test_read_back_is_the_log_backwards(tmp_path: Path) -> None:
    """Reading back gives every event below a position, last first."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue_many([JobRequest("true")] * 5)
        with queue._store.read() as txn:
            assert [each.position for each in EventReader(txn).read_back(5)] == [4, 3, 2, 1]
            assert [each.position for each in EventReader(txn).read_back(99)] == [5, 4, 3, 2, 1]
