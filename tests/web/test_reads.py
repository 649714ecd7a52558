"""What the dashboard answers to those who look."""

from pathlib import Path

import pytest

import queuectl
from queuectl import JobRequest
from queuectl.core.results import Captured
from queuectl.outputs.frames import encode_frame
from queuectl.queue import Queue
from tests.web.conftest import Dashboard, die

FILES = Path(queuectl.__file__).parent / "web" / "page"
PAGES = {
    "/": "text/html; charset=utf-8",
    **{f"/{each.name}": "text/javascript; charset=utf-8" for each in FILES.glob("*.js")},
    "/page.css": "text/css; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("path", PAGES)
def test_the_page(dashboard: Dashboard, path: str) -> None:
    """The page is whole files of ours under a policy that lets in no other script, and no frame."""
    answer = dashboard("GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, PAGES[path])
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"//" not in answer.body or b"https://" not in answer.body
    assert (b"<script>" in answer.body, b" style=" in answer.body) == (False, False)


def test_the_status_is_that_of_the_command_line(dashboard: Dashboard, store: Queue) -> None:
    """The status is that of the command line, with what the page needs to know of the server."""
    store.enqueue("true", queue="mail")
    found = dashboard.get("/api/status")
    assert found["jobs"]["pending"] == found["queues"]["mail"]["pending"] == 1
    assert (found["head"], found["read_only"], found["path"]) == (1, False, str(store.path))
    assert found["actor"].startswith("dashboard:tester@")


def test_a_list_page_by_page(dashboard: Dashboard, store: Queue) -> None:
    """Each job comes once, newest first, and the last page says that there is no more."""
    store.enqueue_many([JobRequest("true", f"job{n}") for n in range(7)])
    seen, after = [], ""
    while after is not None:
        page = dashboard.get(f"/api/jobs?limit=3&after={after}")
        seen += [job["id"] for job in page["jobs"]]
        after = page["next"]
    assert seen == [f"job{n}" for n in reversed(range(7))]


def test_state_queue_and_text_each_narrow_the_list(dashboard: Dashboard, store: Queue) -> None:
    """State, queue and text each narrow the list; the text is looked for in id, command and error, in any case."""
    die(store, "bad", "Disk is FULL")
    store.enqueue("echo Needle", id="a", queue="mail")
    store.enqueue(["rm", "needle"], id="b")
    store.worker("w").claim(1, queues=["mail"])

    def ids(query: str) -> list[str]:
        return [job["id"] for job in dashboard.get(f"/api/jobs?{query}")["jobs"]]

    assert ids("text=nEEdle") == ["b", "a"]
    assert ids("text=disk+is+full") == ids("state=dead") == ["bad"]
    assert ids("queue=mail") == ids("state=processing") == ["a"]
    assert ids("state=pending") == ids("state=pending&queue=default&text=rm") == ["b"]
    assert ids("state=completed") == ids("queue=none") == []


def test_labels_narrow_the_list(dashboard: Dashboard, store: Queue) -> None:
    """By a key or a key with its value, several with commas between them; what can be none is refused by name."""
    store.enqueue("true", id="a", labels={"team": "a"}, meta={"build": 7})
    store.enqueue("true", id="b", labels={"team": "b", "urgent": ""})
    store.enqueue("true", id="none")

    def ids(query: str) -> list[str]:
        return [job["id"] for job in dashboard.get(f"/api/jobs?{query}")["jobs"]]

    assert ids("label=team") == ["b", "a"]
    assert ids("label=team%3Da") == ids("label=team&text=a&state=pending&limit=1") == ["a"]
    assert ids("label=team,%20urgent%3D") == ["b"]
    assert ids("label=none") == []
    found = dashboard.get("/api/jobs/a")
    assert (found["labels"], found["meta"]) == ({"team": "a"}, {"build": 7})
    assert dashboard("GET", "/api/jobs?label=a%20b").status == 400


def test_paused_jobs_are_listed_alone(dashboard: Dashboard, store: Queue) -> None:
    """As by `list --paused`; what a job uses and a queue's pause, with its end, are told beside."""
    store.limits.set("api", running=2, rate="5/min")
    store.enqueue("true", id="a", paused=True, use=["api=2"])
    store.enqueue("true", id="b")
    store.queues.pause("mail", until="in 1h", reason="upgrade")
    found = dashboard.get("/api/jobs?paused=true&state=pending,failed")["jobs"]
    assert [(job["id"], job["paused"], job["use"]) for job in found] == [("a", True, ["api=2"])]
    assert len(dashboard.get("/api/jobs?paused=")["jobs"]) == 2
    assert dashboard("GET", "/api/jobs?paused=no").status == 400
    [paused] = dashboard.get("/api/status")["paused"]
    assert (paused["queue"], paused["reason"], paused["until"] > paused["paused_at"]) == ("mail", "upgrade", True)
    limit_set = dashboard.get("/api/events")["events"][0]
    assert limit_set["data"] == {"running": 2, "starts": 5, "period_s": 60.0, "burst": 1}


def test_a_search_is_bounded(dashboard: Dashboard, store: Queue) -> None:
    """A request looks at no more than 20,000 jobs; it says where to go on, and going on finds the rest."""
    store.enqueue("true", id="needle")
    store.enqueue_many([JobRequest("true")] * 20_500)
    first = dashboard.get("/api/jobs?text=needle")
    assert (first["jobs"], first["searched"]) == ([], 20_000)
    second = dashboard.get(f"/api/jobs?text=needle&after={first['next']}")
    assert ([job["id"] for job in second["jobs"]], second["next"]) == (["needle"], None)


def test_a_few_among_many_are_found_at_once(dashboard: Dashboard, store: Queue) -> None:
    """Jobs of a state or a queue are found as by `Queue.jobs`, however many others are newer."""
    store.enqueue_many([JobRequest("true", f"done{n}", queue="mail") for n in range(5)])
    store.worker("w").complete_many(store.worker("w").claim(5))
    store.enqueue_many([JobRequest("true")] * 30_000)
    for query in ("state=completed", "queue=mail", "state=completed,dead&queue=mail", "state=completed&text=DONE"):
        found = dashboard.get(f"/api/jobs?{query}")
        assert (sorted(job["id"] for job in found["jobs"]), found["next"]) == ([f"done{n}" for n in range(5)], None)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("job_id", "sent"),
    [
        ("a/history", "a%2Fhistory"),
        ("<script>", "%3Cscript%3E"),
        ("50%?#", "50%25%3F%23"),
        ("日本 x", "%E6%97%A5%E6%9C%AC%20x"),
    ],
)
def test_any_id_is_found(dashboard: Dashboard, store: Queue, job_id: str, sent: str) -> None:
    """A job is found by its id, whatever is in it; a slash of the id is not one of the path."""
    store.enqueue("true", id=job_id)
    assert dashboard.get(f"/api/jobs/{sent}")["id"] == job_id
    assert dashboard.get(f"/api/jobs/{sent}/history")["events"][0]["job"] == job_id
    assert dashboard.post(f"/api/jobs/{sent}/cancel")["state"] == "cancelled"


def test_a_job_and_its_past(dashboard: Dashboard, store: Queue) -> None:
    """A job comes with its runs; its history tells every event with who and why."""
    die(store, "bad")
    store.dlq.retry("bad", reason="the disk is back")
    found = dashboard.get("/api/jobs/bad")
    assert (found["state"], [(run["run"], run["attempt"], run["state"]) for run in found["runs"]]) == (
        "pending",
        [(1, 1, "failed")],
    )
    past = dashboard.get("/api/jobs/bad/history")
    assert [event["type"] for event in past["events"]] == [
        "enqueued",
        "claimed",
        "started",
        "failed",
        "dead",
        "requeued",
    ]
    assert past["events"][-1]["reason"] == "the disk is back"
    assert past["left_out"] == 0


def test_the_past_of_a_removed_job(dashboard: Dashboard, store: Queue) -> None:
    """What a job was stays to be read when it has left the views."""
    die(store, "bad")
    store.dlq.purge("bad")
    assert dashboard("GET", "/api/jobs/bad").status == 404
    assert dashboard.get("/api/jobs/bad/history")["events"][-1]["type"] == "removed"


def ran(store: Queue, *frames: tuple[bytes, bytes]) -> None:
    """Let a job complete that printed these."""
    store.enqueue("true", id="a")
    (job,) = store.worker("w").claim(1)
    capture = b"".join(encode_frame(*frame) for frame in frames)
    store.worker("w").complete(store.worker("w").start(job), output=Captured(frames=capture))


def test_what_a_run_printed_comes_in_order_by_stream(dashboard: Dashboard, store: Queue) -> None:
    """What a run printed comes in order, by stream; bytes that are no text are escaped."""
    ran(store, (b"o", b"one\n"), (b"e", b"tw\xc3"), (b"e", b"\xb6\xff"), (b"o", b"\x1b[31m<b>"))
    found = dashboard.get("/api/jobs/a/output")
    assert [(each["stream"], each["text"]) for each in found["pieces"]] == [
        ("stdout", "one\n"),
        ("stderr", "tw"),
        ("stderr", "ö\\xff"),
        ("stdout", "\x1b[31m<b>"),
    ]
    assert found["is_end"]
    assert dashboard.get(f"/api/jobs/a/output?attempt=1&offset={found['offset']}")["pieces"] == []
    assert dashboard("GET", "/api/jobs/a/output?run=2").status == 400


def test_long_output_is_bounded(dashboard: Dashboard, store: Queue) -> None:
    """An answer holds a bounded piece: the tail first, or parts that make up the whole."""
    lines = b"".join(b"%06d %s\n" % (n, b"x" * 92) for n in range(10_000))
    ran(store, *((b"o", lines[at : at + 4000]) for at in range(0, len(lines), 4000)))
    tail = dashboard.get("/api/jobs/a/output?tail=10000")
    text = "".join(each["text"] for each in tail["pieces"])
    assert (len(text), text[-100:], tail["is_end"]) == (12_000, lines[-100:].decode(), True)
    assert tail["skipped_bytes"] + len(text) == len(lines)
    whole, offset, parts, is_end = "", 0, 0, False
    while not is_end:
        part = dashboard.get(f"/api/jobs/a/output?offset={offset}")
        whole += "".join(each["text"] for each in part["pieces"])
        offset, is_end, parts = part["offset"], part["is_end"], parts + 1
    assert (whole.encode(), parts) == (lines, 4)


def test_output_while_it_runs(dashboard: Dashboard, store: Queue) -> None:
    """What a running command has printed is there at once, but no half of a character; the rest follows from there."""
    store.enqueue("true", id="a")
    (job,) = store.worker("w").claim(1)
    started = store.worker("w").start(job)
    path = store.worker("w").output_path(started)
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_frame(b"o", b"one ") + encode_frame(b"o", b"\xe6\x97"))
    first = dashboard.get("/api/jobs/a/output")
    assert ([each["text"] for each in first["pieces"]], first["is_end"], first["state"]) == (["one "], False, "running")
    with path.open("ab") as file:
        file.write(encode_frame(b"o", b"\xa5 two"))
    second = dashboard.get(f"/api/jobs/a/output?offset={first['offset']}")
    assert "".join(each["text"] for each in second["pieces"]) == "日 two"


