"""What the dashboard changes: each change as the command line makes it, told in the log with who and why."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from queuectl.queue import Queue
from tests.web.conftest import OURS, Dashboard, die


def last(store: Queue, job_id: str) -> tuple[str, str, str | None]:
    """Return the type's name, actor and reason of a job's last event."""
    event = store.history(job_id)[-1]
    return type(event.event).__name__, event.actor.partition("@")[0], event.reason


def test_a_job_is_enqueued_with_the_keys_of_the_command_line(dashboard: Dashboard, store: Queue) -> None:
    """A job is enqueued with the keys of the command line's JSON; the log says that the dashboard did it, and why."""
    sent = {"id": "a", "command": "echo hi", "priority": 5, "timeout": "5m", "env": {"A": "b"}, "reason": "to see"}
    job = dashboard.post("/api/jobs", sent, status=201)
    assert (job["id"], job["timeout_s"], job["env"]) == ("a", 300, {"A": "b"})
    assert last(store, "a") == ("Enqueued", "dashboard:tester", "to see")


def test_a_job_that_holds_the_unique_key_is_told(dashboard: Dashboard, store: Queue) -> None:
    """It is in the answer, which says that it was there; a refusal is a conflict that names it."""
    store.enqueue("true", id="a", unique="k")
    told = dashboard.post("/api/jobs", {"command": "true", "unique": "k"}, status=201)
    assert (told["id"], told["existing"], told["edited"]) == ("a", True, False)
    refused = dashboard.post("/api/jobs", {"command": "true", "unique": "k", "if_exists": "refuse"}, status=409)
    assert "held by job 'a'" in str(refused)
    assert [job.id for job in store.jobs()] == ["a"]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        ({}, 400, "command"),
        ({"command": ""}, 400, "an empty one"),
        ({"command": "true", "odd": 1}, 400, "key: found 'odd'"),
        ({"command": "true", "priority": "high"}, 400, "priority"),
        ({"command": "true", "reason": 7}, 400, "reason"),
        ({"command": "x\ud800"}, 400, "text that UTF-8 can hold (\\ud800 is half a character)"),
        ({"command": "x" * 70_000}, 400, "at most 65,536"),
        ({"id": "there", "command": "true"}, 409, "a job of that id exists"),
        ([], 400, "a JSON object"),
        (b"{", 400, "a JSON object"),
        (b"\xff", 400, "a JSON object"),
        (b"[" * 100_000, 400, "a JSON object"),
        (b'{"command": "true", "priority": ' + b"9" * 5_000 + b"}", 400, "a number of too many digits"),
        (b'{"command": "true", "command": "false"}', 400, "the key 'command' is there more than once"),
        (b'{"command": "true", "timeout": NaN}', 400, "no number of JSON"),
        (b'{"command": "true", "env": ' + b'{"a":' * 80 + b"1" + b"}" * 81, 400, "nested too deep"),
        (b"x" * (1 << 20) + b"x", 413, "more than 1,048,576 bytes"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_bad_job_is_refused(dashboard: Dashboard, store: Queue, sent: Any, status: int, words: str) -> None:
    """What cannot be a job is refused by name, and nothing is enqueued."""
    store.enqueue("true", id="there")
    answer = dashboard("POST", "/api/jobs", sent, headers=OURS)
    assert answer.status == status, answer.body
    assert words in answer.json["error"]
    assert [job.id for job in store.jobs()] == ["there"]


def test_retry_and_cancel(dashboard: Dashboard, store: Queue) -> None:
    """A job is retried and cancelled by its id; a state that does not allow it is a conflict, an unknown id is 404."""
    store.enqueue("true", id="a")
    assert dashboard.post("/api/jobs/a/cancel", {"reason": "wrong one"})["state"] == "cancelled"
    assert last(store, "a") == ("Cancelled", "dashboard:tester", "wrong one")
    assert "cannot cancel 'a'" in dashboard.post("/api/jobs/a/cancel", status=409)["error"]
    assert dashboard.post("/api/jobs/a/retry")["state"] == "pending"
    assert last(store, "a") == ("Requeued", "dashboard:tester", None)
    assert "no job 'b'" in dashboard.post("/api/jobs/b/retry", status=404)["error"]
    assert "key: found 'odd'" in dashboard.post("/api/jobs/a/retry", {"odd": 1}, status=400)["error"]


def test_the_dead_that_are_named(dashboard: Dashboard, store: Queue) -> None:
    """Dead jobs that are named are retried or purged, all of them or none."""
    for n in range(3):
        die(store, f"bad{n}")
    store.enqueue("true", id="live")
    assert dashboard.post("/api/dlq/retry", {"ids": ["bad0", "live"]}, status=409)["error"]
    assert store.job("bad0").state == "dead"
    assert dashboard.post("/api/dlq/retry", {"ids": ["bad0"], "reason": "again"}) == {"ids": ["bad0"]}
    assert last(store, "bad0") == ("Requeued", "dashboard:tester", "again")
    assert dashboard.post("/api/dlq/purge", {"ids": ["bad1", "bad2"]}) == {"ids": ["bad1", "bad2"]}
    assert last(store, "bad2")[0] == "Removed"


@pytest.mark.parametrize("verb", ["retry", "purge"])
def test_all_the_dead(dashboard: Dashboard, store: Queue, verb: str) -> None:
    """All dead jobs are acted on only where there are as many as whoever asked was told."""
    die(store, "bad0")
    die(store, "bad1")
    assert (
        "2 dead jobs now, and 1 were"
        in dashboard.post(f"/api/dlq/{verb}", {"all": True, "count": 1}, status=409)["error"]
    )
    assert "None were" in dashboard.post(f"/api/dlq/{verb}", {"all": True}, status=409)["error"]
    assert len(store.dlq.jobs()) == 2
    assert sorted(dashboard.post(f"/api/dlq/{verb}", {"all": True, "count": 2})["ids"]) == ["bad0", "bad1"]
    assert store.dlq.jobs() == []


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "sent", [{}, {"ids": []}, {"ids": "a"}, {"ids": [1]}, {"all": 1}, {"ids": ["a"], "all": True}], ids=str
)
def test_nothing_is_not_everything(dashboard: Dashboard, store: Queue, sent: Any) -> None:
    """A request that names no dead job acts on none."""
    die(store, "bad")
    dashboard.post("/api/dlq/purge", sent, status=400)
    assert len(store.dlq.jobs()) == 1


def test_many_at_once(dashboard: Dashboard, store: Queue) -> None:
    """Changes that come at the same time each happen once, while others look; the log stays what the views say."""

    def enqueue(n: int) -> int:
        dashboard.get("/api/jobs")
        return dashboard("POST", "/api/jobs", {"id": f"job{n % 40}", "command": "true"}, headers=OURS).status

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(enqueue, range(80)))
    assert (statuses.count(201), statuses.count(409)) == (40, 40)
    assert store.status().head == 40
    assert store.admin.replay(check=True).differences == []
