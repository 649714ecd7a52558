"""Somebody waits for jobs that a filter means, while a worker of their own thread or test goes on."""

import threading
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

import pytest

from queuectl import JobState, Queue, WaitTimeout
from queuectl.core.job_filter import Filter, filter_of
from queuectl.core.results import Waited
from queuectl.queries import job_wait
from tests.lives import completed


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Queue]:
    """Yield a queue whose time is real."""
    with Queue.open(tmp_path / "queue", actor="tester") as opened:
        yield opened


def counted(waited: Waited) -> dict[str, int]:
    return {str(state): count for state, count in waited.counts.items() if count}


def meanwhile(queue: Queue, where: Filter, *acts: Callable[[], object]) -> Waited:
    """Wait for the jobs meant, and do all this once it is waited for."""
    found: list[Waited] = []
    begun = threading.Event()
    thread = threading.Thread(
        target=lambda: found.append(queue.wait_all(where, timeout_s=20, on_look=lambda queues: begun.set()))
    )
    thread.start()
    assert begun.wait(20)
    for act in acts:
        act()
    thread.join(20)
    return found[0]


def test_nothing_to_wait_for(queue: Queue) -> None:
    """Jobs that have ended are not waited for, and none is told of."""
    completed(queue, "a")
    assert queue.wait_all() == Waited({JobState.COMPLETED: 0, JobState.DEAD: 0, JobState.CANCELLED: 0}, [])


def test_each_way_to_end(real: Queue) -> None:
    """All unfinished ones are waited for: how each ended is told, and which did not complete."""
    for job_id in ("good", "bad", "gone", "kept"):
        real.enqueue("true", id=job_id, max_retries=0)

    def run() -> None:
        real.worker("w").complete(real.worker("w").claim()[0])
        real.worker("w").fail(real.worker("w").start(real.worker("w").claim()[0]), "no")
        real.cancel("gone")
        real.worker("w").complete(real.worker("w").claim()[0])

    waited = meanwhile(real, Filter(), run)
    assert counted(waited) == {"completed": 2, "dead": 1, "cancelled": 1}
    assert waited.not_completed == [("bad", "dead"), ("gone", "cancelled")]


def test_only_those_meant_and_only_those_of_now(real: Queue) -> None:
    """Jobs of other queues, and jobs that came later, are not waited for."""
    real.enqueue("true", id="a", queue="mail")
    real.enqueue("true", id="other")

    def run() -> None:
        real.enqueue("true", id="later", queue="mail")
        real.cancel("a")

    assert counted(meanwhile(real, filter_of(queue="mail"), run)) == {"cancelled": 1}


def test_removed_meanwhile(real: Queue) -> None:
    """A job that ended and was removed, or whose id is used again, counts as it ended."""
    for job_id in "ab":
        real.enqueue("true", id=job_id)

    def run() -> None:
        real.worker("w").complete(real.worker("w").claim()[0])
        real.remove("a")
        real.cancel("b")
        real.enqueue("true", id="b", replace=True)

    waited = meanwhile(real, Filter(), run)
    assert counted(waited) == {"completed": 1, "cancelled": 1}
    assert waited.not_completed == [("b", "cancelled")]


def test_a_job_that_is_retried_is_waited_for_again(queue: Queue) -> None:
    """What counts is how a job has ended when nothing is left to wait for."""
    for job_id in "ab":
        queue.enqueue("true", id=job_id)
    meant = job_wait.Meant(queue._store.read, Filter())
    queue.cancel("a")
    assert not meant.are_over()
    queue.retry("a")
    queue.cancel("b")
    assert not meant.are_over()
    assert meant.ids() == ["a"]
    queue.worker("w").complete(queue.worker("w").claim()[0])
    assert meant.are_over()
    assert counted(meant.result()) == {"completed": 1, "cancelled": 1}


def test_more_events_than_are_read_at_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much happened between two looks, all of it is taken in."""
    monkeypatch.setattr(job_wait, "EVENTS_AT_ONCE", 3)
    for number in range(10):
        queue.enqueue("true", id=f"j{number}")
    meant = job_wait.Meant(queue._store.read, Filter())
    for number in range(10):
        queue.cancel(f"j{number}")
    assert meant.are_over()
    assert counted(meant.result()) == {"cancelled": 10}


def test_out_of_time(queue: Queue) -> None:
    """After the time it raises with the ids of some that go on, and changes nothing."""
    queue.enqueue("true", id="a")
    with pytest.raises(WaitTimeout, match=r"not ended after 0\.05 s: a; nothing is stopped by that"):
        queue.wait_all(timeout_s=0.05)
    assert queue.job("a").state == "pending"


@pytest.mark.parametrize("named", [True, False])
def test_on_look(queue: Queue, named: bool) -> None:
    """Whoever waits is told in which queues the jobs wait, at once."""
    queue.enqueue("true", id="a", queue="mail")
    seen: list[Collection[str]] = []
    wait: Callable[..., object] = partial(queue.wait, "a") if named else queue.wait_all
    with pytest.raises(WaitTimeout):
        wait(timeout_s=0.05, on_look=seen.append)
    assert list(seen[0]) == ["mail"]