def test_dead_letters(dashboard: Dashboard, store: Queue) -> None:
    """The dead come last to die first, page by page, with how many they are."""
    for n in range(3):
        die(store, f"bad{n}")
    page = dashboard.get("/api/dead?limit=2")
    assert ([job["id"] for job in page["jobs"]], page["count"]) == (["bad2", "bad1"], 3)
    assert [job["id"] for job in dashboard.get(f"/api/dead?after={page['next']}")["jobs"]] == ["bad0"]


def test_workers_come_with_what_each_slot_runs(dashboard: Dashboard, store: Queue) -> None:
    """Workers come with what each of their slots runs since when."""
    store.worker("w1").started(host="elsewhere", pid=7, slots=3)
    store.enqueue("true", id="a")
    store.worker("w1").start(store.worker("w1").claim(1)[0])
    (found,) = dashboard.get("/api/workers")
    assert (found["id"], found["slots"], found["running"], found["runs"][0]["attempt"]) == ("w1", 3, ["a"], 1)


def test_a_follower_hears_each_event_once(dashboard: Dashboard, store: Queue) -> None:
    """A follower hears each event once, is told cheaply when there are none, and may leave out renewals."""
    store.enqueue("true", id="a")
    first = dashboard("GET", "/api/events")
    assert [event["type"] for event in first.json["events"]] == ["enqueued"]
    unchanged = dashboard("GET", "/api/events?since=1", headers={"If-None-Match": first.headers["etag"]})
    assert (unchanged.status, unchanged.body) == (304, b"")
    store.worker("w").renew(store.worker("w").claim(1)[0])
    after = dashboard("GET", "/api/events?since=1", headers={"If-None-Match": first.headers["etag"]})
    assert [(event["type"], event["job"]) for event in after.json["events"]] == [("claimed", "a"), ("renewed", "a")]
    assert [event["type"] for event in dashboard.get("/api/events?since=1&without=renewed")["events"]] == ["claimed"]
    assert [event["type"] for event in dashboard.get("/api/events?limit=1")["events"]] == ["renewed"]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/jobs/none", 404, "no job 'none'"),
        ("/api/jobs/none/history", 404, "no job 'none'"),
        ("/api/jobs/none/output", 404, "no job 'none'"),
        ("/api/jobs/" + "x" * 9000, 404, "no job"),
        ("/api/jobs/%FF", 404, "not UTF-8"),
        ("/api/jobs?state=odd", 400, "one of pending"),
        ("/api/jobs?after=none", 404, "no job 'none'"),
        ("/api/jobs?limit=501", 400, "limit: found '501'"),
        ("/api/jobs?limit=-1", 400, "limit: found '-1'"),
        ("/api/events?since=x", 400, "since: found 'x'"),
        ("/api/events?without=odd", 200, ""),
        (
            "/api/jobs?status=dead",
            400,
            "query: found 'status'; expected one of state, queue, text, label, paused, after, limit",
        ),
        ("/api/jobs?state=dead&state=pending", 400, "query: found 'state'; expected one of"),
        ("/api/status?" + "x" * 2_000, 400, "expected a path without a query"),
        ("/api/odd", 404, "Not Found"),
        ("/api/dlq/retry", 405, "Method Not Allowed"),
        ("/api/jobs/", 404, "Not Found"),
        ("/%61pi/status", 404, "Not Found"),
        ("/..%2f..%2fetc/passwd", 404, "Not Found"),
        ("/page/page.js", 404, "Not Found"),
    ],
)
def test_what_is_wrong_is_said(dashboard: Dashboard, path: str, status: int, words: str) -> None:
    """A request that cannot be answered has its status, and one line of JSON that says why."""
    answer = dashboard("GET", path)
    assert answer.status == status, answer.body
    assert status == 200 or words in answer.json["error"]


def test_a_method_that_is_none(dashboard: Dashboard) -> None:
    """What is neither looked at nor sent is no method here, whatever headers come with it."""
    for method in ("DELETE", "PUT", "OPTIONS"):
        assert dashboard(method, "/api/jobs").status == 405, method


def test_several_states(dashboard: Dashboard, store: Queue) -> None:
    """A list of states is any of them, in other programs' words too; one that is none is refused."""
    die(store, "gone")
    store.enqueue("true", id="runs")
    store.worker("w").start(*store.worker("w").claim(1))
    store.enqueue("true", id="waits")
    found = dashboard.get("/api/jobs?state=dead,running")["jobs"]
    assert {job["id"] for job in found} == {"gone", "runs"}
    assert [job["id"] for job in dashboard.get("/api/jobs?state=running")["jobs"]] == ["runs"]
    assert dashboard("GET", "/api/jobs?state=dead,nope").status == 400
