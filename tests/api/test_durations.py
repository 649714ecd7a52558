"""Durations, times and paths are taken in every form that Python has for them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from queuectl import Filter, InvalidInput, JobRequest, Queue
from queuectl.core.times import duration_s, when_us

pytestmark = pytest.mark.real_clock

NOW_US = 1_800_000_000_000_000


@pytest.mark.parametrize("ten_minutes", [600, 600.0, "10m", "600", "10 minutes", timedelta(minutes=10)])
def test_a_duration_is_told_in_any_way(queue: Queue, ten_minutes: Any) -> None:
    """Wherever one is asked for, seconds, a text and a timedelta mean the same."""
    assert duration_s(ten_minutes, field="timeout") == 600
    jobs = [
        queue.enqueue("true", timeout=ten_minutes, delay=ten_minutes),
        queue.enqueue("true", timeout_s=ten_minutes, delay_s=ten_minutes),
        queue.ui.enqueue_request(JobRequest("true", timeout=ten_minutes, delay=ten_minutes)),
        queue.job(queue.enqueue_many([{"command": "true", "timeout": ten_minutes, "delay": ten_minutes}]).ids[0]),
        queue.edit(queue.enqueue("true").id, timeout=ten_minutes, delay=ten_minutes),
    ]
    assert {job.timeout_s for job in jobs} == {600}
    now = datetime.now(UTC)
    assert all(timedelta(seconds=590) < job.due_at - now < timedelta(seconds=610) for job in jobs)
    assert queue.admin.config_set("lease_s", ten_minutes) == 600
    queue.enqueue("true")
    [held] = queue.worker("w").claim(lease_s=ten_minutes)
    assert held.lease is not None
    assert held.lease.expires_at_us - held.updated_at_us == 600_000_000
    for name in ("older_than", "older_than_s"):
        assert queue.clear(**{name: ten_minutes}) == 0
        assert queue.admin.compact(**{name: ten_minutes}).jobs == 0


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "soon", timedelta(seconds=-1), "-5", "1y"])
def test_what_is_no_duration_is_refused_by_its_name(queue: Queue, wrong: Any) -> None:
    """The argument is named, and nothing is recorded."""
    for act, field in (
        (lambda: queue.enqueue("true", timeout=wrong), "timeout"),
        (lambda: queue.enqueue("true", delay=wrong), "delay"),
        (lambda: queue.wait([], timeout=wrong), "timeout"),
        (lambda: queue.clear(older_than=wrong), "older_than"),
        (lambda: queue.clear(older_than_s=wrong), "older_than_s"),
        (lambda: queue.admin.compact(older_than=wrong), "older_than"),
        (lambda: queue.worker("w").claim(lease_s=wrong), "lease_s"),
        (lambda: queue.run_worker(drain=True, poll_s=wrong), "poll_s"),
    ):
        with pytest.raises(InvalidInput) as refused:
            act()
        assert refused.value.field == field
    assert queue.log.head() == 0


@pytest.mark.parametrize("ever", [2**62, 1e300, timedelta.max, "101 years", 101 * 366 * 86_400])
@pytest.mark.parametrize("name", ["older_than", "older_than_s"])
def test_an_age_of_more_than_a_hundred_years_is_refused_by_its_name(queue: Queue, name: str, ever: Any) -> None:
    """No clock shows a time so long ago; one before 1970 is taken, and means no job."""
    for act in (queue.clear, queue.admin.compact):
        with pytest.raises(InvalidInput) as refused:
            act(**{name: ever})
        assert refused.value.field == name
    assert (queue.clear(**{name: "4000w"}), queue.admin.compact(**{name: "4000w"}).jobs) == (0, 0)


@pytest.mark.parametrize(
    "an_hour_on",
    [
        *(datetime.fromtimestamp(NOW_US / 1e6 + 3600, UTC), "in 1h", timedelta(hours=1)),
        *(NOW_US // 1_000_000 + 3600, NOW_US / 1e6 + 3600, NOW_US + 3_600_000_000, float(NOW_US + 3_600_000_000)),
    ],
    ids=lambda value: f"{type(value).__name__} {value}",
)
def test_a_time_is_told_in_any_way(an_hour_on: Any) -> None:
    """A datetime, a text, a distance from now, seconds and microseconds mean the same."""
    assert when_us(an_hour_on, now_us=NOW_US, ahead=True, field="run_at") == NOW_US + 3_600_000_000


def test_a_distance_is_before_now_where_one_looks_back(queue: Queue) -> None:
    """Since an hour is since an hour ago; a moment of the past is named in the same ways."""
    queue.enqueue("true", id="a")
    assert [job.id for job in queue.jobs(since=timedelta(hours=1))] == ["a"]
    assert queue.jobs(until=timedelta(hours=1)) == queue.jobs(until="1h ago") == []
    at = queue.job("a").created_at
    with queue.as_of(at=at) as past:
        assert past.count(Filter()) == 1
    assert queue.enqueue("true", run_at=timedelta(hours=1)).due_at > datetime.now(UTC)
    assert queue.enqueue("true", run_at="in 2 hours").due_at > datetime.now(UTC)


@pytest.mark.parametrize("over", ["yesterday", "1970-01-01", 60, datetime(2020, 1, 1, tzinfo=UTC), timedelta(0)])
def test_a_queue_is_not_paused_until_a_time_that_is_over(queue: Queue, over: Any) -> None:
    """It would pause nothing, and whoever types it means another; a pause that there is stays."""
    queue.queues.pause("mail")
    with pytest.raises(InvalidInput, match=r"^until: found \S+Z, which is over; expected a time to come"):
        queue.queues.pause("mail", until=over)
    (paused,) = queue.queues.paused()
    assert (paused.name, paused.until_us) == ("mail", None)


@pytest.mark.parametrize(
    ("number", "at_us"),
    [
        *((0, 0), (0.25, 250_000), (99_999_999_999, 99_999_999_999_000_000)),
        *((100_000_000_000, 100_000_000_000), (1e11, 100_000_000_000), (1_700_000_000.5, 1_700_000_000_500_000)),
    ],
)
def test_a_number_is_of_seconds_or_of_microseconds_by_its_size(number: float, at_us: int) -> None:
    """Below 1e11 it is of seconds, from there on of microseconds."""
    assert when_us(number, now_us=NOW_US, ahead=True, field="run_at") == at_us


def test_a_number_of_seconds_is_a_time_wherever_one_is_asked_for(queue: Queue, tmp_path: Path) -> None:
    """What time.time() returns can be given on, a number without a fraction as well."""
    queue.enqueue("true", id="a")
    now_s = time.time()
    later_s = int(now_s) + 3600
    for later in (later_s, float(later_s)):
        jobs = [
            queue.enqueue("true", run_at=later),
            queue.job(queue.enqueue_many([{"command": "true", "run_at": later}]).ids[0]),
            queue.edit(queue.enqueue("true").id, run_at=later),
        ]
        assert {job.due_at for job in jobs} == {datetime.fromtimestamp(later_s, UTC)}
    assert [job.id for job in queue.jobs(until=now_s, since=now_s - 60)] == ["a"]
    assert [queue.log.position_at(at) for at in (now_s, "now", "1m ago", timedelta(hours=1))] == [
        1,
        queue.log.head(),
        0,
        0,
    ]
    with queue.as_of(at=now_s) as past:
        assert past.count(Filter()) == len(past.jobs(since=int(now_s) - 60)) == 1
    assert queue.admin.branch(tmp_path / "then", at=now_s).position == 1


@pytest.mark.parametrize("wrong", ["no such time", 2**62, timedelta(days=10**7), 1e18, -1, float("nan"), float("inf")])
def test_what_is_no_time_is_refused_by_its_name(queue: Queue, wrong: Any) -> None:
    """The argument is named."""
    for act, field in (
        (lambda: queue.enqueue("true", run_at=wrong), "run_at"),
        (lambda: queue.jobs(since=wrong), "since"),
        (lambda: queue.as_of(at=wrong), "at"),
    ):
        with pytest.raises(InvalidInput) as refused:
            act()
        assert refused.value.field == field


def test_a_path_is_a_text_or_a_path(queue: Queue, tmp_path: Path) -> None:
    """A directory to run in may be either, wherever it is named."""
    jobs = [
        queue.enqueue("true", cwd=tmp_path),
        queue.enqueue("true", cwd=str(tmp_path)),
        queue.ui.enqueue_request(JobRequest("true", cwd=tmp_path)),
        queue.job(queue.enqueue_many([{"command": "true", "cwd": tmp_path}]).ids[0]),
        queue.edit(queue.enqueue("true").id, cwd=tmp_path),
    ]
    assert {job.cwd for job in jobs} == {str(tmp_path)}
    (tmp_path / "jobs.json").write_text("[]")
    for file in (tmp_path / "jobs.json", str(tmp_path / "jobs.json")):
        assert queue.admin.import_jobs([file], format="jobs-json").read == 0
    queue.admin.verify(write_to=tmp_path / "checkpoint")
    assert queue.admin.verify(against=[str(tmp_path / "checkpoint")]).problems == []


_TOO_FAR: dict[str, Any] = {
    "timedelta.max": timedelta.max,
    "timedelta.min": timedelta.min,
    "inf": float("inf"),
    "-inf": -float("inf"),
    "nan": float("nan"),
    "1e300": 1e300,
    "2**63": 2**63,
    "-10**30": -(10**30),
    "10**5000": 10**5000,
}


@pytest.mark.parametrize("far", _TOO_FAR.values(), ids=_TOO_FAR)
def test_a_time_too_far_away_is_refused_under_its_name(queue: Queue, tmp_path: Path, far: Any) -> None:
    """Whatever takes a time raises InvalidInput for one that no clock shows, in one line."""
    queue.enqueue("true", id="a")
    asked: dict[str, Callable[[], Any]] = {
        "since": lambda: queue.jobs(since=far),
        "until": lambda: queue.jobs(until=far),
        "run_at": lambda: queue.enqueue("true", run_at=far),
        "at": lambda: queue.as_of(at=far),
        "at ": lambda: queue.admin.branch(tmp_path / "second", at=far),
    }
    for field, ask in asked.items():
        with pytest.raises(InvalidInput) as raised:
            ask()
        assert raised.value.field == field.strip()
        assert len(str(raised.value)) < 400
    assert not (tmp_path / "second").exists()
    assert [job.id for job in queue.jobs()] == ["a"]


def test_a_moment_after_the_year_9999_is_refused(queue: Queue, tmp_path: Path) -> None:
    """Also in microseconds, which the storage's numbers would have room for."""
    queue.enqueue("true", id="a")
    with pytest.raises(InvalidInput, match=r"^as_of: found 9223372036854775807; expected a time"):
        queue.as_of(at_us=2**63 - 1)
    with pytest.raises(InvalidInput, match=r"^until: found 9223372036854775807; expected a time"):
        queue.admin.branch(tmp_path / "second", at_us=2**63 - 1)
