"""A Job is taken wherever a job's id is, and several in whatever yields them."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from queuectl import InvalidInput, Job, Queue
from tests.lives import completed, dead

ONE: dict[str, Callable[[Queue, Any], object]] = {
    "job": lambda queue, job: queue.job(job),
    "runs": lambda queue, job: queue.runs(job),
    "history": lambda queue, job: queue.history(job),
    "log.history": lambda queue, job: queue.log.history(job),
    "family": lambda queue, job: queue.family(job),
    "events": lambda queue, job: list(queue.events(job=job)),
    "output_text": lambda queue, job: queue.output_text(job),
    "output_bytes": lambda queue, job: queue.output_bytes(job, "stdout"),
    "wait": lambda queue, job: queue.wait(job, timeout=5),
    "after": lambda queue, job: queue.jobs(order="id", after=job),
    "as_of": lambda queue, job: queue.as_of(queue.log.head()).job(job),
    "after in the past": lambda queue, job: queue.as_of(queue.log.head()).jobs(order="id", after=job),
}
"""What asks about a job -> the question."""


@pytest.mark.parametrize("ask", ONE.values(), ids=ONE)
def test_a_job_is_asked_about_as_its_id_is(queue: Queue, ask: Callable[[Queue, Any], object]) -> None:
    """The answers are the same."""
    completed(queue, "a")
    completed(queue, "b")
    job = queue.job("a")
    assert ask(queue, job) == ask(queue, "a")


def test_a_job_is_acted_on_as_its_id_is(queue: Queue) -> None:
    """It need not be as it was last: the id counts."""
    job = queue.enqueue("true", id="a")
    assert queue.edit(job, priority=5).priority == 5
    assert queue.cancel(job).state == "cancelled"
    assert queue.retry(job).state == "pending"
    queue.cancel(job)
    assert queue.remove(job) == ["a"]
    dead(queue, "b")
    assert queue.dlq.retry(queue.job("b")) == ["b"]


SEVERAL: dict[str, Callable[[Job, Job], Iterable[Job | str]]] = {
    "a list": lambda a, b: [a, "b"],
    "a tuple": lambda a, b: ("a", b),
    "a set": lambda a, b: {"a", "b"},
    "a generator": lambda a, b: (job for job in (a, b)),
    "keys": lambda a, b: {"a": 1, "b": 2}.keys(),
}


@pytest.mark.parametrize("several", SEVERAL.values(), ids=SEVERAL)
def test_several_are_named_in_whatever_yields_them(
    queue: Queue, several: Callable[[Job, Job], Iterable[Job | str]]
) -> None:
    """A list, a set, a generator: of Jobs, of ids or of both."""
    a, b = (completed(queue, name) for name in "ab")
    assert sorted(job.id for job in queue.wait(several(a, b), timeout=5)) == ["a", "b"]
    assert sorted(queue.remove(several(a, b))) == ["a", "b"]
    a, b = (dead(queue, name) for name in "ab")
    assert sorted(queue.dlq.retry(several(a, b))) == ["a", "b"]


@pytest.mark.parametrize(
    "wrong", [[5], {5}, iter([5]), {"a": 1}, b"a", 5, [b"a"]], ids=lambda each: type(each).__name__
)
def test_what_is_no_job_is_refused_by_its_name(queue: Queue, wrong: Any) -> None:
    """Also what an iterator yields, and before anything is done."""
    queue.enqueue("true", id="a")
    before = queue.log.head()
    with pytest.raises(InvalidInput) as refused:
        queue.remove(wrong)
    assert refused.value.field == "job_ids"
    assert queue.log.head() == before
