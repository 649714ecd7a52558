"""Labels and meta from a program: given, changed, looked for, and kept by whatever becomes of a queue."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from queuectl import Filter, InvalidInput, InvalidLine, JobRequest, Queue, StoreError, WrongState
from queuectl.store.store import key_of
from tests.lives import running


def ids(queue: Queue, labels: Any, **more: Any) -> list[str]:
    """Return which jobs have some labels, the oldest first."""
    return [job.id for job in queue.jobs(labels=labels, order="enqueued", **more)]


@pytest.fixture
def labelled(queue: Queue) -> Queue:
    """Return a queue with three jobs of two teams."""
    queue.enqueue("true", id="a", labels={"team": "a"}, meta={"build": [7, None]})
    queue.enqueue("true", id="b", labels={"team": "b", "urgent": ""})
    queue.enqueue("true", id="none")
    return queue


def test_a_job_has_what_it_was_given(labelled: Queue) -> None:
    """At once and when it is read again; without any both are empty."""
    job = labelled.job("a")
    assert (job.labels, job.meta) == ({"team": "a"}, {"build": [7, None]})
    assert (labelled.job("none").labels, labelled.job("none").meta, labelled.job("none").options) == ({}, {}, None)
    assert labelled.enqueue("true", labels={}, meta={}).options is None


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ("team", ["a", "b"]),
        ("team=a", ["a"]),
        ({"team": "b"}, ["b"]),
        ({"team": None, "urgent": None}, ["b"]),
        (["team=b", "urgent="], ["b"]),
        (["team=a", "team=b"], []),
        ("team=", []),
        (None, ["a", "b", "none"]),
    ],
)
def test_jobs_are_found_by_their_labels(labelled: Queue, labels: Any, found: list[str]) -> None:
    """By each of them, with its value or with any, also as of a moment that is past."""
    assert ids(labelled, labels) == found
    with labelled.as_of(labelled.log.head()) as past:
        assert [job.id for job in past.jobs(labels=labels, order="enqueued")] == found


def test_an_edit_labels_anew(labelled: Queue) -> None:
    """A job is found by what it has now, and in the past by what it had then."""
    before = labelled.log.head()
    assert labelled.edit("a", labels={"team": "z"}).labels == {"team": "z"}
    assert (ids(labelled, "team=a"), ids(labelled, "team=z")) == ([], ["a"])
    assert labelled.edit("b", labels=None, meta={"x": 1}).options.meta == {"x": 1}  # type: ignore[union-attr]
    assert ids(labelled, "urgent") == []
    with labelled.as_of(before) as past:
        assert [job.id for job in past.jobs(labels="urgent")] == ["b"]
    head = labelled.log.head()
    labelled.edit("a", labels={"team": "z"})
    assert labelled.log.head() == head


def test_a_job_that_runs_can_be_labelled(labelled: Queue) -> None:
    """Nothing of the run goes by it; what its command is has to wait."""
    job = running(labelled)
    assert labelled.edit(job.id, labels={"seen": "yes"}, meta={"by": "ann"}).labels == {"seen": "yes"}
    with pytest.raises(WrongState, match="only its timeout, labels and meta can be changed"):
        labelled.edit(job.id, labels={}, priority=3)


def test_many_are_told_by_their_labels(labelled: Queue) -> None:
    """Those that have them alone are cancelled, and what a filter no longer means is left."""
    chosen = labelled.ui.choose("cancel", Filter(labels=(("team", None),)))
    labelled.edit("b", labels={})
    acted = labelled.ui.act_on_all(chosen)
    assert (acted.ids, acted.left) == (["a"], 1)
    assert ids(labelled, "team", state="cancelled") == ["a"]


def test_a_label_leads_to_its_jobs_past_all_others(queue: Queue) -> None:
    """Of many jobs those that lack it are not looked at, in whatever order they are asked for."""
    queue.enqueue_many(
        [JobRequest("true", id=f"j{n:03}", labels={"n": "1"} if n % 50 == 7 else None) for n in range(200)]
    )
    with queue._store.write() as txn:
        txn.put("jobs", key_of(queue.job("j100").number), b"nobody can read this")
    few = ["j007", "j057", "j107", "j157"]
    assert ids(queue, "n=1") == few
    assert [job.id for job in queue.jobs(labels="n", state="pending")] == few
    assert [job.id for job in queue.jobs(labels="n", state=["pending", "failed"], limit=2, after="j057")] == few[2:]
    queue.ui.act_on_all(queue.ui.choose("cancel", Filter(labels=(("n", "1"),))))
    assert [job.id for job in queue.jobs(labels="n=1", state="cancelled")] == few
    with pytest.raises(StoreError):
        queue.jobs()


@pytest.mark.parametrize(
    "ask",
    [
        lambda queue: queue.enqueue("true", labels=["team"]),
        lambda queue: queue.enqueue("true", labels={"a": 1}),
        lambda queue: queue.jobs(labels=[]),
        lambda queue: queue.jobs(labels={}),
        lambda queue: queue.jobs(labels=7),
        lambda queue: queue.jobs(labels=b"team"),
        lambda queue: queue.jobs(Filter(labels="team")),
        lambda queue: queue.jobs(Filter(), labels="team"),
        lambda queue: queue.edit("a", labels="team=a"),
    ],
)
def test_wrong_labels_are_refused_by_name(labelled: Queue, ask: Callable[[Queue], object]) -> None:
    """No list of them may be empty: a program may have computed it, and all jobs would be meant."""
    head = labelled.log.head()
    with pytest.raises(InvalidInput, match=r"^(labels|where): found"):
        ask(labelled)
    assert labelled.log.head() == head


@pytest.mark.parametrize("meta", ["{}", [1], {"a": b"x"}, {1: 2}, {"a": float("inf")}, {"a": "x" * 2000}])
def test_wrong_meta_is_refused_by_name(queue: Queue, meta: Any) -> None:
    """In an enqueue of one, of many and in an edit."""
    queue.enqueue("true", id="a")
    with pytest.raises(InvalidInput, match=r"^meta: found"):
        queue.enqueue("true", meta=meta)
    with pytest.raises(InvalidLine, match="meta: found"):
        queue.enqueue_many([JobRequest("true", meta=meta)])
    with pytest.raises(InvalidLine, match="meta: found"):
        queue.enqueue_many([{"command": "true", "meta": meta}])
    with pytest.raises(InvalidInput, match=r"^meta: found"):
        queue.edit("a", meta=meta)


def test_labels_come_along_in_many_requests(queue: Queue) -> None:
    """By whichever way a request is written, each with its own."""
    queue.enqueue_many(
        [
            JobRequest("true", "a", labels={"n": "1"}, meta={"x": 1}),
            JobRequest("true", "b", labels={"n": "2"}, meta={"x": True}),
            {"command": "true", "id": "c", "labels": {"n": "2"}, "meta": {}},
        ]
    )
    assert [ids(queue, f"n={n}") for n in (1, 2, 3)] == [["a"], ["b", "c"], []]
    assert [repr(queue.job(job).meta) for job in "abc"] == ["{'x': 1}", "{'x': True}", "{}"]


def test_labels_stay_through_a_replay_and_a_replaced_job(labelled: Queue, tmp_path: Path) -> None:
    """The views made anew are those that were, and a backup has them; a job of the same id has its own."""
    labelled.cancel("a")
    labelled.enqueue("true", id="a", replace=True, labels={"team": "c"})
    assert (ids(labelled, "team=a"), ids(labelled, "team=c")) == ([], ["a"])
    assert labelled.admin.replay(check=True).differences == []
    assert labelled.admin.replay().differences == []
    assert ids(labelled, "team") == ["b", "a"]
    labelled.admin.backup(tmp_path / "saved.tgz")
    Queue.restore(tmp_path / "saved.tgz", tmp_path / "again")
    with Queue.open(tmp_path / "again") as again:
        assert ids(again, "team") == ["b", "a"]


def test_an_edit_tells_values_of_json_apart(queue: Queue) -> None:
    """Which Python holds for equal; what is the same makes no event."""
    queue.enqueue("true", id="a", meta={"a": 1})
    assert repr(queue.edit("a", meta={"a": True}).meta) == "{'a': True}"
    head = queue.log.head()
    queue.edit("a", meta={"a": True}, labels={})
    assert queue.log.head() == head


def test_a_job_with_bytes_that_are_no_text_has_its_meta_as_others_have(queue: Queue) -> None:
    """Lists stay lists, though such a job is packed in another way, and its labels lead to it."""
    meta = {"a": [1, {"b": [[]]}]}
    queue.enqueue("echo \udcff", id="a", meta=meta, labels={"team": "é"})
    assert queue.job("a").meta == queue.edit("a", labels={"team": "ü"}).meta == meta
    assert ids(queue, "team=ü") == ["a"]
    assert queue.admin.replay(check=True).differences == []
