"""history: all that ever happened to a job, and the family that it belongs to."""

import pytest

from queuectl.queue import Queue
from tests.cli.conftest import CommandLine
from tests.clocks import FakeClock


def test_every_event_is_there_in_order(cli: CommandLine) -> None:
    """Every event is there in order: position, time, type, job, who, what."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a", "it broke")
    events = cli.json("history", "a")
    assert [event["type"] for event in events] == ["enqueued", "claimed", "started", "failed", "dead"]
    first = events[0]["position"]  # what it takes along of the environment stands before it
    assert [event["position"] for event in events] == list(range(first, first + 5))
    assert {event["job"] for event in events} == {"a"}
    assert (events[0]["actor"].split("@")[0], events[1]["actor"]) == ("tester", "w")
    assert events[3]["data"]["error"] == "it broke"


def test_people_get_a_line_an_event(cli: CommandLine) -> None:
    """People get a line an event, what came from the job escaped."""
    cli("enqueue", "a", "true", "--max-retries", "0", "--reason", "nightly")
    cli.kill("a", "it \x1b[31mbroke")
    lines = cli("history", "a").stdout.splitlines()
    assert lines[0].split() == ["POS", "TIME", "GAP", "EVENT", "WHO", "DETAILS"]
    assert "because: nightly" in lines[1]
    assert ", no retry left: it \\x1b[31mbroke" in lines[4]
    assert "after 1 attempt," in lines[5]


def test_earlier_jobs_of_the_id(cli: CommandLine) -> None:
    """A removed job's history is still told, and stands before that of the next job of its id."""
    cli("enqueue", "a", "true")
    cli("cancel", "a")
    cli("clear", "--state", "cancelled")
    assert [event["type"] for event in cli.json("history", "a")] == ["enqueued", "cancelled", "removed"]
    cli("enqueue", "a", "false")
    assert [event["type"] for event in cli.json("history", "a")] == ["enqueued", "cancelled", "removed", "enqueued"]


def test_an_id_that_never_was_is_refused(cli: CommandLine) -> None:
    """An id that never was is refused."""
    cli("enqueue", "a", "true")
    cli("history", "b", code=1)


def test_gaps_and_delays(cli: CommandLine) -> None:
    """Each line tells the time since the one before it, and a failure how long until the retry."""
    clock = FakeClock()
    with Queue.open(cli.db, clock=clock, actor="tester") as queue:
        queue.enqueue("true", id="a")
        clock.advance(2)
        (job,) = queue.worker("w1").claim(1, lease_s=90)
        clock.advance(0.25)
        queue.worker("w1").fail(queue.worker("w1").start(job), "exit code 3", return_code=3, duration_ms=12)
        clock.advance(3 * 3600 + 60)
        queue.cancel("a")
    enqueued, claimed, started, failed, cancelled = cli("history", "a").stdout.splitlines()[1:]
    assert [line.split()[3] for line in (claimed, started, failed, cancelled)] == ["+2.0s", "+250ms", "+0ms", "+3h1m"]
    assert enqueued.split()[3] == "enqueued"
    assert "w1" in claimed
    assert "for 1m30s, until " in claimed
    assert "attempt 1 in 12ms, retry in 2s at " in failed


def test_configuration_and_workers(cli: CommandLine) -> None:
    """`config` is the history of the settings and worker:ID a worker's, unless a job has that for an id."""
    cli("config", "set", "max_retries", "5", "--reason", "flaky disk")
    assert "max_retries: default -> 5; because: flaky disk" in cli("history", "config").stdout
    assert cli.json("history", "config")[0]["job"] is None
    with cli.queue() as queue:
        queue.worker("w").started(host="here", pid=1, slots=3)
    assert "slots 3" in cli("history", "worker:w").stdout
    assert "one of `queuectl events --type worker_started`" in cli("history", "worker:x", code=1).stderr
    cli("enqueue", "config", "true")
    assert [event["type"] for event in cli.json("history", "config")] == ["enqueued"]


def test_no_configuration_yet(cli: CommandLine) -> None:
    """Where nothing was configured, that is said, and is no failure."""
    cli("enqueue", "a", "true")
    assert cli("history", "config").stderr == "No events.\n"


