"""The dead letter queue is in the order of dying."""

from queuectl.events.types import Requeued
from queuectl.projections import dead
from tests.projections.telling import Teller


def test_the_last_to_die_comes_first(views: Teller) -> None:
    """The order is that of the deaths, not that of the jobs; one that is retried and dies again died last."""
    first, second, third = (views.claim(views.enqueue(job_id)) for job_id in "abc")
    for job in (third, first, second):
        views.die(job)
    assert list(dead.numbers(views.txn)) == [second.number, first.number, third.number]
    views.tell(third.number, Requeued(0))
    assert list(dead.numbers(views.txn)) == [second.number, first.number]
    views.die(views.claim(third))
    assert list(dead.numbers(views.txn)) == [third.number, second.number, first.number]
