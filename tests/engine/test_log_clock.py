"""The log's time under a clock that somebody sets: it never goes back, never stands still, and is caught up with."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl import Queue
from queuectl.core.commands import EnqueueJob
from queuectl.core.times import PACE, log_time_us
from queuectl.engine.engine import Engine
from queuectl.events.types import JobSpec
from queuectl.store.store import Store
from tests.clocks import START_US, FakeClock
from tests.property.strategies import brief

SECOND = 1_000_000
HOUR_S = 3600


def write(engine: Engine) -> int:
    """Append an event and give its time."""
    with engine.unit() as unit:
        [job] = unit.enqueue([EnqueueJob(JobSpec(f"job{unit.log.head()}", "true"))])
        return job.created_at_us


def test_time_goes_on_at_half_its_pace_while_the_clock_is_behind(engine: Engine, clock: FakeClock) -> None:
    """After a clock was put back, delays take twice as long, and not an hour more."""
    write(engine)
    clock.jump(-HOUR_S)
    assert write(engine) == START_US
    clock.advance(20)
    assert (engine.now_us(), write(engine)) == (START_US + 10 * SECOND,) * 2


def test_the_clock_catches_up(engine: Engine, clock: FakeClock) -> None:
    """A busy log that was led an hour ahead is on time again after two."""
    clock.jump(HOUR_S)
    write(engine)
    clock.jump(-HOUR_S)
    for _ in range(2 * 60):
        write(engine)
        clock.advance(60)
    assert write(engine) == clock.now_us() == START_US + 2 * HOUR_S * SECOND


def test_an_anchor_of_another_boot_counts_for_nothing(engine: Engine, clock: FakeClock) -> None:
    """After a restart of the machine the steady clock begins anew, and time goes on from where it was."""
    write(engine)
    clock.jump(-HOUR_S)
    write(engine)
    clock.advance(100)
    clock.booted, clock.passed_us = "boot-2", 7 * SECOND
    assert write(engine) == START_US
    clock.advance(100)
    assert write(engine) == START_US + 50 * SECOND


def test_an_old_anchor_leads_nowhere(engine: Engine, clock: FakeClock) -> None:
    """A jump long ago has no say in one of today."""
    write(engine)
    clock.jump(-HOUR_S)
    write(engine)
    clock.advance(HOUR_S * 10)
    at_us = write(engine)
    assert at_us == clock.now_us()
    clock.jump(-HOUR_S)
    clock.advance(10)
    assert write(engine) == at_us
    clock.advance(10)
    assert write(engine) == at_us + 5 * SECOND


JUMPS = st.integers(-2 * HOUR_S, 2 * HOUR_S) | st.sampled_from([0, -1, 1, -HOUR_S, HOUR_S])


@brief
@given(steps=st.lists(st.tuples(JUMPS, st.integers(0, HOUR_S)), max_size=20))
def test_whatever_the_clock_does(steps: list[tuple[int, int]]) -> None:
    """Between any two writes time goes on by what passed, or half of it; reading agrees with what is written next."""
    clock = FakeClock()
    with TemporaryDirectory() as home, Store.open(Path(home) / "q", create=True) as store:
        engine, other = Engine(store, clock, "one"), Engine(store, clock, "two")
        for jump_s, passed_s in steps:
            clock.jump(jump_s)
            before_us = write(engine)
            clock.advance(passed_s)
            read_us = other.now_us()
            after_us = write(other)
            assert read_us == after_us == max(clock.now_us(), after_us)
            assert after_us - before_us >= passed_s * SECOND // PACE
            assert after_us == clock.now_us() or after_us - before_us <= passed_s * SECOND


def test_jobs_outlive_jumps_of_the_clock(queue: Queue, clock: FakeClock) -> None:
    """Delays, retries and leases end, whatever hour it is said to be, and no job is lost on the way."""
    queue.enqueue("true", id="delayed", delay_s=20)
    queue.enqueue("true", id="failing", backoff_base=30, max_retries=9)
    clock.jump(-HOUR_S)
    queue.worker("w1").fail(queue.worker("w1").start(queue.worker("w1").claim(lease_s=60)[0]), "exit code 1")
    clock.advance(39)
    assert queue.worker("w1").claim() == []
    clock.advance(2)
    assert [job.id for job in queue.worker("w1").claim(lease_s=60)] == ["delayed"]
    clock.advance(20)
    assert [job.id for job in queue.worker("w2").claim(lease_s=3000)] == ["failing"]
    clock.advance(99)
    assert queue.worker(queue.actor).recover().jobs == []
    clock.advance(2)
    assert [job.id for job in queue.worker(queue.actor).recover().jobs] == ["delayed"]
    clock.jump(2 * HOUR_S)
    assert [job.id for job in queue.worker(queue.actor).recover().jobs] == ["failing"]
    assert [job.state for job in queue.jobs()] == ["pending", "pending"]
    times = [each.at_us for each in queue.events()]
    assert times == sorted(times)
    assert queue.admin.replay(check=True).differences == []


DAY_S = 24 * HOUR_S


def later(clock: FakeClock, seconds: float) -> datetime:
    """Return a time as a user would name it: by the machine's clock."""
    return datetime.fromtimestamp(clock.now_us() / 1_000_000 + seconds, UTC)


