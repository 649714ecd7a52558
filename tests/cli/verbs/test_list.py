"""list: jobs by state and queue, page by page."""

import time

import pytest

from queuectl import JobRequest, JobState, Queue
from queuectl.core.job_filter import Filter
from queuectl.queries import job_list
from tests.cli.conftest import CommandLine
from tests.clocks import FakeClock
from tests.waiting import wait_until


def test_pending_in_running_order(cli: CommandLine) -> None:
    """Pending jobs are listed as they will run: by priority, then first come."""
    for job_id, priority in (("a", "0"), ("b", "10"), ("c", "0")):
        cli("enqueue", job_id, "true", "--priority", priority)
    assert [job["id"] for job in cli.json("list", "--state", "pending")] == ["b", "a", "c"]


def test_state_and_queue(cli: CommandLine) -> None:
    """--state and --queue choose."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    cli("enqueue", "b", "true", "--queue", "mail")
    assert [job["id"] for job in cli.json("list", "--state", "dead")] == ["a"]
    assert [job["id"] for job in cli.json("list", "--queue", "mail")] == ["b"]
    assert cli.json("list", "--state", "failed") == []


def test_limit_and_after_walk_through_all_jobs(cli: CommandLine) -> None:
    """--limit and --after walk through all of them."""
    for job_id in "abc":
        cli("enqueue", job_id, "true")
    pages = [
        cli.json("list", "--state", "pending", "--limit", "2"),
        cli.json("list", "--state", "pending", "--after", "b"),
    ]
    assert [[job["id"] for job in page] for page in pages] == [["a", "b"], ["c"]]


def test_people_get_the_columns_that_are_used(cli: CommandLine) -> None:
    """People get the columns that are used, and control characters shown, not sent."""
    cli("enqueue", "a", "echo \x1b[31mred")
    shown = cli("list").stdout
    assert shown.splitlines()[0].split() == ["ID", "STATE", "QUEUE", "WHEN", "COMMAND"]
    assert "\\x1b[31mred" in shown
    assert "\x1b" not in shown


def test_dead_with_code(cli: CommandLine) -> None:
    """The exit code stands with the state."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    assert "dead (1)" in cli("list").stdout


def test_dead_of_the_time_limit(cli: CommandLine) -> None:
    """A job that hit its limit says so, not by which signal that was, nor with which code it went."""
    cli("enqueue", "a", "sleep 20", "--max-retries", "0", "--timeout", "0.1")
    cli("enqueue", "b", "trap 'exit 3' TERM; sleep 20 & wait", "--max-retries", "0", "--timeout", "0.3")
    cli.drain()
    assert {job["id"]: job["state"] for job in cli.json("list")} == {"a": "dead", "b": "dead"}
    assert cli("list").stdout.count("dead (timeout)") == 2
    assert "dead (timeout)" in cli("show", "a").stdout
    assert cli("wait", "a", "b", code=1).stdout == "a dead (timeout)\nb dead (timeout)\n"


def test_dead_without_a_trace(cli: CommandLine) -> None:
    """A job whose worker was lost says so, where others have the code or the signal that they died of."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    with cli.queue() as queue:
        queue.worker("w").start(queue.worker("w").claim(lease_s=0.01)[0])
        wait_until(lambda: bool(queue.worker(queue.actor).recover().jobs))
    assert "dead (lost)" in cli("list").stdout
    assert "dead (lost)" in cli("dlq", "list").stdout
    assert cli("wait", "a", code=1).stdout == "a dead (lost)\n"


def test_no_jobs_is_no_error(cli: CommandLine) -> None:
    """No jobs is no error: an empty list, and words on stderr."""
    cli("enqueue", "a", "true")
    for words, told in (
        (["list", "--state", "dead"], "No jobs are dead."),
        (["ps", "--queue", "default"], "No jobs are running in queue default."),
        (["list", "--state", "failed,dead"], "No jobs are failed or dead."),
        (["list", "--match", "rsync"], "No such jobs."),
    ):
        said = cli(*words)
        assert (said.stdout, said.stderr) == ("", told + "\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--state", "lost"], 2), (["--limit", "-1"], 2), (["--after", "nope"], 1), (["--alter"], 2)],
)
def test_what_is_no_state_limit_or_job_is_refused(cli: CommandLine, words: list[str], code: int) -> None:
    """A state, a limit or an option that is none is a usage error; an id that no job has is refused."""
    cli("enqueue", "a", "true")
    assert "Error: " in cli("list", *words, code=code).stderr


def test_a_screenful(cli: CommandLine) -> None:
    """People get the first fifty and how to see the rest; --limit 0 and --json give all, page by page."""
    cli("enqueue", "--file", "-", "--lines", text="true\n" * 1050)
    said = cli("list")
    assert len(said.stdout.splitlines()) == 51
    last = said.stdout.splitlines()[-1].split()[0]
    assert said.stderr == f"... and 1,000 more; --limit 0 shows all, --after {last} goes on\n"
    assert cli("list", "--after", last).stderr.startswith("... and more; --limit 0")
    every = cli("list", "--limit", "0")
    assert (len(every.stdout.splitlines()), every.stderr) == (1051, "")
    assert len({job["id"] for job in cli.json("list")}) == 1050
    assert len(cli.json("list", "--state", "pending", "--limit", "600")) == 600


def test_a_screenful_of_one_queue(cli: CommandLine) -> None:
    """How many more there are counts only those of the state and queue asked for; exactly fifty is all."""
    cli("enqueue", "--file", "-", "--lines", "--queue", "mail", text="true\n" * 52)
    cli("enqueue", "--file", "-", "--lines", text="true\n" * 50)
    assert cli("list", "--queue", "mail", "--state", "pending").stderr.startswith("... and 2 more")
    assert cli("list", "--queue", "default").stderr == ""


def test_columns_differ_between_pages(cli: CommandLine) -> None:
    """A page that uses other columns has its own titles."""
    cli("enqueue", "last", "true", "--priority", "5")
    cli("enqueue", "--file", "-", "--lines", text="true\n" * 500)
    titles = [line.split() for line in cli("list", "--limit", "0").stdout.splitlines() if line.startswith("ID")]
    assert titles == [["ID", "STATE", "QUEUE", *rest] for rest in (["WHEN", "COMMAND"], ["PRIO", "WHEN", "COMMAND"])]


def test_a_job_removed_between_transactions(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list goes on where it was though the job that it had come to has been removed."""
    monkeypatch.setattr(job_list, "LOOKED_AT", 2)
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true", id=f"j{n}") for n in range(5)])
        found = queue.ui.each_job(Filter())
        assert [next(found).id, next(found).id] == ["j4", "j3"]
        queue.cancel("j3")
        queue.clear(all=True, state=JobState.CANCELLED)
        assert [job.id for job in found] == ["j2", "j1", "j0"]


