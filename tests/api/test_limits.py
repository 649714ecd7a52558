"""Whom a limit lets start next: what waits too long for much reserves it, unless nothing that ends would make room."""

from typing import Any

import pytest

from queuectl import InvalidInput, InvalidLine, JobRequest, Queue
from queuectl.engine import limit_actions
from tests.clocks import FakeClock

RUN_S = 0.5
STEPS = 200


def started_after_s(queue: Queue, clock: FakeClock, job_id: str, *, at_most: int = STEPS) -> float | None:
    """Let others start and end without end, one at a time, until a job starts; returns when that was, if it was."""
    worker, begun_us = queue.worker("w"), clock.now_us()
    running = worker.claim(8, lease_s=80_000)
    for _ in range(at_most):
        if any(job.id == job_id for job in running):
            return (clock.now_us() - begun_us) / 1_000_000
        queue.enqueue("true", use=["gpu"])
        clock.advance(RUN_S / 4)
        if running:
            worker.complete(running.pop(0))
        running += worker.claim(8, lease_s=80_000)
    return None


@pytest.fixture
def crowded(queue: Queue) -> Queue:
    """Return a queue in which a job needs all units of a limit, and others one each."""
    queue.limits.set("gpu", running=4)
    queue.enqueue_many([JobRequest("true", use=["gpu"])] * 4)
    queue.enqueue("true", id="much", use=["gpu=4"])
    return queue


def test_what_has_waited_for_too_long_starts_once_what_runs_has_ended(crowded: Queue, clock: FakeClock) -> None:
    """With others that go on without end, whose longest run takes half a second."""
    crowded.admin.config_set("overtake_s", 1)
    after_s = started_after_s(crowded, clock, "much")
    assert after_s is not None
    assert 1 <= after_s <= 1 + RUN_S


def test_what_may_be_overtaken_for_long_does_not_start(crowded: Queue, clock: FakeClock) -> None:
    """Those that need little go on."""
    crowded.admin.config_set("overtake_s", 1_000_000)
    assert started_after_s(crowded, clock, "much") is None


@pytest.mark.parametrize("held_by", ["a rate", "a limit of 0", "a limit that is too small"])
def test_what_no_end_of_a_run_lets_start_reserves_nothing(queue: Queue, clock: FakeClock, held_by: str) -> None:
    """However long it has waited: those after it that need the same start."""
    queue.admin.config_set("overtake_s", 1)
    queue.limits.set("gpu", running=4)
    queue.limits.set("other", running=1, rate="1/h" if held_by == "a rate" else None)
    queue.enqueue_many([JobRequest("true", use=["gpu"])] * 4)
    if held_by == "a rate":
        queue.enqueue("true", use=["other"], priority=1)
    queue.enqueue("true", id="much", use=["gpu=4", "other"])
    if held_by == "a limit of 0":
        queue.limits.set("other", running=0)
    if held_by == "a limit that is too small":
        queue.limits.set("gpu", running=3)
    queue.enqueue("true", id="little", use=["gpu"])
    worker = queue.worker("w")
    running = worker.claim(8, lease_s=80_000)
    assert "much" not in [job.id for job in running]
    for _ in range(8):  # far longer than it may be overtaken
        clock.advance(1)
        worker.claim(8, lease_s=80_000)
    if held_by == "a limit that is too small":  # of the first four three ran
        worker.complete(running.pop())
        worker.claim(1, lease_s=80_000)
    worker.complete(running.pop())
    worker.claim(8, lease_s=80_000)
    assert queue.job("little").state == "processing"
    assert queue.job("much").state == "pending"


