"""What runs next is known without looking at anything else."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queuectl.core.job import Job
from queuectl.events.types import Cancelled
from queuectl.projections import ready
from tests.depth import tries
from tests.projections.telling import Teller

EXTREME = 2**31 - 1


def test_higher_priority_goes_first_then_who_came_first(views: Teller) -> None:
    """Priorities from the lowest to the highest possible sort as numbers, and equal ones by arrival."""
    priorities = [0, -1, EXTREME, 1, -EXTREME, 0, 1]
    numbers = [views.enqueue(f"job{n}", priority=priority).number for n, priority in enumerate(priorities)]
    order = [2, 3, 6, 0, 5, 1, 4]
    assert list(ready.numbers(views.txn)) == [numbers[n] for n in order]


def test_queues_share_one_order(views: Teller) -> None:
    """Several queues give their jobs in the order in which one would."""
    wishes = [("a", 0), ("b", 5), ("ab", 5), ("a", 5), ("b", 0)]
    numbers = [views.enqueue(f"job{n}", *wish).number for n, wish in enumerate(wishes)]
    assert list(ready.numbers(views.txn)) == [numbers[n] for n in (1, 2, 3, 0, 4)]
    assert list(ready.numbers(views.txn, ["a", "b"])) == [numbers[n] for n in (1, 3, 0, 4)]


@pytest.mark.parametrize("queue", ["a", "a.b", "a-b", "ab", "A"])
def test_a_queue_is_not_mistaken_for_another(views: Teller, queue: str) -> None:
    """A queue whose name begins another's has its own jobs only."""
    for n, name in enumerate(["a", "a.b", "a-b", "ab", "A"]):
        views.enqueue(name, name, n - 2)
    assert [views.views.job(number).id for number in ready.numbers(views.txn, [queue])] == [queue]  # type: ignore[union-attr]


def test_a_queue_named_twice_gives_each_job_once(views: Teller) -> None:
    """Naming a queue twice is naming it."""
    job = views.enqueue()
    assert list(ready.numbers(views.txn, ["default", "default"])) == [job.number]


def test_no_queues_and_unknown_ones_have_nothing(views: Teller) -> None:
    """Asking none, or one without jobs, gives none."""
    views.enqueue()
    assert list(ready.numbers(views.txn, [])) == list(ready.numbers(views.txn, ["other"])) == []


def test_the_firsts_are_those_of_each_queue_and_priority(views: Teller) -> None:
    """Of every queue and priority the job that came first is told, and no other; first the first of all."""
    wishes = [("a", 0), ("a", 0), ("b", 0), ("a", 7), ("a", 7)]
    numbers = [views.enqueue(f"job{n}", *wish).number for n, wish in enumerate(wishes)]
    assert next(ready.firsts(views.txn)) == numbers[3]
    assert set(ready.firsts(views.txn)) == {numbers[0], numbers[2], numbers[3]}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(-1, 1), st.sampled_from(["enqueue", "claim", "cancel"])),
        max_size=30,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=tries(50))
def test_many_queues_give_the_order_of_all_their_jobs(views: Teller, steps: list[tuple[str, int, str]]) -> None:
    """Whatever comes and goes, queues have one head each, and the order of all is that of their jobs, from any on."""
    for queue, priority, what in steps:
        waiting = list(ready.numbers(views.txn, [queue]))
        if what == "enqueue" or not waiting:
            views.enqueue(f"job{views.log.head()}", queue, priority)
        elif what == "claim":
            views.claim(jobs_of(views, waiting)[0])
        else:
            views.tell(waiting[-1], Cancelled())
    merged = jobs_of(views, [number for queue in "abc" for number in ready.numbers(views.txn, [queue])])
    merged.sort(key=lambda job: (-job.spec.priority, job.number))
    expected = [job.number for job in merged]
    assert list(ready.numbers(views.txn)) == list(ready.numbers(views.txn, ["c", "a", "b"])) == expected
    for n, job in enumerate(merged):
        assert list(ready.numbers(views.txn, behind=job)) == expected[n + 1 :]
    fronts = [int.from_bytes(key[-8:], "big") for key, _ in views.txn.scan(ready.TABLE, stop=b"\1")]
    firsts = [next(ready.numbers(views.txn, [queue]), None) for queue in "abc"]
    assert sorted(fronts) == sorted(first for first in firsts if first is not None)


def jobs_of(views: Teller, numbers: list[int]) -> list[Job]:
    """Return the jobs of these numbers."""
    found = [views.views.job(number) for number in numbers]
    return [job for job in found if job is not None]
