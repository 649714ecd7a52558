"""What scripts read keeps its keys and its forms: times with Z, durations with their unit."""

import json
from typing import Any

import pytest

from queuectl import JobState, Queue, Result
from queuectl.core.times import time_json
from queuectl.events.codec import LAYOUTS, name_of
from queuectl.events.types import Enqueued, Recorded
from queuectl.queries.json_form import event_json, job_json, status_json, worker_json
from tests.clocks import FakeClock
from tests.golden.cases import AT_US, CASES
from tests.lives import PRINTED, cancelled, completed, dead, failed, long_life, running

KEYS = [
    "id", "queue", "command", "state", "priority", "attempts", "max_retries", "timeout_s", "cwd", "env", "created_at",
    "updated_at", "run_at", "started_at", "finished_at", "worker_id", "lease_expires_at", "return_code", "signal",
    "duration_ms", "last_error", "version",
]  # fmt: skip
"""The keys of a job that the command line's contract fixes."""

LATER_KEYS = [
    "backoff_base",
    "timeout_is_default",
    "shell",
    "merge",
    "inherited_env",
    "paused",
    "use",
    "unique",
    "unique_until",
    "after",
    "waits_for",
]
"""Those that came to be beside them."""
RULES = {"policy", "expires_at", "if_expired", "max_time_s", "snoozes", "ended_by"}
"""The keys that say what follows from how its runs end, and from its time."""

START = "2027-01-15T08:00:00.000000Z"


def shown(queue: Queue, job_id: str) -> dict[str, Any]:
    """Return a job as JSON and back."""
    return json.loads(json.dumps(job_json(queue.job(job_id))))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("at_us", "text"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00.000000Z"),
        (AT_US, "2026-01-01T00:00:00.000000Z"),
        (AT_US + 1, "2026-01-01T00:00:00.000001Z"),
        (253_402_300_799_000_000, "9999-12-31T23:59:59.000000Z"),
    ],
)
def test_a_time_is_iso_8601_in_utc(at_us: int | None, text: str | None) -> None:
    """A time has its date, six digits of fraction and a Z, and loses no microsecond."""
    assert time_json(at_us) == text


@pytest.mark.parametrize(
    "live", [completed, failed, dead, cancelled, lambda queue, job_id: queue.enqueue("true", id=job_id)]
)
def test_a_job_has_the_keys_of_the_contract(queue: Queue, live: Any) -> None:
    """In every state a job has each fixed key, and no more than these beside them."""
    live(queue, "a")
    assert shown(queue, "a").keys() == {*KEYS, *LATER_KEYS, *RULES, "labels", "meta"}


def test_a_pending_job_in_json(queue: Queue) -> None:
    """A job that waits tells all that was asked for, and nothing of a run."""
    queue.enqueue(["echo", "a b"], id="a", queue="q", priority=5, timeout_s=1.5, cwd="/", env={"A": "1"}, max_retries=0)
    assert shown(queue, "a") == dict.fromkeys([*KEYS, *RULES]) | {
        "snoozes": 0,
        "id": "a", "queue": "q", "command": ["echo", "a b"], "state": "pending", "priority": 5, "attempts": 0,
        "max_retries": 0, "timeout_s": 1.5, "backoff_base": 2.0, "cwd": "/", "env": {"A": "1"}, "created_at": START,
        "updated_at": START, "run_at": START, "version": 1, "timeout_is_default": False, "merge": False,
        "paused": False, "use": [], "after": [], "waits_for": [], "unique": None, "unique_until": None,
        "shell": None,
        "inherited_env": None,
        "labels": {}, "meta": {},
    }  # fmt: skip


def test_a_running_job_in_json(queue: Queue, clock: FakeClock) -> None:
    """A job that runs tells its worker and until when that holds it; no timeout is null."""
    queue.enqueue("true", id="a", timeout_s=0)
    clock.advance(1)
    running(queue)
    job = shown(queue, "a")
    assert (job["state"], job["attempts"], job["worker_id"], job["command"]) == ("processing", 1, "w1", "true")
    assert (job["started_at"], job["lease_expires_at"]) == (
        "2027-01-15T08:00:01.000000Z",
        "2027-01-15T08:00:31.000000Z",
    )
    assert (job["finished_at"], job["timeout_s"], job["env"]) == (None, None, {})


def test_a_failed_job_in_json(queue: Queue) -> None:
    """A job that failed tells how, who ran it, and when it is tried again."""
    queue.enqueue("false", id="a")
    queue.worker("w1").fail(running(queue), "killed", failure="signal", signal="SIGKILL", duration_ms=1234)
    job = shown(queue, "a")
    assert {key: job[key] for key in ("state", "return_code", "signal", "duration_ms", "last_error", "worker_id")} == {
        "state": "failed", "return_code": None, "signal": "SIGKILL", "duration_ms": 1234, "last_error": "killed",
        "worker_id": "w1",
    }  # fmt: skip
    assert (job["run_at"], job["lease_expires_at"]) == ("2027-01-15T08:00:02.000000Z", None)


