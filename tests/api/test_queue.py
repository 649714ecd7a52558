"""A Queue is opened, filled and looked at; whatever it acknowledged is on disk."""

import os
import pwd
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from queuectl import (
    Admin,
    Bulk,
    DuplicateJob,
    InvalidInput,
    InvalidLine,
    Job,
    JobNotFound,
    JobRequest,
    JobState,
    NoQueue,
    Queue,
    WaitTimeout,
)
from queuectl.core.settings import KEYS, Settings
from queuectl.events.types import ConfigChanged, JobSpec
from queuectl.system.host import default_path
from tests.clocks import START_US, FakeClock
from tests.lives import cancelled, completed, dead, failed, long_life, running, state_of
from tests.waiting import wait_until

SECOND = 1_000_000


def requests(*ids: str) -> list[JobRequest]:
    """Ask for a job of each id."""
    return [JobRequest("true", job_id) for job_id in ids]


def ids_of(jobs: list[Job]) -> list[str]:
    """Return the ids of jobs."""
    return [job.id for job in jobs]


# Opening


def test_a_queue_is_used_in_five_lines(tmp_path: Path) -> None:
    """Open, enqueue, claim, complete, wait: that is all a script needs."""
    with Queue.open(str(tmp_path / "queue")) as queue:
        job = queue.enqueue("echo hi")
        [claimed] = queue.worker("me").claim()
        queue.worker("me").complete(claimed)
        assert ids_of(queue.wait([job.id], timeout_s=0)) == [job.id]


def test_what_was_enqueued_is_there_after_reopening(queue: Queue) -> None:
    """A job that enqueue gave back is on disk, as it was given back."""
    job = queue.enqueue("echo hi", id="job1", env={"A": "ü"})
    queue.close()
    with Queue.open(queue.path, create=False) as again:
        assert again.job("job1") == job