@pytest.fixture
def related(cli: CommandLine) -> CommandLine:
    """Return a family: `top` enqueued two jobs, the first of which enqueued one with a strange id."""
    with cli.queue() as queue:
        queue.enqueue("true", id="top")
        (top,) = queue.worker("w").claim(1)
        queue.worker("w").start(top)
    _as_if_from(cli, top.version, "one", "two")
    with cli.queue() as queue:
        (one,) = queue.worker("w").claim(1)
        running = queue.worker("w").start(one)
    _as_if_from(cli, one.version, "\u65e5\u672c")
    with cli.queue() as queue:
        queue.worker("w").fail(running, "it \x1b[31mbroke", return_code=4, duration_ms=7)
    return cli


def _as_if_from(cli: CommandLine, token: int, *job_ids: str) -> None:
    with Queue.open(cli.db, cause=token) as queue:
        for job_id in job_ids:
            queue.enqueue("true", id=job_id)


def test_a_cause_is_named(related: CommandLine) -> None:
    """What a run's command did names its job and attempt: in history, in show, and in the JSON of all three."""
    assert "true, queue default; caused by job top, attempt 1" in related("history", "one").stdout
    assert "caused by   job top, attempt 1" in related("show", "one").stdout
    assert "caused by job top, attempt 1" in related("events", "--job", "one").stdout
    caused_by = {"job": "top", "attempt": 1, "position": 2}
    assert related.json("show", "one")["caused_by"] == caused_by
    for words in (["history", "one"], ["events", "--job", "one"]):
        event = related.json(*words)[0]
        assert (event["cause"], event["caused_by"]) == (2, caused_by)
    assert related.json("show", "top")["caused_by"] is None


def test_a_tree_is_indented_with_how_each_job_ended(related: CommandLine) -> None:
    """A tree is indented, with state, exit code, duration and attempt; the job that was asked for is marked."""
    lines = related("history", "--tree", "top").stdout.splitlines()
    assert lines[0].split() == ["JOB", "STATE", "EXIT", "TOOK", "ENQUEUED", "BY"]
    assert [line.split()[0] for line in lines[1:]] == ["top", "one", "\u65e5\u672c", "two"]
    assert [len(line) - len(line.lstrip()) for line in lines[1:]] == [0, 2, 4, 2]
    assert lines[2].split() == ["one", "failed", "4", "7ms", "attempt", "1"]
    below = related("history", "--tree", "one").stdout.splitlines()
    assert [line.split()[:2] for line in below[1:]] == [
        ["top", "processing"],
        ["*", "one"],
        ["\u65e5\u672c", "pending"],
        ["...", "1"],
    ]


def test_tree_that_was_cut(related: CommandLine) -> None:
    """What depth and limit leave out is said, in the tree and beside it."""
    shown = related("history", "--tree", "top", "--depth", "1")
    assert "    ... 1 more" in shown.stdout
    assert "1 job below left out; --depth N and --limit N show more" in shown.stderr
    shown = related("history", "--tree", "\u65e5\u672c", "--depth", "1")
    assert shown.stdout.splitlines()[1].strip() == "... job top, attempt 1"
    assert "There are earlier ancestors; --depth N shows more" in shown.stderr
    shown = related("history", "--tree", "\u65e5\u672c")
    assert shown.stderr == "1 job beside this line left out; they are in: queuectl history --tree top\n"


def test_tree_json(related: CommandLine) -> None:
    """In JSON the family is nested from its first job down."""
    found = related.json("history", "--tree", "one")
    assert found["above"] is None
    root = found["root"]
    assert (root["id"], root["is_subject"], root["left_out"]) == ("top", False, 1)
    (one,) = root["children"]
    assert (one["id"], one["is_subject"], one["return_code"], one["duration_ms"]) == ("one", True, 4, 7)
    assert [child["id"] for child in one["children"]] == ["\u65e5\u672c"]


@pytest.mark.parametrize("words", [["--depth", "3"], ["--limit", "3"]])
def test_limits_go_with_the_tree(related: CommandLine, words: list[str]) -> None:
    """Limits without a tree are a usage error; a limit that is none is refused."""
    related("history", "one", *words, code=2)
    related("history", "--tree", "one", words[0], "0", code=2)


def test_an_id_used_again_and_again(cli: CommandLine) -> None:
    """The last jobs of an id are shown, and where there were more it says how to see them."""
    for _ in range(11):
        cli("enqueue", "a", "true", "--replace")
        cli("cancel", "a")
    done = cli("history", "a")
    assert done.stderr == "These are the last 10 jobs of this id; --all shows the earlier ones too\n"
    assert [line.split()[4] for line in done.stdout.splitlines()[1:]].count("cancelled") == 10
    done = cli("history", "a", "--all")
    assert (done.stderr, done.stdout.count("cancelled")) == ("", 21)
    cli("history", "a", "--all", "--tree", code=2)


