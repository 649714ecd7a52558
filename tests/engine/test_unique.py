"""Unique keys: one job at a time holds a key, whoever enqueues, and whatever becomes of it."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from queuectl import Bulk, DuplicateJob, InvalidInput, InvalidLine, Job, JobRequest, JobState, KeyTaken, Queue
from queuectl.api.ui import Ui
from queuectl.core.job_filter import filter_of
from queuectl.core.unique import Answer
from queuectl.engine import writer
from tests.clocks import FakeClock
from tests.waiting import wait_until

LONG: dict[str, Any] = {"unique": "k", "unique_for": 60}


def run(queue: Queue) -> Job:
    """Let a worker begin the next job."""
    worker = queue.worker("w")
    [job] = worker.claim()
    return worker.start(job)


def ended(queue: Queue) -> None:
    """Let the next job run to its good end."""
    queue.worker("w").complete(run(queue))


def answer(queue: Queue, **asked: Any) -> Answer:
    """Enqueue, and return whether the job was there."""
    return queue.ui.enqueue_or_find(JobRequest("echo again", **asked))


def failing(queue: Queue) -> None:
    """Let the next job's run fail."""
    queue.worker("w").fail(run(queue), "exit code 1", return_code=1)


@pytest.mark.parametrize("reached", [lambda queue: None, run, failing], ids=["pending", "processing", "failed"])
def test_a_job_that_has_not_ended_holds_its_key(queue: Queue, reached: Callable[[Queue], object]) -> None:
    """Whoever asks for it is given that job, as it is, and nothing is enqueued."""
    queue.enqueue("true", id="a", unique="k")
    reached(queue)
    before, head = queue.job("a"), queue.log.head()
    assert answer(queue, id="b", unique="k") == (before, True, False)
    assert queue.enqueue("true", unique="k", if_exists="return") == before
    assert queue.log.head() == head
    assert queue.enqueue("true", id="b", unique="other").id == "b"


@pytest.mark.parametrize("end", [ended, lambda queue: queue.cancel("a")], ids=["completed", "cancelled"])
def test_the_end_frees_it(queue: Queue, end: Callable[[Queue], object]) -> None:
    """The next request for the key is enqueued, and holds it from there on."""
    queue.enqueue("true", id="a", unique="k")
    end(queue)
    assert answer(queue, id="b", unique="k").existing is False
    assert answer(queue, id="c", unique="k").job.id == "b"


def test_it_is_held_for_a_time_in_any_case(queue: Queue, clock: FakeClock) -> None:
    """From when it was enqueued, and no longer by a microsecond; a job that goes on beyond that holds it still."""
    queue.enqueue("true", id="a", **LONG)
    ended(queue)
    clock.advance(59)
    assert answer(queue, id="b", **LONG).job.id == "a"
    clock.advance(1)
    assert answer(queue, id="b", **LONG).job.id == "b"
    clock.advance(100)
    assert answer(queue, id="c", unique="k").job.id == "b"


def test_a_removal_frees_it(queue: Queue) -> None:
    """Of a job that is no longer listed nothing is held."""
    queue.enqueue("true", id="a", **LONG)
    queue.cancel("a")
    with pytest.raises(KeyTaken, match=r"'a' \(cancelled\).*queuectl remove a"):
        queue.enqueue("true", unique="k", if_exists="refuse")
    queue.remove("a")
    assert answer(queue, id="b", unique="k").job.id == "b"


def test_a_refusal_names_the_holder(queue: Queue) -> None:
    """A program reads the holder's id and the key from its fields."""
    queue.enqueue("true", id="a", unique="k")
    with pytest.raises(KeyTaken, match=r"cannot enqueue: unique key 'k' is held by job 'a' \(pending\)") as refused:
        queue.enqueue("true", id="b", unique="k", if_exists="refuse")
    assert (refused.value.job_id, refused.value.key, refused.value.state) == ("a", "k", "pending")
    assert isinstance(refused.value, DuplicateJob)
    assert [job.id for job in queue.jobs()] == ["a"]


def test_a_waiting_holder_becomes_what_is_asked(queue: Queue, clock: FakeClock) -> None:
    """It keeps its id, its place and its attempts; all else is as asked, what nothing is said of too."""
    first = {"labels": {"a": "1"}, "meta": {"x": 1}, "env": {"A": "b"}, "timeout": 9, "delay": 30, "cwd": "/"}
    queue.enqueue("true", id="a", priority=3, merge=True, ok_on=3, expire_in=50, inherit_env="PATH", **first, **LONG)
    clock.advance(1)
    asked: dict[str, Any] = {"queue": "q", "max_retries": 7, "labels": {"b": "2"}, "paused": True}
    request = JobRequest(("echo", "b"), id="b", unique="k", if_exists="replace", **asked)
    told = queue.ui.enqueue_or_find(request)
    plain = queue.ui.enqueue_request(request._replace(unique="other"))
    job = queue.job("a")
    assert told == (job, True, True)
    assert job.spec == replace(plain.spec, id="a", timeout_is_default=False)
    assert (job.labels, job.meta, job.policy, job.expiry) == ({"b": "2"}, {}, None, None)
    assert (job.unique, job.unique_until_us, job.is_paused, job.due_us) == ("k", None, True, 0)
    assert [type(each.event).__name__ for each in queue.history("a")] == ["Enqueued", "Edited", "Paused"]
    assert queue.admin.replay(check=True).differences == []