@pytest.mark.parametrize("asked", [{"create": False}, {"read_only": True}, {"read_only": True, "create": True}])
def test_only_looking_makes_no_queue(tmp_path: Path, asked: dict[str, bool]) -> None:
    """Without `create`, or only to be read, a queue that is not there is an error and stays not there."""
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "queue", tmp_path / "no" / "queue", tmp_path / "empty"):
        with pytest.raises(NoQueue):
            Queue.open(path, **asked)
    assert [str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*")] == ["empty"]


def test_the_queue_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """QUEUECTL_DB names the directory, else it is the user's data directory of the platform."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("QUEUECTL_DB", raising=False)
    assert default_path().name == "queuectl"
    monkeypatch.setenv("QUEUECTL_DB", str(tmp_path / "named"))
    with Queue.open() as queue:
        assert queue.path == tmp_path / "named"


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue stays where it was opened when the process moves on to another directory."""
    monkeypatch.chdir(tmp_path)
    with Queue.open("queue") as queue:
        assert queue.path == tmp_path / "queue"


@pytest.mark.parametrize("names", [{"USER": "ann"}, {"LOGNAME": "ann"}, {"USER": "ann", "LOGNAME": "bob"}], ids=str)
def test_the_log_names_user_and_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: dict[str, str]) -> None:
    """Unless told otherwise, the actor is user@host as the environment tells the user."""
    for name in ("USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    for name, user in names.items():
        monkeypatch.setenv(name, user)
    with Queue.open(tmp_path / "queue") as queue:
        assert queue.actor == f"ann@{os.uname().nodename}"


def test_a_user_without_a_name_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment does not tell the user, as under cron, the system's own list does."""
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    with Queue.open(tmp_path / "queue") as queue:
        assert queue.actor == f"{pwd.getpwuid(os.getuid()).pw_name}@{os.uname().nodename}"


def test_who_and_why_are_in_the_log(queue: Queue) -> None:
    """Every change carries the queue's actor and the reason given for it."""
    queue.enqueue("true", id="a", reason="nightly")
    queue.cancel("a", reason="wrong file")
    queue.retry("a")
    told = [(each.actor, each.reason) for each in queue.history("a")]
    assert told == [("tester", "nightly"), ("tester", "wrong file"), ("tester", None)]


@pytest.mark.parametrize("reason", ["x" * 1001, "\ud800"], ids=["long", "surrogate"])
def test_a_reason_that_cannot_be_kept_changes_nothing(queue: Queue, reason: str) -> None:
    """A reason that the log cannot hold refuses the whole change."""
    with pytest.raises(InvalidInput, match="reason"):
        queue.enqueue("true", reason=reason)
    assert queue.log.head() == 0


# Enqueue


def test_a_job_is_enqueued_with_its_defaults(queue: Queue) -> None:
    """A bare command is pending in `default` with the configured limits, in the caller's directory."""
    job = queue.enqueue("echo hi")
    assert (job.state, job.attempts, job.spec.queue, job.spec.priority) == ("pending", 0, "default", 0)
    assert (job.spec.max_retries, job.spec.timeout_ms, job.spec.backoff_base) == (3, 300_000, 2.0)
    assert (job.spec.cwd, job.spec.env, job.due_us, job.created_at_us) == (str(Path.cwd()), None, 0, START_US)
    assert queue.job(job.id) == job


def test_a_job_can_say_everything_itself(queue: Queue) -> None:
    """Words, queue, priority, limits, directory and environment come back as they were given."""
    words = ["rsync", "-a", "my dir"]
    job = queue.enqueue(
        words, id="a", queue="q", priority=7, max_retries=0, timeout_s=1.5, backoff_base=1.5, cwd="/", env={"A": "1"}
    )
    assert queue.job("a") == job
    assert job.spec == JobSpec("a", tuple(words), "q", 7, 0, 1500, 1.5, "/", {"A": "1"})


@pytest.mark.parametrize(
    ("key", "option", "field", "given"),
    [("max_retries", "max_retries", "max_retries", 7), ("job_timeout_s", "timeout_s", "timeout_ms", 7),
     ("backoff_base", "backoff_base", "backoff_base", 7)],
)  # fmt: skip
def test_a_job_wins_over_the_configuration_and_that_over_the_default(
    queue: Queue, key: str, option: str, field: str, given: int
) -> None:
    """What counts is the job's own value, else the configured one, else the default; later changes touch no job."""
    unit = 1000 if field == "timeout_ms" else 1
    before = queue.enqueue("true")
    queue.admin.config_set(key, 5)
    configured, own = queue.enqueue("true"), queue.enqueue("true", **{option: given})  # type: ignore[arg-type]
    found = [getattr(queue.job(job.id).spec, field) for job in (before, configured, own)]
    assert found == [KEYS[key].default * unit, 5 * unit, given * unit]


def test_a_delayed_job_runs_when_its_time_has_come(queue: Queue, clock: FakeClock) -> None:
    """A job with a delay or a time is pending and not given out before that moment, and is at it."""
    queue.enqueue("true", id="delay", delay_s=10)
    queue.enqueue("true", id="at", run_at=datetime.fromtimestamp(START_US // SECOND + 10, UTC))
    clock.advance(9.999999)
    assert queue.worker("w").claim(9) == []
    clock.advance(0.000001)
    assert ids_of(queue.worker("w").claim(9)) == ["delay", "at"]


def test_a_time_in_the_past_is_now(queue: Queue) -> None:
    """A job whose time is over may run at once."""
    queue.enqueue("true", id="a", run_at=datetime(2001, 1, 1))
    assert ids_of(queue.worker("w").claim()) == ["a"]


def test_a_duplicate_id_is_refused_and_the_job_untouched(queue: Queue) -> None:
    """An id that a job has, in whatever state, is not given a second time."""
    for live in (dead, failed, cancelled, completed):
        job = live(queue, live.__name__)
        with pytest.raises(DuplicateJob, match=str(job.state)):
            queue.enqueue("echo other", id=job.id)
        assert queue.job(job.id) == job


def test_a_refused_job_leaves_no_trace(queue: Queue) -> None:
    """Bad input appends nothing."""
    with pytest.raises(InvalidInput):
        queue.enqueue("true", timeout_s=-1)
    assert (queue.log.head(), queue.jobs()) == (0, [])


def test_ids_of_our_making_are_distinct(queue: Queue) -> None:
    """Jobs without an id get one each, in the order in which they came."""
    ids = [queue.enqueue("true").id for _ in range(5)] + queue.enqueue_many([JobRequest("true")] * 5).ids
    assert len(set(ids)) == 10
    assert ids_of(queue.jobs())[::-1] == ids


# Enqueue many


def test_many_are_enqueued_in_order(queue: Queue) -> None:
    """Any iterable of requests becomes jobs, in its order, and their ids are told."""
    bulk = queue.enqueue_many(JobRequest("true", f"job{n}") for n in range(3))
    assert bulk == Bulk(3, 0, ["job0", "job1", "job2"])
    assert ids_of(queue.worker("w").claim(5)) == bulk.ids


def test_enqueueing_none_does_nothing(queue: Queue) -> None:
    """An empty bulk is no error and no event."""
    assert queue.enqueue_many([]) == Bulk(0, 0, [])
    assert queue.log.head() == 0


def test_more_than_a_chunk_goes_in_whole_transactions(queue: Queue) -> None:
    """10,000 go in a transaction; the progress is told behind each, and no position is left out."""
    done: list[int] = []
    bulk = queue.enqueue_many([JobRequest("true", cwd="/")] * 10_050, progress=done.append)
    assert (bulk.enqueued, done, queue.log.head()) == (10_050, [10_000, 10_050], 10_050)
    assert ids_of(queue.jobs())[::-1] == bulk.ids
    assert queue.status().jobs[JobState.PENDING] == 10_050


BAD = {
    "invalid": (JobRequest("", "bad"), InvalidInput),
    "there already": (JobRequest("true", "there"), DuplicateJob),
    "twice in the batch": (JobRequest("true", "job0"), DuplicateJob),
}


@pytest.mark.parametrize("count", [1, 10_000, 10_001])
@pytest.mark.parametrize(("bad", "cause"), BAD.values(), ids=BAD)
def test_one_bad_line_and_nothing_is_enqueued(queue: Queue, count: int, bad: JobRequest, cause: type) -> None:
    """A bad request, in whichever chunk, refuses all of them; the error tells which by its number from 1."""
    queue.enqueue("true", id="there")
    good = [JobRequest("true", f"job{n}") for n in range(count)]
    with pytest.raises(InvalidLine, match="nothing was enqueued") as caught:
        queue.enqueue_many([*good, bad, JobRequest("true")])
    assert (caught.value.line, type(caught.value.error), caught.value.enqueued) == (count + 1, cause, 0)
    assert queue.log.head() == 1


def test_a_bulk_of_one_tells_its_line_too(queue: Queue) -> None:
    """One request in bulk is refused like one of many."""
    with pytest.raises(InvalidLine, match="line 1: command"):
        queue.enqueue_many([JobRequest("")])


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"command": "true", "color": "red"}, "key"),
        ({"command": "true", "run_at": [3]}, "run_at"),
        ({"command": "true", "timeout": "zz"}, "timeout"),
        ({}, "command"),
        (3, "request"),
    ],
)
def test_what_is_no_request_is_refused_by_its_number(queue: Queue, bad: Any, field: str) -> None:
    """What cannot be read as a request refuses all, like one with a bad value: by its number, with the field."""
    with pytest.raises(InvalidLine, match=r"line 2: .*nothing was enqueued") as caught:
        queue.enqueue_many(["true", bad, {"command": ""}])
    assert isinstance(caught.value.error, InvalidInput)
    assert (caught.value.line, caught.value.error.field, queue.log.head()) == (2, field, 0)


