"""The view that has who holds a unique key."""

from queuectl.events.types import (
    NEW_STREAM,
    Cancelled,
    Claimed,
    Edited,
    Enqueued,
    JobOptions,
    JobSpec,
    Removed,
    Requeued,
)
from queuectl.projections import unique
from tests.projections.telling import Teller

ENQUEUED = Enqueued(JobSpec("a", "true"), JobOptions(unique="k"))
FOR_A_TIME = Enqueued(JobSpec("b", "true"), JobOptions(unique="k", unique_until_us=50))


def holders(views: Teller, now_us: int = 0, key: str = "k") -> list[int]:
    """Return the jobs that hold a key at a moment."""
    return list(unique.holders(views.txn, key, now_us))


def test_a_job_holds_its_key_until_it_has_ended(views: Teller) -> None:
    """However late it is, and again once it is retried; a key that begins so is another."""
    number = views.tell(NEW_STREAM, ENQUEUED).number
    assert (holders(views), holders(views, 2**62), holders(views, 0, "kk")) == ([number], [number], [])
    views.tell(number, Claimed("w", 9))
    assert holders(views) == [number]
    other = views.tell(NEW_STREAM, ENQUEUED).number
    views.tell(other, Cancelled())
    assert holders(views) == [number]
    views.tell(other, Requeued(0))
    assert holders(views) == [number, other]


def test_it_holds_it_for_a_time_in_any_case(views: Teller) -> None:
    """Up to that moment and not at it, and an edit moves it or takes it away."""
    number = views.tell(NEW_STREAM, FOR_A_TIME).number
    assert holders(views, 50) == [number]
    views.tell(number, Cancelled())
    assert (holders(views, 49), holders(views, 50)) == ([number], [])
    views.tell(number, Edited(options=JobOptions(unique_until_us=60)))
    assert (holders(views, 59), holders(views, 60)) == ([number], [])
    views.tell(number, Edited(options=JobOptions(unique_until_us=0)))
    assert holders(views) == views.rows(unique.TABLE) == []


def test_no_row_is_left_of_a_job_that_is_gone_or_has_no_key(views: Teller) -> None:
    """Removed, or let go as soon as it came."""
    number = views.tell(NEW_STREAM, FOR_A_TIME).number
    views.tell(number, Cancelled(), Removed("cancelled"))
    views.tell(NEW_STREAM, FOR_A_TIME, Cancelled(), Removed("cancelled"))
    views.tell(NEW_STREAM, Enqueued(JobSpec("c", "true"), JobOptions(labels={"a": "b"})))
    assert views.rows(unique.TABLE) == []