def test_renewals_are_folded(cli: CommandLine) -> None:
    """Renewals that follow each other are one line with how many they were; in JSON each is there."""
    clock = FakeClock()
    with Queue.open(cli.db, clock=clock, actor="tester") as queue:
        queue.enqueue("true", id="a")
        job = queue.worker("w").start(queue.worker("w").claim(1)[0])
        for _ in range(119):
            clock.advance(10)
            queue.worker("w").renew(job, lease_s=30)
        queue.worker("w").release(job)
        job = queue.worker("w").start(queue.worker("w").claim(1)[0])
        queue.worker("w").renew(job)
        queue.worker("w").complete(job)
    lines = [line.split(None, 6) for line in cli("history", "a").stdout.splitlines()[1:]]
    assert [line[4] for line in lines if "renewed" in line] == ["renewed", "renewed"]
    folded, single = (line for line in lines if "renewed" in line)
    assert (folded[0], folded[3]) == ("122", "+19m50s")
    assert folded[6].startswith("119 times, for 30s, until ")
    assert "times" not in single[6]
    assert sum(event["type"] == "renewed" for event in cli.json("history", "a")) == 120


def test_a_job_that_was_replaced(cli: CommandLine) -> None:
    """The link from a job to the one that took its id says so, and show of that one names the history."""
    cli("enqueue", "a", "true")
    assert "earlier" not in cli("show", "a").stdout
    assert cli.json("show", "a")["earlier"] is None
    cli.complete("a")
    cli("enqueue", "a", "false", "--replace", "--reason", "nightly")
    removed, enqueued = cli("history", "a").stdout.splitlines()[-2:]
    assert removed.endswith("was completed, replaced by a new job; because: nightly")
    assert "false, queue default" in enqueued
    assert "earlier    a job had this id before it; see: queuectl history a\n" in cli("show", "a").stdout
    *_, link, last = cli.json("history", "a")
    assert link["data"] == {"state": "completed", "replaced": True}
    assert cli.json("show", "a")["earlier"] == link["position"] == last["position"] - 1
    assert cli.json("show", "a", "--as-of", str(link["position"] - 1))["earlier"] is None


def test_an_id_that_was_free_again(cli: CommandLine) -> None:
    """A job that was removed by itself was not replaced, but the next of its id knows of it."""
    cli("enqueue", "a b", "true")
    cli("cancel", "a b")
    cli("remove", "a b")
    cli("enqueue", "a b", "true", "--replace")
    assert "replaced" not in cli("history", "a b").stdout
    assert "see: queuectl history 'a b'\n" in cli("show", "a b").stdout


def test_the_last_events(cli: CommandLine) -> None:
    """--last shows the newest so many, and goes not with a tree."""
    cli("enqueue", "a", "true")
    cli("edit", "a", "--priority", "2")
    cli("cancel", "a")
    assert [event["type"] for event in cli.json("history", "a", "-n", "2")] == ["edited", "cancelled"]
    assert [event["type"] for event in cli.json("history", "a", "-n", "9")] == ["enqueued", "edited", "cancelled"]
    assert "leave them out" in cli("history", "a", "--tree", "--last", "2", code=2).stderr


def test_each_change_of_an_edit_is_told(cli: CommandLine) -> None:
    """The history says of an edit what each field is from now on, also where there is none any more."""
    cli("enqueue", "a", "true", "--delay", "1h")
    with cli.queue() as queue:
        queue.edit("a", timeout_s=90, env={"A": "1"}, shell="bash -e", cwd="/tmp")
        queue.edit("a", timeout_s=0)
    told = cli("history", "a").stdout
    for each in ("timeout 1m30s", "environment A=1", "shell bash -e", "directory /tmp", "timeout none"):
        assert each in told


def test_an_edit_of_what_a_job_uses(cli: CommandLine) -> None:
    """It is told as it is typed, and in the list by a column of its own; the period of a limit's rate in seconds."""
    with cli.queue() as queue:
        queue.limits.set("api", running=2, rate="5/min")
        queue.enqueue("true", id="a")
        queue.edit("a", use=["api=2", "mutex:m"])
    assert "uses api=2, mutex:m\n" in cli("history", "a").stdout
    assert "api=2, mutex:m" in cli("list", "--columns", "id,uses").stdout
    with cli.queue() as queue:
        queue.edit("a", use=[])
    assert "uses none\n" in cli("history", "a").stdout
    assert cli.json("events")[0]["data"]["period_s"] == 60