def test_existing_ids_are_skipped_on_request(queue: Queue) -> None:
    """With skip_existing, what is there already or came earlier is left out and counted."""
    there = completed(queue, "there")
    bulk = queue.enqueue_many(requests("a", "there", "b", "a"), skip_existing=True)
    assert bulk == Bulk(2, 2, ["a", "b"])
    assert queue.job("there") == there


def test_skipping_needs_no_second_chance(queue: Queue) -> None:
    """A bulk that was broken off can be repeated as it was: the rest is enqueued, also beyond a chunk."""
    many = [JobRequest("true", f"job{n}") for n in range(10_001)]
    queue.enqueue_many(many[:5])
    assert queue.enqueue_many(many, skip_existing=True)[:2] == (9_996, 5)
    assert queue.status().jobs[JobState.PENDING] == 10_001


def test_a_bulk_has_one_reason(queue: Queue) -> None:
    """The reason given for a bulk is on each of its events."""
    queue.enqueue_many(requests("a", "b"), reason="import")
    assert [each.reason for each in queue.events()] == ["import", "import"]


# Look


@pytest.mark.parametrize("job_id", ["nobody", "", "x" * 1000, "\ud800", "a\0"], ids=lambda text: repr(text)[:10])
def test_an_unknown_job_is_refused_everywhere(queue: Queue, job_id: str) -> None:
    """Whatever is asked for as an id, a job that is not there is a JobNotFound, and the queue goes on."""
    for verb in (queue.job, queue.history, queue.runs, queue.cancel, queue.retry):
        with pytest.raises(JobNotFound):
            verb(job_id)
    for many in (queue.dlq.retry, queue.dlq.purge, queue.wait):
        with pytest.raises(JobNotFound):
            many([job_id])
    assert queue.enqueue("true", id="a").version == 1