def enqueue_at(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue("true", id="at", run_at=later(clock, HOUR_S))


def enqueue_delayed(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue("true", id="at", delay_s=HOUR_S)


def enqueue_from_json(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue_many([{"id": "at", "command": "true", "run_at": "in 1h"}])


def edit_at(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue("true", id="at", delay_s=5 * DAY_S)
    assert queue.edit("at", run_at=later(clock, HOUR_S)).runs_at_us == clock.now_us() + HOUR_S * SECOND


def edit_delay(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue("true", id="at", delay_s=5 * DAY_S)
    queue.edit("at", delay_s=HOUR_S)


@pytest.mark.parametrize("ahead_s", [0, 60, HOUR_S / 2, HOUR_S, DAY_S])
@pytest.mark.parametrize("name", [enqueue_at, enqueue_delayed, enqueue_from_json, edit_at, edit_delay])
def test_a_time_that_somebody_names_is_by_the_machine_s_clock(
    queue: Queue, clock: FakeClock, name: Callable[[Queue, FakeClock], None], ahead_s: float
) -> None:
    """After a clock that was ahead was put right, in an hour is in an hour: not at once, and not in two."""
    clock.jump(ahead_s)
    queue.enqueue("true", id="before")
    clock.jump(-ahead_s)
    name(queue, clock)
    assert queue.job("at").runs_at_us == clock.now_us() + HOUR_S * SECOND
    queue.cancel("before")
    assert queue.worker("w").claim(9) == []
    clock.advance(HOUR_S - 2)
    assert queue.worker("w").claim(9) == []
    assert queue.admin.replay(check=True).differences == []
    clock.advance(3)
    assert [job.id for job in queue.worker("w").claim(9, lease_s=DAY_S)] == ["at"]
    queue.worker("w").complete(queue.worker("w").start(queue.job("at")))
    assert queue.admin.replay(check=True).differences == []
    times = [each.at_us for each in queue.events()]
    assert times == sorted(times)


def test_a_time_that_has_passed_is_due_at_once(queue: Queue, clock: FakeClock) -> None:
    """Though the log be ahead, a time that the machine's clock has passed is none to wait for."""
    clock.jump(DAY_S)
    queue.enqueue("true", id="before")
    clock.jump(-DAY_S)
    queue.enqueue("true", id="at", run_at=later(clock, -5))
    assert {job.id for job in queue.worker("w").claim(9)} == {"before", "at"}


@brief
@given(st.integers(0, 10 * DAY_S), st.integers(0, 10 * DAY_S))
def test_the_log_s_time_of_a_named_time(lead_s: int, wait_s: int) -> None:
    """It is what the log's time comes to by then: half of what passes, until the machine's clock has caught up."""
    lead, wait, now = lead_s * SECOND, wait_s * SECOND, START_US
    expected = max(now + wait, now + lead + wait // PACE) if lead and wait else now + wait
    assert log_time_us(now + wait, log_now_us=now + lead, wall_now_us=now) == expected
