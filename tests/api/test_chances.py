"""Chance and time: ids that collide, jitter, a clock that jumps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl import JobRequest, Queue
from tests.clocks import FakeClock


class LoadedDice(FakeClock):
    """A clock that gives the same ids again and again, and each roll of the dice in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0
        self.rolls = 0.0

    def job_ids(self, count: int) -> list[str]:
        self.given += 1
        return [f"id{self.given // 3}-{n}" for n in range(count)]

    def roll(self) -> float:
        self.rolls += 0.01
        return self.rolls


@pytest.fixture
def dice() -> LoadedDice:
    return LoadedDice()


@pytest.fixture
def loaded(tmp_path: Path, dice: LoadedDice) -> Iterator[Queue]:
    with Queue.open(tmp_path / "loaded", clock=dice) as queue:
        yield queue


@pytest.mark.parametrize("skip", [False, True])
def test_ids_of_our_making_that_collide_are_made_again(loaded: Queue, skip: bool) -> None:
    """No job that named no id is refused or left out because of the id we gave it."""
    ids = [job_id for _ in range(6) for job_id in loaded.enqueue_many([JobRequest("true")], skip_existing=skip).ids]
    assert len(set(ids)) == 6
    assert {job.id for job in loaded.jobs()} == set(ids)


def test_each_lost_job_has_a_roll_of_its_own(loaded: Queue, dice: LoadedDice) -> None:
    """Jobs lost together are not retried together where there is jitter."""
    loaded.admin.config_set("backoff_jitter", 1)
    loaded.enqueue_many([JobRequest("true", id=f"j{n}") for n in range(5)])
    for job in loaded.worker("w").claim(5, lease_s=10):
        loaded.worker("w").start(job)
    dice.advance(11)
    assert len({job.due_us for job in loaded.worker(loaded.actor).recover().jobs}) == 5


def test_a_delay_counts_from_the_logs_time(queue: Queue, clock: FakeClock) -> None:
    """After a clock that jumped ahead and back, a delay is still waited for."""
    clock.advance(3600)
    queue.enqueue("true", id="a")
    clock.jump(-3600)
    queue.enqueue("true", id="b", delay_s=60)
    queue.enqueue_many([JobRequest("true", id="c", delay=60)])
    assert [job.id for job in queue.worker("w").claim(9)] == ["a"]


def test_a_delay_counts_from_what_was_promoted(queue: Queue, clock: FakeClock) -> None:
    """A claim that woke delayed jobs under a clock that was ahead does not wake later ones at once."""
    queue.enqueue("true", id="a", delay_s=1800)
    clock.advance(3600)
    queue.worker("w").claim(1, queues=["other"])
    clock.jump(-3600)
    queue.enqueue("true", id="b", delay_s=60)
    assert [job.id for job in queue.worker("w").claim(9)] == ["a"]


def test_an_error_of_any_length_or_kind_is_kept_within_bounds(queue: Queue) -> None:
    """A reported error is cut to what an event holds, whatever characters it has."""
    queue.enqueue("true", id="a")
    [job] = queue.worker("w").claim(1)
    queue.worker("w").fail(job, "\udc80" + "x" * 5_000_000)
    assert queue.job("a").last.error == "?" + "x" * 999
