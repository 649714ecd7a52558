"""What programs say of themselves that take jobs without having told of their start."""

import pytest

from queuectl import Queue, Result
from queuectl.queries.presence import SILENT_US
from tests.clocks import FakeClock

MANY = 50


def known(queue: Queue) -> set[str]:
    """Return of whom it is known that they were there."""
    with queue._store.read() as txn:
        return {key.decode() for key, _ in txn.scan("presence")}


@pytest.mark.parametrize("does", ["hold", "heartbeat"])
@pytest.mark.parametrize("order", [1, -1])
def test_programs_that_are_gone_are_forgotten(queue: Queue, clock: FakeClock, does: str, order: int) -> None:
    """However many come, under a new name each, there are no more rows than of those that were there lately."""
    for number in range(MANY)[::order]:
        worker = f"program-{number:03}"
        if does == "hold":
            queue.enqueue("true")
            [job] = queue.worker(worker).exchange([], want=1, hold=True, lease_s=1).claimed
            queue.worker(worker).exchange([Result(job, "completed", return_code=0)], want=0, hold=True, lease_s=1)
        else:
            queue.worker(worker).heartbeat()
        clock.advance(SILENT_US / 1e6 / 2)
    assert len(known(queue)) <= 4
    assert queue.admin.replay(check=True).differences == []


def test_who_may_come_back_is_remembered(queue: Queue, clock: FakeClock) -> None:
    """Neither one that holds a job, nor one that still may hold one, nor one whose start is known is forgotten."""
    queue.enqueue("true")
    queue.worker("holder").exchange([], want=1, hold=True, lease_s=1)
    queue.worker("patient").exchange([], want=0, hold=True, lease_s=600)
    queue.worker("started").started(host="elsewhere", pid=1, slots=1)
    queue.worker("gone").heartbeat()
    clock.advance(SILENT_US / 1e6 + 1)
    queue.worker("new").heartbeat()
    assert known(queue) == {"holder", "patient", "started", "new"}