def test_a_completed_job_in_json(queue: Queue) -> None:
    """A job that ended well tells its return code, and no error."""
    completed(queue, "a")
    job = shown(queue, "a")
    assert (job["state"], job["return_code"], job["last_error"], job["finished_at"]) == ("completed", 0, None, START)
    assert job["version"] == 4


def test_a_delayed_job_says_when_it_is_due(queue: Queue) -> None:
    """The time at which a job is due is its own, not that of its creation."""
    queue.enqueue("true", id="a", delay_s=0.000001)
    assert shown(queue, "a")["run_at"] == "2027-01-15T08:00:00.000001Z"


@pytest.mark.parametrize("recorded", CASES.values(), ids=CASES)
def test_every_event_can_be_shown(recorded: Recorded) -> None:
    """Each type of event becomes plain JSON with the same keys around its own."""
    event = json.loads(json.dumps(event_json(recorded, "job1")))
    keys = "position time type job stream actor reason cause caused_by data"
    assert event.keys() == set(keys.split())
    assert (event["type"], event["actor"]) == (name_of(recorded.event), recorded.actor)
    assert event["job"] == (recorded.event.spec.id if isinstance(recorded.event, Enqueued) else "job1")
    assert not [key for key in event["data"] if key.endswith("_us")]


def test_the_golden_events_are_all_there_are() -> None:
    """The test above has seen every type."""
    assert {name_of(each.event) for each in CASES.values()} == {layout.name for layout in LAYOUTS}


def test_an_event_tells_its_data_in_plain_words() -> None:
    """Times are ISO 8601, a digest is hexadecimal, a list of words is a list."""
    failure = event_json(CASES["failed-full"], "job1")["data"]
    assert failure["retry_at"] == "2026-01-01T00:00:02.000000Z"
    assert failure["stdout"] == {"size": 12, "sha256": bytes(range(32)).hex()}
    enqueued = event_json(CASES["enqueued-full"])["data"]
    assert enqueued["command"] == ["rsync", "-a", "my dir", "host:/backup"]
    assert enqueued["run_at"] == "2026-01-01T00:00:00.000001Z"


def test_a_whole_log_can_be_shown(queue: Queue, clock: FakeClock) -> None:
    """Every event of a long life becomes JSON."""
    long_life(queue, clock)
    shown = [event_json(each, queue.log.job_id_of(each.stream)) for each in queue.events()]
    assert [each["position"] for each in json.loads(json.dumps(shown))] == list(range(1, queue.log.head() + 1))


def test_the_status_has_the_keys_of_the_contract(queue: Queue, clock: FakeClock) -> None:
    """Counts by state, in all and a queue; the workers, the head and the wait."""
    queue.enqueue("true", queue="mail")
    clock.advance(1.5)
    zero = dict.fromkeys(("pending", "processing", "completed", "failed", "dead", "cancelled"), 0)
    assert json.loads(json.dumps(status_json(queue.status()))) == {
        "jobs": zero | {"pending": 1},
        "active_workers": 0,
        "queues": {"mail": zero | {"pending": 1}},
        "head": 1,
        "oldest_pending_s": 1.5,
        "unserved": ["mail"],
        "waiting": {"paused": 0, "queue_paused": 0, "dependency": 0, "limit": 0, "time": 0, "no_worker": 1},
        "paused": [],
    }
    assert list(status_json(queue.status())["jobs"]) == [str(state) for state in JobState]


@pytest.mark.parametrize("queues", [None, ["a"]])
def test_a_worker_has_the_keys_of_the_contract(queue: Queue, queues: list[str] | None) -> None:
    """A worker tells where it is, what it runs, and since when."""
    queue.worker("w1").started(host="elsewhere", pid=7, slots=4, queues=queues)
    queue.enqueue("true", id="job1", queue="a")
    [job] = queue.worker("w1").exchange([], want=1, lease_s=30).claimed
    [info] = queue.workers()
    assert json.loads(json.dumps(worker_json(info))) == {
        "id": "w1", "pid": 7, "host": "elsewhere", "slots": 4, "queues": queues, "running": ["job1"],
        "runs": [{"job_id": "job1", "queue": "a", "attempt": 1, "since": START, "cancelling": False}],
        "started_at": START, "heartbeat_at": START, "state": "running",
    }  # fmt: skip
    queue.worker("w1").exchange([Result(job, "completed", 0, output=PRINTED)], want=0, lease_s=30)
    assert worker_json(queue.workers()[0])["running"] == []
