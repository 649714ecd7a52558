"""The log's time under a clock that somebody sets: it never goes back, never stands still, and is caught up with."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl import Queue
from queuectl.engine import Engine
from queuectl.events.types import JobSpec
from queuectl.logtime import PACE
from queuectl.store import Store
from tests.clocks import START_US, FakeClock
from tests.property.strategies import brief

SECOND = 1_000_000
HOUR_S = 3600


@pytest.fixture
def engine(tmp_path: Path, clock: FakeClock) -> Iterator[Engine]:
    with Store.open(tmp_path / "queue", create=True) as store:
        yield Engine(store, clock, "tester")


def write(engine: Engine) -> int:
    """Append an event and give its time."""
    with engine.unit() as unit:
        [job] = unit.enqueue([JobSpec(f"job{unit.log.head()}", "true")])
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
    queue.fail(queue.start(queue.claim("w1", lease_s=60)[0]), "exit code 1")
    clock.advance(39)
    assert queue.claim("w1") == []
    clock.advance(2)
    assert [job.id for job in queue.claim("w1", lease_s=60)] == ["delayed"]
    clock.advance(20)
    assert [job.id for job in queue.claim("w2", lease_s=3000)] == ["failing"]
    clock.advance(99)
    assert queue.recover().jobs == []
    clock.advance(2)
    assert [job.id for job in queue.recover().jobs] == ["delayed"]
    clock.jump(2 * HOUR_S)
    assert [job.id for job in queue.recover().jobs] == ["failing"]
    assert [job.state for job in queue.jobs()] == ["pending", "pending"]
    times = [each.at_us for each in queue.events()]
    assert times == sorted(times)
    assert queue.replay(check=True).differences == []
