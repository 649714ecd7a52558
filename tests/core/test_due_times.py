"""When a job runs is told by the machine's clock, also in a queue whose log is ahead of it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl import Queue
from queuectl.cli.output.format import moment
from queuectl.cli.output.job_text import Rows, chosen_columns, state_text, when_text
from queuectl.cli.output.status_text import glance
from queuectl.core.due_times import DueTimes
from queuectl.core.job import Job
from queuectl.core.job_filter import Filter
from queuectl.core.times import PACE, log_time_us, time_json, wall_time_us
from queuectl.integrity import doctor
from queuectl.queries.json_form import job_json
from tests.clocks import START_US, FakeClock
from tests.property.strategies import brief

SECOND = 1_000_000
DAY_S = 24 * 3600


@brief
@given(lead_s=st.integers(-DAY_S, 10 * DAY_S), wait_us=st.integers(0, 30 * DAY_S * SECOND))
def test_one_is_the_other_the_other_way_round(lead_s: int, wait_us: int) -> None:
    """A time of the machine's clock, made one of the log's, is told as it was named, to a microsecond."""
    now, log = START_US, START_US + lead_s * SECOND
    due_us = log_time_us(now + wait_us, log_now_us=log, wall_now_us=now)
    assert 0 <= now + wait_us - wall_time_us(due_us, log_now_us=log, wall_now_us=now) < PACE


def test_what_is_due_already_is_due_now() -> None:
    """A time that the log has reached, and the clock has not, is now; one that the clock has passed stays."""
    log = START_US + DAY_S * SECOND
    assert wall_time_us(START_US + 5, log_now_us=log, wall_now_us=START_US) == START_US
    assert wall_time_us(START_US - 5, log_now_us=log, wall_now_us=START_US) == START_US - 5


def delayed(queue: Queue, clock: FakeClock) -> None:
    """Enqueue before the clock is put right."""
    queue.enqueue("true", id="job", delay_s=600)
    clock.jump(-DAY_S)


def retried(queue: Queue, clock: FakeClock) -> None:
    """Fail after it was put right."""
    queue.enqueue("true", id="job", backoff_base=600)
    clock.jump(-DAY_S)
    queue.worker("w").fail(queue.worker("w").start(queue.worker("w").claim()[0]), "exit code 1")


def seen(queue: Queue) -> list[Job]:
    """Return the job as each way of looking at it has it."""
    found = queue.ui.overview()
    return [queue.job("job"), *queue.jobs(), *found.jobs, *found.retries]


@pytest.mark.parametrize("make", [delayed, retried])
def test_a_waiting_job_is_told_to_run_when_it_does(
    queue: Queue, clock: FakeClock, make: Callable[[Queue, FakeClock], None]
) -> None:
    """However it is looked at, it runs at the time that is told, a day before what the log says."""
    clock.jump(DAY_S)
    make(queue, clock)
    assert queue.worker("w").claim() == []  # a write, from which on the log's time goes on
    due_us = clock.now_us() + 1200 * SECOND
    for job in seen(queue):
        assert job.runs_at_us == due_us
        assert job_json(job)["run_at"] == time_json(due_us)
        told = {state_text(job, clock.now_us()), when_text(job, clock.now_us())}
        assert told & {"failed, retry in 20m", f"due {moment(due_us)}"}
    clock.advance(1198)
    assert queue.worker("w").claim() == []
    assert {job.runs_at_us for job in seen(queue)} == {due_us}
    clock.advance(4)
    assert [job.id for job in queue.worker("w").claim()] == ["job"]
    assert queue.admin.replay(check=True).differences == []


@pytest.mark.parametrize("make", [delayed, retried])
def test_a_worker_waits_by_the_machine_s_clock(
    queue: Queue, clock: FakeClock, make: Callable[[Queue, FakeClock], None]
) -> None:
    """What a worker is told of the next job that becomes due, and says itself, is how long that takes."""
    clock.jump(DAY_S)
    make(queue, clock)
    assert queue.worker("w").exchange([], want=1, lease_s=60).next_due_s == 1200
    clock.advance(200)
    assert queue.worker("w").exchange([], want=1, lease_s=60).next_due_s == 1000


def test_how_long_ago_a_time_of_the_log_was() -> None:
    """It went as the clock until that was put right, and at half the pace since; what the clock reached is its own."""
    times = DueTimes(START_US + DAY_S * SECOND, START_US, slow_us=START_US + (DAY_S - 30) * SECOND)
    for seconds_before, passed_s in ((0, 0), (10, 20), (30, 60), (40, 70)):
        at_us = times.log_us - seconds_before * SECOND
        assert times.passed_us(at_us) == passed_s * SECOND
        assert times.began_us(at_us) == START_US - passed_s * SECOND
    assert times.passed_us(START_US - 5) == 5
    still = DueTimes(times.log_us, START_US, slow_us=times.log_us)
    assert (still.passed_us(times.log_us), still.passed_us(times.log_us - 10)) == (0, 10)
    assert DueTimes(START_US, START_US).passed_us(START_US + 1) == 0


def begun_before(queue: Queue, clock: FakeClock) -> None:
    """Begin 100 s before the clock is put right, and write something once it is."""
    queue.worker("w").start(*queue.worker("w").claim())
    clock.advance(100)
    queue.enqueue("true", id="before")
    clock.jump(-DAY_S)
    queue.enqueue("true", id="after")
    clock.advance(200)


def begun_after(queue: Queue, clock: FakeClock) -> None:
    """Begin 300 s ago, since the clock was put right."""
    clock.jump(-DAY_S)
    queue.worker("w").start(*queue.worker("w").claim())
    clock.advance(300)


@pytest.mark.parametrize("begin", [begun_before, begun_after])
def test_a_run_is_told_since_when_it_goes_on(
    queue: Queue, clock: FakeClock, begin: Callable[[Queue, FakeClock], None]
) -> None:
    """However it is looked at, by the clock as it is set now: for how long it has run, and whether for longer than."""
    clock.jump(DAY_S)
    queue.worker("w").started(slots=1, queues=None, host="h", pid=1)
    queue.enqueue("true", id="job")
    begin(queue, clock)
    began_us = clock.now_us() - 300 * SECOND
    running = [queue.job("job"), *queue.jobs(state="running"), *queue.ui.overview(state="running").jobs]
    assert [job.running_since_us for job in running] == [began_us] * 3
    [row] = Rows(chosen_columns("took,when"), clock.now_us()).of(running[:1])
    assert row == ["5m", moment(began_us)]
    for workers in (queue.workers(), queue.ui.overview().workers):
        assert [run.since_us for info in workers for run in info.runs] == [began_us]
    for seconds, found in ((299, ["job"]), (301, [])):
        where = Filter(running_since_us=clock.now_us() - seconds * SECOND)
        assert [job.id for job in queue.jobs(where)] == found
        assert len(queue.ui.choose("cancel", where).numbers) == len(found)
    where = Filter(running_since_us=clock.now_us() - 299 * SECOND)
    assert queue.ui.act_on_all(queue.ui.choose("cancel", where)).ids == ["job"]
    clock.advance(100)
    assert queue.job("job").running_since_us == began_us


def test_a_run_from_before_the_clock_was_wrong_keeps_its_time(queue: Queue, clock: FakeClock) -> None:
    """The day that the clock was ahead by, and nobody lived through, is not counted."""
    queue.enqueue("true", id="job")
    queue.worker("w").start(*queue.worker("w").claim())
    began_us = clock.now_us()
    clock.advance(5)
    clock.jump(DAY_S)
    queue.enqueue("true")
    clock.jump(-DAY_S)
    queue.enqueue("true")
    clock.advance(60)
    assert queue.job("job").running_since_us == began_us
    assert queue.jobs(Filter(running_since_us=clock.now_us() - 66 * SECOND)) == []


def test_the_oldest_waits_by_the_clock(queue: Queue, clock: FakeClock) -> None:
    """What was enqueued after the clock was put right waits, and for as long as it does."""
    clock.jump(DAY_S)
    queue.enqueue("true", id="early")
    clock.jump(-DAY_S)
    queue.worker("w").complete(*queue.worker("w").claim())
    queue.enqueue("true", id="late")
    clock.advance(120)
    assert queue.status().oldest_pending_s == pytest.approx(120, abs=0.01)
    assert queue.ui.overview().status.oldest_pending_s == pytest.approx(120, abs=0.01)
    assert any("the oldest has waited 2m" in line for line in glance(queue))


def test_status_tells_of_a_log_that_is_ahead(queue: Queue, clock: FakeClock) -> None:
    """In terms of the clock, until when delays take longer; without a word where the log is on time."""
    queue.enqueue("true", id="job")
    assert not any("ahead" in line for line in glance(queue))
    clock.jump(-DAY_S)
    level = moment(clock.now_us() + 2 * DAY_S * SECOND)
    told = f"The log is 1d ahead of this machine's clock: delays and retries take up to twice as long until {level}"
    assert list(glance(queue))[-1] == told


def test_doctor_tells_of_a_log_that_is_ahead(tmp_path: Path) -> None:
    """By how much, and for how long delays take longer."""
    ahead = FakeClock(time.time_ns() // 1000 + DAY_S * SECOND)
    with Queue.open(tmp_path / "q", clock=ahead) as queue:
        queue.enqueue("true", id="job")
    [found] = [each for each in doctor.examine(tmp_path / "q") if each.check == "clock"]
    assert found.state == "ok"
    assert found.found.startswith("the log's time is 23:59:")
    assert "If that is right there is nothing to do" in found.found
