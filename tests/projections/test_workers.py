"""The workers that have started and not stopped are known, each by itself."""

import pytest

from queuectl.events.types import WorkerStarted, WorkerStopped, WorkerStopping
from queuectl.projections import workers
from queuectl.projections.workers import WorkerRow
from tests.projections.telling import AT_US, Teller


@pytest.mark.parametrize("queues", [None, (), ("a", "b")])
def test_a_worker_is_there_from_start_to_stop(views: Teller, queues: tuple[str, ...] | None) -> None:
    """A worker is told as it said at its start, until it stops."""
    views.tell("worker:w1", WorkerStarted("here", 7, 4, queues))
    assert workers.present(views.txn) == [WorkerRow("w1", "here", 7, 4, queues, AT_US)]
    views.tell("worker:w1", WorkerStopped("drained"))
    assert (workers.present(views.txn), workers.get(views.txn, "w1")) == ([], None)


def test_a_wish_to_stop_is_kept_with_its_worker(views: Teller) -> None:
    """A worker asked to stop is marked, another is not, and being asked again may make it urgent."""
    for worker in ("w1", "w2"):
        views.tell(f"worker:{worker}", WorkerStarted("here", 7, 4))
    for now in (False, True):
        views.tell("worker:w1", WorkerStopping(now))
        assert [(row.stopping, row.stop_now) for row in workers.present(views.txn)] == [(True, now), (False, False)]


def test_a_wish_that_comes_too_late_makes_no_worker(views: Teller) -> None:
    """Asking a worker to stop that has stopped does not bring it back."""
    views.tell("worker:w1", WorkerStarted("here", 7, 4), WorkerStopped("drained"), WorkerStopping())
    assert workers.present(views.txn) == []