def test_jobs_wait_in_a_thousand_classes_at_the_most(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a pair of a queue and plain limits; those there are take more jobs, and values may be many."""
    monkeypatch.setattr(limit_actions, "MOST_CLASSES", 3)
    queue.limits.set("api", running=5)
    queue.limits.set("user", running=5)
    queue.enqueue("true", queue="q1", use=["api"])
    queue.enqueue_many([JobRequest("true", queue=name, use=["api"]) for name in ("q1", "q2", "q3")])
    refusal = "expected a queue and limits that jobs wait with: there are 3 such already"
    with pytest.raises(InvalidInput, match=refusal):
        queue.enqueue("true", queue="q4", use=["api"])
    with pytest.raises(InvalidLine, match=f"(?s)2: .*{refusal}"):
        queue.enqueue_many([JobRequest("true", queue="q1", use=["api"]), JobRequest("true", queue="q4", use=["api"])])
    queue.enqueue("true", queue="q4")
    queue.enqueue("true", queue="q3", use=["api"])
    queue.worker("w").claim(1)  # leaves one class, and another job in each
    queue.worker("w").complete_many(queue.worker("w").claim(9))
    queue.enqueue_many([JobRequest("true", queue="q1", use=[f"user:{n}"]) for n in range(20)])


def test_a_rate_counts_the_starts_of_all_values(queue: Queue, clock: FakeClock) -> None:
    """Together, whichever value each uses; `why` says when the next may start."""
    queue.limits.set("user", running=5, rate="2/min", burst=2)
    jobs = queue.enqueue_many([JobRequest("true", use=[f"user:{n}"]) for n in range(4)]).ids
    assert [job.id for job in queue.worker("w").claim(4, lease_s=80_000)] == jobs[:2]
    assert [blocker.code for blocker in queue.why(jobs[2])] == ["rate", "no_worker"]
    clock.advance(30)
    assert [job.id for job in queue.worker("w").claim(4, lease_s=80_000)] == jobs[2:3]


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_rate_that_is_set_anew_forgets_the_one_before(queue: Queue, clock: FakeClock, is_removed: bool) -> None:
    """So a slip can be put right."""
    queue.limits.set("api", rate="1/360d")
    queue.enqueue_many([JobRequest("true", use=["api"])] * 2)
    assert len(queue.worker("w").claim(2, lease_s=80_000)) == 1
    if is_removed:
        queue.limits.remove("api", force=True)
    queue.limits.set("api", rate="100/s")
    assert len(queue.worker("w").claim(2, lease_s=80_000)) == 1


@pytest.mark.parametrize("name", [None, 5, [], b"x", {}, "", "a b", "a:", "\ud800"])
@pytest.mark.parametrize("verb", ["set", "remove", "state", "holders", "values", "waiting"])
def test_what_can_be_no_limit_s_name_is_refused_in_words(queue: Queue, verb: str, name: Any) -> None:
    """By each method that takes one, whatever kind of value it is."""
    with pytest.raises(InvalidInput, match=r"^limit: found .*; expected NAME, NAME:VALUE or queue:NAME$"):
        getattr(queue.limits, verb)(name, **({"running": 1} if verb == "set" else {}))


def test_a_limit_that_is_not_set_is_told_once_with_those_that_are(queue: Queue) -> None:
    """What was asked for, which there are, and what to do next, each once, in Python and at a prompt alike."""
    none = "found 'apo'; expected a limit that is set, and none is; "
    some = "found 'apo'; expected a limit that is set: api; "
    for known, listed in ((none, "`queuectl limit set` sets one"), (some, "`queuectl limit list` shows them")):
        told = {
            f"use: {known}to set apo, type: queuectl limit set apo --running N": lambda: queue.enqueue("x", use="apo"),
            f"limit: {known}{listed}": lambda: queue.limits.remove("apo"),
            f"limit: {known}{listed} ": lambda: queue.limits.state("apo"),
        }
        for line, act in told.items():
            with pytest.raises(InvalidInput) as refused:
                act()
            assert str(refused.value) == refused.value.at_a_prompt == line.strip()
        queue.limits.set("api", running=1)


def test_a_parent_that_is_not_there_is_told_with_the_kinds_where_one_may_be_meant(queue: Queue) -> None:
    """`fetch:Any` is an id that a job could have, and more likely a kind that there is not."""
    told = "expected the id of a job that is there, or of one enqueued before it"
    for after, expected in (
        ("fetch", f"after: found 'fetch'; {told}; `queuectl list` shows those there are"),
        ("fetch:any", f"after: found 'fetch'; {told}; `queuectl list` shows those there are"),
        ("fetch:Any", f"after: found 'fetch:Any'; {told}, or that with a kind after a colon: ok, any, notok; "),
    ):
        with pytest.raises(InvalidInput) as refused:
            queue.enqueue("true", after=after)
        assert str(refused.value) == refused.value.at_a_prompt
        assert str(refused.value).startswith(expected)