def test_what_is_asked_already_changes_nothing(queue: Queue) -> None:
    """No event is recorded, and the pause of somebody else stays."""
    queue.enqueue("true", id="a", unique="k")
    queue.pause("a")
    head = queue.log.head()
    told = queue.ui.enqueue_or_find(JobRequest("true", unique="k", if_exists="replace"))
    assert (told.existing, told.edited, told.job.is_paused, queue.log.head()) == (True, True, True, head)


@pytest.mark.parametrize("reached", [run, ended], ids=["processing", "completed"])
def test_a_holder_that_does_not_wait_is_not_replaced(queue: Queue, reached: Callable[[Queue], object]) -> None:
    """It is named, with its state, and left as it is."""
    queue.enqueue("true", id="a", **LONG)
    reached(queue)
    before = queue.job("a")
    with pytest.raises(KeyTaken, match=f"cannot replace 'a': it holds unique key 'k' and is {before.state}"):
        queue.enqueue("false", unique="k", if_exists="replace")
    assert queue.job("a") == before


def test_the_key_comes_before_the_id(queue: Queue) -> None:
    """So the same request twice is one job, though both name its id; an id alone that is taken is refused."""
    asked: dict[str, Any] = {"id": "a", "unique": "k"}
    assert [answer(queue, **asked).existing for _ in range(2)] == [False, True]
    with pytest.raises(DuplicateJob):
        queue.enqueue("true", id="a", unique="free")
    queue.cancel("a")
    assert answer(queue, **asked, replace=True).job.number > 1


def test_a_retry_does_not_take_a_key_from_another(queue: Queue) -> None:
    """By id, out of the dead letter queue, edited, or among many: who holds the key is named."""
    queue.enqueue("true", id="a", unique="k", max_retries=0)
    failing(queue)
    queue.enqueue("true", id="b", unique="k")
    before, head = queue.job("a"), queue.log.head()
    retries: list[Callable[[], object]] = [
        lambda: queue.retry("a"),
        lambda: queue.dlq.retry("a"),
        lambda: queue.edit("a", again=True, priority=1),
    ]
    for retry in retries:
        with pytest.raises(KeyTaken, match=r"cannot retry 'a': unique key 'k' is held by job 'b' \(pending\)"):
            retry()
    acted = queue.ui.act_on_all(queue.ui.choose("retry", filter_of(state="dead")))
    assert (acted.ids, acted.left) == ([], 0)
    assert [each.message for each in acted.refused] == ["cannot retry 'a': unique key 'k' is held by job 'b' (pending)"]
    assert queue.dlq.retry() == []
    assert (queue.job("a"), queue.log.head()) == (before, head)
    queue.cancel("b")
    assert queue.retry("a").state == "pending"
    assert answer(queue, unique="k").job.id == "a"


def test_of_several_that_are_retried_at_once_the_first_takes_the_key(queue: Queue) -> None:
    """The others are refused, and named jobs are retried all or none."""
    for job_id in "abc":
        queue.enqueue("true", id=job_id, unique="k", max_retries=0)
        failing(queue)
    with pytest.raises(KeyTaken, match="'b'"):
        queue.dlq.retry(["a", "b"])
    acted = queue.ui.act_on_all(queue.ui.choose("retry", filter_of(state="dead")))
    assert (len(acted.ids), acted.left, len(acted.refused)) == (1, 0, 2)
    assert queue.status().jobs[JobState.PENDING] == 1


def test_a_retry_of_the_holder_itself(queue: Queue, clock: FakeClock) -> None:
    """A job that failed or that holds the key for a time still is retried as any other."""
    queue.enqueue("true", id="a", **LONG)
    failing(queue)
    assert queue.retry("a").state == "pending"
    queue.cancel("a")
    assert queue.retry("a").state == "pending"


