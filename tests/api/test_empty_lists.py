"""A list that is given and empty means nothing, never all: a program may have computed it."""

from collections.abc import Callable
from typing import Any

import pytest

from queuectl import Filter, InvalidInput, JobState, Queue, start_worker

NO_STATE = Filter(states=frozenset())


@pytest.mark.parametrize(
    "ask",
    [
        lambda queue: queue.jobs(state=[]),
        lambda queue: queue.jobs(state=[], order="took"),
        lambda queue: queue.jobs(NO_STATE, order="-updated", limit=3),
        lambda queue: queue.jobs(state=[], after="waiting"),
        lambda queue: list(queue.ui.each_job(NO_STATE)),
        lambda queue: queue.wait([]),
        lambda queue: queue.ui.unserved([]),
        lambda queue: list(queue.events(types=[])),
        lambda queue: queue.worker("w").claim(9, queues=[]),
        lambda queue: queue.worker("w").exchange([], want=9, lease_s=30, queues=[]).claimed,
        lambda queue: queue.dlq.retry([]),
        lambda queue: queue.dlq.purge([]),
        lambda queue: queue.remove([]),
    ],
)
def test_nothing_is_meant(queue: Queue, ask: Callable[[Queue], Any]) -> None:
    """Whoever asks for none gets none, and nothing is changed."""
    queue.enqueue("true", id="waiting", queue="secret")
    queue.enqueue("true", id="dead", max_retries=0)
    queue.worker("w").fail(queue.worker("w").start(queue.worker("w").claim(queues=["default"])[0]), "it broke")
    head = queue.log.head()
    assert ask(queue) == []
    assert queue.log.head() == head


def test_none_are_counted(queue: Queue) -> None:
    """Of no queue and in no state there are no jobs, also at a past moment."""
    queue.enqueue("true")
    assert (queue.backlog([]), queue.ui.count(NO_STATE), queue.backlog(), queue.ui.count(Filter())) == (0, 0, 1, 1)
    with queue.as_of(queue.log.head()) as past:
        assert (past.jobs(state=[]), past.count(NO_STATE)) == ([], 0)


@pytest.mark.parametrize("verb", ["cancel", "retry", "remove"])
def test_none_are_acted_on(queue: Queue, verb: Any) -> None:
    """Many jobs are not told anything where no state is asked for; without a filter those are meant that can be."""
    queue.enqueue("true")
    assert queue.ui.choose(verb, NO_STATE).numbers == []
    assert queue.ui.act_on_all(queue.ui.choose(verb, NO_STATE)).ids == []
    assert len(queue.ui.choose("cancel", Filter()).numbers) == 1


def test_nothing_is_waited_for(queue: Queue) -> None:
    """Waiting for the jobs in no state is over at once."""
    queue.enqueue("true")
    assert sum(queue.wait_all(NO_STATE, timeout_s=0).counts.values()) == 0


def test_a_worker_that_would_serve_nothing_is_refused(queue: Queue) -> None:
    """A worker of no queue is neither run nor recorded: it would be taken for one that serves all."""
    queue.enqueue("true", id="waiting")
    head = queue.log.head()
    with pytest.raises(InvalidInput, match=r"queues: found \[\]; expected one or more names; None is all"):
        start_worker(queue, queues=[], drain=True)
    with pytest.raises(InvalidInput, match="queues"):
        queue.worker("w").started(host="h", pid=1, slots=1, queues=[])
    assert (queue.log.head(), queue.job("waiting").state) == (head, JobState.PENDING)
