"""What has to wait becomes ready when somebody claims, at its time, and the same from a replay."""

import pytest

from queuectl.events.types import Claimed, Failed
from queuectl.projections import marks, ready, scheduled
from queuectl.projections import views as runner
from queuectl.projections.views import Views
from tests.projections.telling import DUE_US, Teller


def test_what_is_due_is_promoted_and_no_more(views: Teller) -> None:
    """Promoting moves the jobs due by then, in the row they have among the ready, and tells how many."""
    due = [views.enqueue(f"job{n}", "q", n, DUE_US + n) for n in range(3)]
    assert views.views.promote(DUE_US - 1) == 0
    assert views.views.promote(DUE_US + 1) == 2
    assert list(ready.numbers(views.txn)) == [due[1].number, due[0].number]
    assert (list(scheduled.numbers(views.txn)), scheduled.next_due_us(views.txn)) == ([due[2].number], DUE_US + 2)


def test_nothing_scheduled_is_never_due(views: Teller) -> None:
    """Where nothing waits there is no next time, and promoting does nothing, not even move the mark."""
    assert scheduled.next_due_us(views.txn) is None
    assert views.views.promote(DUE_US) == 0
    assert (views.views.promoted_us, views.rows(marks.TABLE)) == (0, [])


def test_the_mark_is_that_of_the_last_promoted(views: Teller) -> None:
    """The mark stands at the last job promoted, and a clock that went back does not move it back."""
    for n in range(2):
        views.enqueue(f"job{n}", due_us=DUE_US + n)
    for now_us in (DUE_US + 5, DUE_US - 5):
        views.views.promote(now_us)
        assert marks.get(views.txn, marks.PROMOTED) == views.views.promoted_us == DUE_US + 1


def test_what_is_due_by_the_mark_is_ready_at_once(views: Teller) -> None:
    """A job enqueued for a time that has been promoted already does not wait for another promotion."""
    views.enqueue("a", due_us=DUE_US)
    views.views.promote(DUE_US)
    late = views.enqueue("b", due_us=DUE_US)
    assert late.number in ready.numbers(views.txn)
    assert views.rows(scheduled.TABLE) == []


def test_a_retry_waits_for_its_time(views: Teller) -> None:
    """A failed job is scheduled for its next attempt, and becomes ready then."""
    job = views.enqueue()
    views.tell(job.number, Claimed("w1", 9000), Failed(2, 1, "exit_code", "exit code 1", retry_at_us=DUE_US))
    assert (views.rows(ready.TABLE), scheduled.next_due_us(views.txn)) == ([], DUE_US)
    assert views.views.promote(DUE_US) == 1


def test_those_due_together_are_promoted_together(views: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where many are due, they come in portions that never part those of one time."""
    monkeypatch.setattr(runner, "PROMOTE_LIMIT", 2)
    for n, due_us in enumerate([1, 2, 2, 2, 3, 3]):
        views.enqueue(f"job{n}", due_us=due_us)
    assert [views.views.promote(9) for _ in range(4)] == [4, 2, 0, 0]


def test_promoting_to_a_mark_goes_all_the_way(views: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay's views reach the mark of the live ones in as many portions as it takes, also past the last job."""
    monkeypatch.setattr(runner, "PROMOTE_LIMIT", 1)
    for n in range(3):
        views.enqueue(f"job{n}", due_us=DUE_US + n)
    views.views.promote_to(DUE_US + 5)
    assert (len(list(ready.numbers(views.txn))), Views(views.txn).promoted_us) == (3, DUE_US + 5)