def running_for(cli: CommandLine, **seconds: int) -> None:
    """Have jobs whose runs have gone on for so many seconds, and one that was claimed and has not started."""
    clock = FakeClock(time.time_ns() // 1000 - 10**6 * 86_400)
    with Queue.open(cli.db, clock=clock) as queue:
        for job_id, running_s in sorted(seconds.items(), key=lambda each: -each[1]):
            clock.set(max(clock.now_us(), time.time_ns() // 1000 - 10**6 * running_s))
            queue.enqueue("true", id=job_id)
            queue.worker("w1").start(queue.worker("w1").claim(lease_s=86_400)[0])
        queue.enqueue("true", id="claimed")
        queue.worker("w1").claim(lease_s=86_400)


def test_what_hangs_is_found(cli: CommandLine) -> None:
    """Jobs that have run for long are listed by that, and those only, with since when they run and for how long."""
    running_for(cli, day=80_000, hour=3_700, fresh=5)
    assert [job["id"] for job in cli.json("list", "--running-longer-than", "1h")] == ["hour", "day"]
    assert [job["id"] for job in cli.json("list", "--running-longer-than", "10m", "--match", "day")] == ["day"]
    assert cli.json("list", "--running-longer-than", "2d") == []
    rows = {line.split()[0]: line for line in cli("list", "--state", "processing").stdout.splitlines()}
    assert "1h1m" in rows["hour"]
    cli("cancel", "hour")  # which is a change, but no new run
    columns = cli("list", "--columns", "id,took", "--state", "processing").stdout.splitlines()
    assert [len(line.split()) for line in columns] == [2, 1, 2, 2, 2]
    assert "1h1m" in next(line for line in columns if line.startswith("hour"))
    said = cli("list", "--running-longer-than", "1h", "--state", "dead", code=2)
    assert "expected processing" in said.stderr
    assert "running-longer-than: found" in cli("list", "--running-longer-than", "soon", code=2).stderr


def test_what_hung_at_a_past_moment(cli: CommandLine) -> None:
    """As of a moment, jobs are meant that had run for so long then."""
    running_for(cli, day=80_000, hour=3_700)
    assert [job["id"] for job in cli.json("list", "--running-longer-than", "1h", "--as-of", "6")] == ["day"]


def test_what_hangs_is_cancelled(cli: CommandLine) -> None:
    """Cancel takes the same words: those that run for so long are asked to stop, waiting ones are left."""
    running_for(cli, day=80_000, fresh=5)
    cli("enqueue", "waiting", "true")
    assert cli.json("cancel", "--running-longer-than", "1h", "--yes")["ids"] == ["day"]
    with cli.queue() as queue:
        asked = [job.id for job in queue.jobs(state="processing") if job.lease and job.lease.cancel_requested]
    assert asked == ["day"]


def test_what_runs_is_asked_and_not_cancelled_yet(cli: CommandLine) -> None:
    """What is said of jobs that run is that their workers were asked; of those that waited, that they are cancelled."""
    running_for(cli, day=80_000, fresh=5)
    cli("enqueue", "waiting", "true")
    said = cli("cancel", "--running-longer-than", "1h", "--yes").stdout
    assert said == "Asked the worker of day to stop it\n"
    said = cli("cancel", "--queue", "default", "--yes").stdout
    assert said == "Cancelled 1 job; asked the workers of 3 jobs to stop them\n"
    assert cli("cancel", "--running-longer-than", "2d", "--yes").stdout == "Cancelled 0 jobs\n"
