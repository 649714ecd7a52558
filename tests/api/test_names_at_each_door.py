"""A time limit, a delay and a time to wait for go by the same names at each door by which a job comes in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queuectl import InvalidInput, InvalidLine, Job, JobRequest, Queue
from queuectl.core.job_request import OTHER_NAMES

pytestmark = pytest.mark.real_clock

HOUR = timedelta(hours=1)
LATER = datetime(2099, 1, 1, tzinfo=UTC)
SAID: dict[str, Any] = {
    "timeout": "1h", "timeout_s": 3600,
    "delay": HOUR, "delay_s": "60m",
    "run_at": "2099-01-01T00:00:00Z", "at": LATER, "run_at_us": int(LATER.timestamp()) * 1_000_000,
}  # fmt: skip
"""Each name, with a value that it may have."""

Door = Callable[[Queue, dict[str, Any]], Job]


def from_list(queue: Queue, request: Any) -> Job:
    """Enqueue one as one of many."""
    return queue.job(queue.enqueue_many([request]).ids[0])


DOORS: dict[str, Door] = {
    "enqueue": lambda queue, said: queue.enqueue("true", **said),
    "a request": lambda queue, said: queue.ui.enqueue_request(JobRequest("true", **said)),
    "a request of many": lambda queue, said: from_list(queue, JobRequest("true", **said)),
    "a mapping": lambda queue, said: from_list(queue, {"command": "true", **said}),
    "edit": lambda queue, said: queue.edit(queue.enqueue("true").id, **said),
}


def asked(job: Job) -> tuple[bool, bool, bool]:
    """Return whether a job has the time limit, the delay and the time of SAID."""
    delay = job.due_at - job.created_at
    return job.timeout_s == 3600, HOUR - timedelta(minutes=1) < delay < HOUR + timedelta(minutes=1), job.due_at == LATER


def expected(name: str) -> tuple[bool, bool, bool]:
    """Return what a job is to have for which one of these was said."""
    plain = OTHER_NAMES.get(name, name)
    return plain == "timeout", plain == "delay", plain == "run_at"


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_each_name_means_the_same_at_each_door(queue: Queue, door: Door, name: str) -> None:
    """Whichever name of one thing is used, and wherever."""
    assert asked(door(queue, {name: SAID[name]})) == expected(name)


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("name", OTHER_NAMES)
def test_two_names_of_one_thing_are_refused(queue: Queue, door: Door, name: str) -> None:
    """Neither wins silently, and nothing is enqueued or changed."""
    with pytest.raises((InvalidInput, InvalidLine), match="to be given once"):
        door(queue, {OTHER_NAMES[name]: SAID[OTHER_NAMES[name]], name: SAID[name]})
    assert all(job.version == job.number for job in queue.jobs())


@pytest.mark.parametrize("door", [*DOORS.values()], ids=DOORS)
@pytest.mark.parametrize("early_us", [0, 1, 5_000_000, 99_999_999_999])
def test_microseconds_are_taken_for_no_seconds(queue: Queue, door: Door, early_us: int) -> None:
    """Under `run_at_us` a number is of microseconds, however small."""
    edited_to_now = door is DOORS["edit"] and early_us == 0  # an edit's 0 is at once
    assert door(queue, {"run_at_us": early_us}).spec.run_at_us == (None if edited_to_now else early_us)


@pytest.mark.parametrize("wrong", [-1, 1.5, "now", True, 2**70, HOUR])
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_microseconds_are_a_whole_number(queue: Queue, door: Door, wrong: Any) -> None:
    """The name that was used is in the refusal."""
    with pytest.raises((InvalidInput, InvalidLine), match="run_at_us"):
        door(queue, {"run_at_us": wrong})


def test_a_request_that_is_none_is_told_as_python_does() -> None:
    """A name that no field has is no other name of one."""
    with pytest.raises(TypeError, match="colour"):
        JobRequest("true", colour="red")  # type: ignore[call-arg]