def test_waiting_jobs_are_listed_as_they_will_run(queue: Queue, clock: FakeClock) -> None:
    """Pending ones come by priority, then first come, then those due later; failed ones by their next attempt."""
    for job_id, backoff in (("slow", 9), ("fast", 3)):
        queue.enqueue("false", id=job_id, backoff_base=backoff)
        queue.worker("w1").fail(running(queue), "exit code 1")
    queue.enqueue("true", id="later", delay_s=5)
    queue.enqueue_many([JobRequest("true", "low"), JobRequest("true", "high", priority=1), JobRequest("true", "low2")])
    assert ids_of(queue.jobs(state=JobState.PENDING)) == ["high", "low", "low2", "later"]
    assert ids_of(queue.jobs(state="failed")) == ["fast", "slow"]


def test_other_jobs_are_listed_newest_first(queue: Queue) -> None:
    """All jobs, or the ended ones, come last enqueued first, and the dead by their death."""
    for job_id in ("a", "b"):
        completed(queue, job_id)
    queue.enqueue_many([JobRequest("true", "c", max_retries=0), JobRequest("true", "d", max_retries=0)])
    for job in queue.worker("w").claim(2)[::-1]:
        queue.worker("w").fail(job, "exit code 1")
    assert ids_of(queue.jobs()) == ["d", "c", "b", "a"]
    assert ids_of(queue.jobs(state="completed")) == ["b", "a"]
    assert ids_of(queue.jobs(state="dead")) == ids_of(queue.dlq.jobs()) == ["c", "d"]
    assert ids_of(queue.dlq.jobs(limit=1)) == ["c"]


@pytest.mark.parametrize("state", [None, "pending"])
def test_a_list_comes_in_pages(queue: Queue, state: str | None) -> None:
    """`limit` and `after` give a list piece by piece, and the pieces are the whole."""
    queue.enqueue_many([JobRequest("true", f"job{n}", "even" if n % 2 else "odd") for n in range(7)])
    whole = ids_of(queue.jobs(state=state))
    first = ids_of(queue.jobs(state=state, limit=3))
    assert first + ids_of(queue.jobs(state=state, after=first[-1])) == whole
    assert queue.jobs(state=state, after=whole[-1]) == queue.jobs(state=state, limit=0) == []
    with pytest.raises(JobNotFound):
        queue.jobs(state=state, after="nobody")


def test_a_list_is_narrowed_to_a_queue(queue: Queue) -> None:
    """Only the jobs of the named queue are listed, in any state or in one."""
    queue.enqueue_many([JobRequest("true", f"job{n}", f"q{n % 2}", delay=n or None) for n in range(4)])
    assert ids_of(queue.jobs(queue="q1")) == ["job3", "job1"]
    assert ids_of(queue.jobs(queue="q0", state="pending")) == ["job0", "job2"]
    assert queue.jobs(queue="nowhere") == queue.jobs(queue="nowhere", state="pending") == []


def test_the_status_counts_jobs_by_state_and_queue(queue: Queue, clock: FakeClock) -> None:
    """Every state has its count, in all and a queue, beside the head, the workers and the backlog."""
    for live in (completed, dead, cancelled, failed):
        live(queue, live.__name__)
    queue.enqueue_many([JobRequest("true", f"job{n}", "mail") for n in range(3)])
    queue.worker("w").claim()
    clock.advance(1.5)
    status = queue.status()
    assert status.jobs == dict(zip(JobState, (2, 1, 1, 1, 1, 1), strict=True))
    assert status.queues["mail"] == dict(zip(JobState, (2, 1, 0, 0, 0, 0), strict=True))
    assert (status.head, status.active_workers, status.oldest_pending_s) == (queue.log.head(), 0, 1.5)
    assert (queue.backlog(), queue.backlog(["mail"]), queue.backlog(["nowhere"])) == (4, 3, 0)


