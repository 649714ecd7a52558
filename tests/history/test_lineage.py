"""Families whose shape is drawn or cut by hand: bounded, and whole as far as the log is."""

from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queuectl import JobRequest, Kin, Queue
from queuectl.store import log_rows
from queuectl.store.store import key_of
from tests.clocks import FakeClock
from tests.depth import tries


def run(queue: Queue, job_id: str, *children: str) -> None:
    """Let a job run, and enqueue others from within."""
    (job,) = queue.worker("w").claim(1)
    assert job.id == job_id
    running = queue.worker("w").start(job)
    queue._engine.cause = job.version
    queue.enqueue_many([JobRequest("true", id=each) for each in children])
    queue._engine.cause = 0
    queue.worker("w").complete(running)


def names(kin: Kin) -> list[str | None]:
    """Return a family's ids, parents before children."""
    return [kin.id, *(name for child in kin.children for name in names(child))]


def let_go(queue: Queue, *positions: int) -> None:
    """Let events go, as retention does."""
    with queue._store.write() as txn:
        for position in positions:
            txn.delete("log", key_of(position))
        log_rows.set_cut(txn, max(positions), bytes(32))


def test_a_wide_family_is_bounded(queue: Queue) -> None:
    """Of a run that enqueued thousands, as many are shown as asked for, and the rest are counted."""
    queue.enqueue("true", id="top")
    run(queue, "top", *(f"c{n}" for n in range(3_000)))
    found = queue.family("top", limit=50)
    assert (len(found.root.children), found.root.left_out) == (49, 2_951)
    below = queue.family("c2999")
    assert (names(below.root), below.root.left_out) == (["top", "c2999"], 2_999)


def test_a_long_line_is_bounded(queue: Queue) -> None:
    """Of a job that goes on enqueueing the next, so many generations are shown as asked for, up and down."""
    queue.enqueue("true", id="g0")
    for n in range(60):
        run(queue, f"g{n}", f"g{n + 1}")
    found = queue.family("g30", depth=5)
    assert names(found.root) == [f"g{n}" for n in range(25, 36)]
    assert found.above is not None
    assert found.above.job_id == "g24"
    assert names(queue.family("g30", depth=100).root) == [f"g{n}" for n in range(61)]


def test_an_ancestor_that_retention_let_go(queue: Queue) -> None:
    """Above a job whose parent's events are gone, that is said, with where its run was claimed."""
    queue.enqueue("true", id="top")
    run(queue, "top", "child")
    let_go(queue, 1, 2, 3, 5)
    found = queue.family("child")
    assert names(found.root) == ["child"]
    assert found.above is not None
    assert (found.above.token, found.above.number, found.above.job_id) == (2, None, None)
    cause = queue.log.cause_of(found.number)
    assert cause == found.above


def test_a_descendant_that_retention_let_go(queue: Queue) -> None:
    """A job whose events are gone keeps its place, by its number alone."""
    queue.enqueue("true", id="top")
    run(queue, "top", "child", "other")
    let_go(queue, 4)
    child, other = queue.family("top").root.children
    assert (child.number, child.id, child.state, child.is_removed) == (4, None, None, True)
    assert other.id == "other"


def test_what_is_left_of_a_named_stream(queue: Queue) -> None:
    """The history of a stream whose first events retention let go begins with what is left."""
    for value in (1, 2, 3):
        queue.admin.config_set("max_retries", value)
    let_go(queue, 1, 2)
    assert [each.position for each in queue.history("config")] == [3]


@pytest.mark.slow
@settings(max_examples=tries(25))
@given(draws=st.lists(st.integers(0, 10_000), min_size=1, max_size=12), drawn=st.integers(0, 12))
def test_any_family_is_its_ancestors_and_descendants(draws: list[int], drawn: int) -> None:
    """Whatever enqueued whatever, a job's family is the line down to it and all below it, and nobody else."""
    parents = {n: draw % n for n, draw in enumerate(draws, 1)}
    subject = drawn % (len(parents) + 1)
    with TemporaryDirectory() as directory, Queue.open(f"{directory}/q", clock=FakeClock(), actor="tester") as queue:
        queue.enqueue("true", id="0")
        for _ in range(len(parents) + 1):
            job_id = queue.jobs(state="pending", limit=1)[0].id
            run(queue, job_id, *(str(n) for n, parent in parents.items() if str(parent) == job_id))
        found = names(queue.family(str(subject), depth=50).root)
    below = {n for n in range(len(parents) + 1) if subject in line_to(n, parents)}
    assert sorted(map(int, filter(None, found))) == sorted(below | set(line_to(subject, parents)))


def line_to(number: int, parents: dict[int, int]) -> list[int]:
    """Return a job and its ancestors."""
    return [number, *line_to(parents[number], parents)] if number else [0]