def test_within_a_batch_it_is_as_if_one_came_later(queue: Queue) -> None:
    """The second is the first, is refused and with it all, or the first becomes what the second asks."""
    queue.enqueue("true", id="x", unique="x")
    lines = [
        {"id": "a", "command": "1", "unique": "k"},
        {"id": "b", "command": "2", "unique": "k"},
        {"id": "c", "command": "3", "unique": "k", "if_exists": "replace"},
        {"id": "d", "command": "4", "unique": "x", "if_exists": "replace"},
        {"id": "e", "command": "5", "unique": "x", "if_exists": "replace", "priority": 2, "paused": True},
        {"id": "f", "command": "6", "unique": "k"},
        {"id": "g", "command": "7"},
    ]
    bulk = queue.enqueue_many(lines)
    assert bulk == Bulk(2, 0, ["a", "g"], ("a", "a"), ("a", "x", "x"))
    commands = {job.id: (job.command, job.priority) for job in queue.jobs()}
    assert commands == {"a": ("3", 0), "x": ("5", 2), "g": ("7", 0)}
    assert queue.job("x").is_paused
    assert queue.admin.replay(check=True).differences == []
    head = queue.log.head()
    with pytest.raises(InvalidLine, match=r"line 3: .*held by job 'm' \(pending\) \(nothing was enqueued\)"):
        queue.enqueue_many(
            [
                {"id": "m", "command": "1", "unique": "n"},
                {"id": "o", "command": "1"},
                {"command": "1", "unique": "n", "if_exists": "refuse"},
            ]
        )
    assert queue.log.head() == head


def test_a_batch_that_removes_the_holder_frees_the_key(queue: Queue) -> None:
    """An ended job that goes with the batch, since its id is used again, holds nothing for what follows in it."""
    queue.enqueue("true", id="a", **LONG)
    ended(queue)
    bulk = queue.enqueue_many(
        [
            {"id": "a", "command": "1", "replace": True},
            {"id": "b", "command": "2", "unique": "k"},
            {"id": "c", "command": "3", "unique": "k"},
        ]
    )
    assert (bulk.ids, bulk.existing) == (["a", "b"], ("b",))
    assert queue.admin.replay(check=True).differences == []


def test_across_the_chunks_of_a_large_batch(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key holds from one transaction to the next, and the request's number is right."""
    monkeypatch.setattr(writer.EmbeddedWriter, "jobs_at_once", 10)
    requests = [JobRequest("true", id=f"j{n}", unique=f"k{n % 7}") for n in range(30)]
    bulk = queue.enqueue_many(requests)
    assert (bulk.enqueued, len(bulk.existing), bulk.skipped) == (7, 23, 0)
    assert queue.enqueue_many(requests).enqueued == 0
    with pytest.raises(InvalidLine, match="line 21: ") as refused:
        queue.enqueue_many([*[JobRequest("true")] * 20, JobRequest("true", unique="k0", if_exists="refuse")])
    assert refused.value.enqueued == 20


def test_threads_that_share_a_commit_come_to_one_job(queue: Queue) -> None:
    """In one transaction the second finds what the first did."""
    with ThreadPoolExecutor(8) as pool:
        with queue._store.turn():
            asked = [pool.submit(answer, queue, id=f"j{n}", unique="k") for n in range(8)]
            wait_until(lambda: len(waiting(queue.ui)) == 8)
        told = [each.result() for each in asked]
    assert sorted(each.existing for each in told) == [False] + [True] * 7
    assert len({each.job.id for each in told}) == len(queue.jobs()) == 1


def waiting(ui: Ui) -> list[Any]:
    """Return what waits for its turn."""
    return ui._commits._waiting


ASKER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from queuectl import JobRequest, Queue
with Queue.open(sys.argv[1]) as queue, ThreadPoolExecutor(int(sys.argv[3])) as pool:
    ask = lambda n: queue.ui.enqueue_or_find(JobRequest("true", id=f"{sys.argv[2]}-{n}", unique="k")).existing
    print(sum(pool.map(ask, range(100))))
"""


@pytest.mark.parametrize("threads", [1, 4])
def test_eight_processes_that_enqueue_one_key_come_to_one_job(tmp_path: Path, threads: int) -> None:
    """Each of 8 asks 100 times: one job is there, and 799 are told that it exists."""
    path = str(tmp_path / "q")
    Queue.open(path).close()
    words = [sys.executable, "-c", ASKER, path]
    processes = [subprocess.Popen([*words, str(n), str(threads)], stdout=subprocess.PIPE) for n in range(8)]
    existing = [int(process.communicate()[0]) for process in processes]
    with Queue.open(path) as queue:
        assert (len(queue.jobs()), queue.log.head(), sum(existing)) == (1, 1, 799)
        assert queue.admin.replay(check=True).differences == []


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"unique": ""}, "unique"),
        ({"unique": "x" * 121}, "unique"),
        ({"unique": "a\nb"}, "unique"),
        ({"unique": 1}, "unique"),
        ({"unique_for": 5}, "unique_for"),
        ({"if_exists": "return"}, "if_exists"),
        ({"unique": "k", "unique_for": 0}, "unique_for"),
        ({"unique": "k", "unique_for": "soon"}, "unique_for"),
        ({"unique": "k", "if_exists": "keep"}, "if_exists"),
    ],
)
def test_what_cannot_be_asked_is_refused(queue: Queue, asked: dict[str, Any], named: str) -> None:
    """The field is named."""
    with pytest.raises(InvalidInput) as refused:
        queue.enqueue("true", **asked)
    assert refused.value.field == named
    assert queue.log.head() == 0
