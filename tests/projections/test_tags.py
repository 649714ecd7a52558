"""The view that has which jobs bear a label."""

from queuectl.events.types import NEW_STREAM, Cancelled, Claimed, Edited, Enqueued, JobOptions, JobSpec, Removed
from queuectl.projections import tags
from queuectl.store.store import key_of
from tests.projections.telling import Teller

ENQUEUED = Enqueued(JobSpec("a", "true"), JobOptions(labels={"team": "a", "urgent": ""}))


def numbers(views: Teller, key: str, value: str | None = None) -> list[int]:
    """Return the jobs that a label leads to."""
    return list(tags.numbers(views.txn, key, value))


def test_a_job_lies_under_each_of_its_labels(views: Teller) -> None:
    """By key and value or by the key alone, and under nothing that only begins so."""
    number = views.tell(NEW_STREAM, ENQUEUED).number
    assert numbers(views, "team", "a") == numbers(views, "team") == numbers(views, "urgent", "") == [number]
    assert numbers(views, "tea") == numbers(views, "team", "") == numbers(views, "a") == []


def test_it_does_in_every_state_until_it_goes(views: Teller) -> None:
    """No row moves when the job does; with the job they go."""
    number = views.tell(NEW_STREAM, ENQUEUED).number
    rows = views.rows(tags.TABLE)
    assert len(rows) == 2
    views.tell(number, Cancelled())
    assert views.rows(tags.TABLE) == rows
    views.tell(number, Removed("cancelled"))
    assert views.rows(tags.TABLE) == []


def test_an_edit_moves_it(views: Teller) -> None:
    """What labels a job has no longer leads to it, and what it has now does; an empty mapping is none."""
    number = views.tell(NEW_STREAM, ENQUEUED).number
    views.tell(number, Edited(options=JobOptions(labels={"team": "b"})))
    assert (numbers(views, "team", "b"), numbers(views, "team", "a"), numbers(views, "urgent")) == ([number], [], [])
    views.tell(number, Edited(priority=3))
    assert numbers(views, "team") == [number]
    views.tell(number, Edited(options=JobOptions(labels={})))
    assert views.rows(tags.TABLE) == []


def test_a_job_that_comes_and_goes_at_once_leaves_no_row(views: Teller) -> None:
    """Within one transaction nothing was ever written."""
    views.tell(NEW_STREAM, ENQUEUED, Cancelled(), Removed("cancelled"))
    assert views.rows(tags.TABLE) == []


def test_a_job_without_labels_has_no_row(views: Teller) -> None:
    """And touches the table never."""
    number = views.tell(NEW_STREAM, Enqueued(ENQUEUED.spec)).number
    views.tell(number, Claimed("w", 9))
    assert views.rows(tags.TABLE) == []


def test_labels_and_keys_are_told_once_each(views: Teller) -> None:
    """In order, whatever the number of jobs, those alone that begin as asked."""
    for labels in ({"a": "1", "b": "é"}, {"a": "1", "a.b": ""}, {"a": "2", "a/b": "x"}):
        views.tell(NEW_STREAM, Enqueued(JobSpec(f"{labels}", "true"), JobOptions(labels=labels)))
    assert list(tags.labels(views.txn)) == ["a.b=", "a/b=x", "a=1", "a=2", "b=é"]
    assert list(tags.labels(views.txn, "a=")) == ["a=1", "a=2"]
    assert list(tags.labels(views.txn, "b=é")) == ["b=é"]
    assert list(tags.label_keys(views.txn)) == ["a.b", "a/b", "a", "b"]
    assert list(tags.label_keys(views.txn, "a.")) == ["a.b"]


def test_the_longest_label_fits_a_key(views: Teller) -> None:
    """Of letters of four bytes each."""
    value = "\U0001f44b" * 63
    number = views.tell(NEW_STREAM, Enqueued(ENQUEUED.spec, JobOptions(labels={"k" * 63: value}))).number
    assert numbers(views, "k" * 63, value) == [number]
    assert all(len(key) < 511 for key, _ in views.rows(tags.TABLE))
    assert key_of(number) == views.rows(tags.TABLE)[0][0][-8:]