def test_an_empty_queue_has_a_status(queue: Queue) -> None:
    """Nothing is waiting, and every state counts 0."""
    status = queue.status()
    assert (set(status.jobs.values()), status.queues, status.head, status.oldest_pending_s) == ({0}, {}, 0, None)


def test_the_oldest_wait_is_that_of_the_job_waiting_longest(queue: Queue, clock: FakeClock) -> None:
    """An urgent newcomer does not hide one that waits behind it; one due later has not waited yet."""
    queue.enqueue("true", id="old")
    queue.enqueue("true", id="later", delay_s=60)
    clock.advance(10)
    queue.enqueue("true", priority=5)
    assert queue.status().oldest_pending_s == 10
    queue.cancel("old")
    assert queue.status().oldest_pending_s == 0


def test_a_job_that_became_due_waits_though_nobody_claims(queue: Queue, clock: FakeClock) -> None:
    """With no worker at all, the wait of a delayed job is told from the moment it could run."""
    queue.enqueue("true", delay_s=60)
    assert queue.status().oldest_pending_s is None
    clock.advance(75)
    assert queue.status().oldest_pending_s == 15


# The log


def test_events_are_read_in_part(queue: Queue) -> None:
    """Events can be had behind a position, up to another, and of some types only."""
    for job_id in ("a", "b"):
        completed(queue, job_id)
    assert [each.position for each in queue.events()] == list(range(1, 9))
    assert [each.position for each in queue.events(after=2, until=5)] == [3, 4, 5]
    assert [each.position for each in queue.events(types=["enqueued", "started"])] == [1, 3, 5, 7]
    assert list(queue.events(after=8)) == list(queue.events(after=5, until=3)) == list(queue.events(types=[])) == []


def test_events_go_on_with_what_comes_meanwhile(queue: Queue) -> None:
    """Reading events holds no transaction open: what is appended while one reads is read too."""
    queue.enqueue_many(requests("a", "b"))
    reading = queue.events()
    assert next(reading).position == 1
    queue.enqueue_many([JobRequest("true")] * 3)
    assert [each.position for each in reading] == [2, 3, 4, 5]


def test_a_moment_has_a_position(queue: Queue, clock: FakeClock) -> None:
    """The position at a moment is the last event not after it, also among events of one time."""
    for seconds in (0, 10, 0, 10):
        clock.advance(seconds)
        queue.enqueue("true")
    times = [START_US - 1, START_US, START_US + 10 * SECOND - 1, START_US + 10 * SECOND, START_US + 99 * SECOND]
    assert [queue.log.position_at(at_us=at_us) for at_us in times] == [0, 1, 1, 3, 4]


def test_an_event_is_brought_home_to_its_job(queue: Queue) -> None:
    """A job's stream has the job's id; a named stream is nobody's."""
    completed(queue, "a")
    queue.admin.config_set("max_retries", 1)
    assert [queue.log.job_id_of(each.stream) for each in queue.events()] == ["a"] * 4 + [None]


def test_the_history_stays_when_the_job_goes(queue: Queue) -> None:
    """A removed job is not found and says why, but its history is; a later job of its id goes on with it."""
    completed(queue, "a")
    queue.clear(all=True)
    with pytest.raises(JobNotFound, match="removed"):
        queue.job("a")
    assert [each.position for each in queue.history("a")] == [1, 2, 3, 4, 5]
    second = queue.enqueue("true", id="a")
    assert (second.number, second.attempts) == (6, 0)
    assert [each.position for each in queue.history("a")] == [1, 2, 3, 4, 5, 6]


def test_the_history_spans_every_life_of_an_id(queue: Queue) -> None:
    """An id removed and enqueued again and again has one history, in order, without those of others."""
    for n in range(3):
        dead(queue, "a")
        completed(queue, f"other{n}")
        queue.dlq.purge(["a"])
    names = [type(each.event).__name__ for each in queue.history("a")]
    assert names == ["Enqueued", "Claimed", "Started", "Failed", "Dead", "Removed"] * 3


def test_a_replay_agrees_with_a_long_life(queue: Queue, clock: FakeClock) -> None:
    """Rebuilt from the log, the views are what they are; the report tells how many events, and that it was swapped."""
    long_life(queue, clock)
    before = queue.jobs()
    checked, swapped = queue.admin.replay(check=True), queue.admin.replay()
    assert [(each.events, each.differences, each.swapped) for each in (checked, swapped)] == [
        (queue.log.head(), [], False), (queue.log.head(), [], True),
    ]  # fmt: skip
    assert (queue.jobs(), swapped.duration_s > 0) == (before, True)


# Configuration


def test_the_configuration_tells_value_and_source(queue: Queue) -> None:
    """Each key has its value and where that comes from; unset, it has its default again."""
    assert queue.admin.config_set("max-retries", "5") == 5
    config = queue.admin.config()
    assert (config["max_retries"], config["lease_s"]) == ((5, "store"), (30, "default"))
    assert (queue.admin.config_get("max_retries_default"), queue.admin.settings()) == (5, Settings(max_retries=5))
    queue.admin.config_unset("max_retries_default")
    assert (queue.admin.config_get("max_retries"), queue.admin.settings()) == (3, Settings())


def test_a_value_set_again_is_no_event(queue: Queue) -> None:
    """Setting a key to what it is, or unsetting one that is not set, changes nothing."""
    for _ in range(2):
        queue.admin.config_set("max_retries", 5)
        queue.admin.config_unset("lease_s")
    assert [each.event for each in queue.events()] == [ConfigChanged("max_retries", None, 5)]


@pytest.mark.parametrize(
    ("key", "value"), [("colour", 1), ("max_retries", "many"), ("max_retries", -1), ("lease_s", True)]
)
def test_a_bad_setting_changes_nothing(queue: Queue, key: str, value: Any) -> None:
    """An unknown key or a value out of range is refused, and nothing is recorded."""
    with pytest.raises(InvalidInput):
        queue.admin.config_set(key, value)
    assert queue.log.head() == 0


@pytest.mark.parametrize("verb", [Admin.config_get, Admin.config_unset])
def test_an_unknown_setting_is_refused(queue: Queue, verb: Any) -> None:
    """Asking for, or dropping, a key that is none lists the good ones."""
    with pytest.raises(InvalidInput, match="max_retries, backoff_base"):
        verb(queue.admin, "colour")


# Wait


def test_waiting_ends_when_all_have_ended(queue: Queue) -> None:
    """Completed, dead and cancelled jobs have ended; they are given in the order asked for."""
    for live in (completed, dead, cancelled):
        live(queue, live.__name__)
    wanted = ["dead", "cancelled", "completed", "dead"]
    assert ids_of(queue.wait(wanted, timeout_s=0)) == wanted
    assert queue.wait([]) == []


def test_waiting_too_long_is_told(queue: Queue) -> None:
    """When the time is over, the jobs that have not ended are named and go on."""
    completed(queue, "done")
    queue.enqueue("true", id="open")
    with pytest.raises(WaitTimeout, match="open") as caught:
        queue.wait(["done", "open"], timeout_s=0.01)
    assert (caught.value.job_ids, state_of(queue, "open")) == (["open"], "pending")


def test_waiting_sees_what_others_do(queue: Queue) -> None:
    """A job that ends while it is waited for is given as it ended."""
    queue.enqueue("true", id="a")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(queue.wait, ["a"], timeout_s=20)
        queue.worker("w1").complete(running(queue))
        assert wait_until(waiting.done)
        assert [job.state for job in waiting.result()] == ["completed"]


def test_a_job_removed_meanwhile_ends_the_wait(queue: Queue) -> None:
    """Waiting for a job that is purged ends with the news."""
    dead(queue, "a")
    queue.dlq.purge(all=True)
    with pytest.raises(JobNotFound, match="removed"):
        queue.wait(["a"])


def test_a_change_is_waited_for(queue: Queue) -> None:
    """Waiting for a change ends at once where there was one, and in time where there is none."""
    queue.enqueue("true")
    assert queue.log.wait_for_change(0, 60) is True
    begun = time.monotonic()
    assert queue.log.wait_for_change(1, 0.01) is False
    assert time.monotonic() - begun < 10


def test_no_test_reaches_the_queue_of_whoever_runs_it() -> None:
    """Where no directory is named, tests have one of their own."""
    assert Path(default_path()).parent.name.startswith("queuectl-tests-")
