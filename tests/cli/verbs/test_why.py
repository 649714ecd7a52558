"""why: what a job waits for, and what to type to change that."""

import os
import socket

from queuectl import Queue
from tests.cli.conftest import CommandLine


def serve(queue: Queue, worker: str, *, slots: int, queues: list[str] | None = None) -> None:
    """Have a worker that this process is, which takes what it is given here."""
    queue.worker(worker).started(host=socket.gethostname(), pid=os.getpid(), slots=slots, queues=queues)


def test_a_job_that_nobody_serves(cli: CommandLine) -> None:
    """Where no worker serves its queue, it says which to start; one that serves another queue does not count."""
    cli("enqueue", "a", "true", "--queue", "mail")
    with Queue.open(cli.db) as queue:
        serve(queue, "w", slots=1, queues=["other"])
    [found] = cli.json("why", "a")
    assert (found["code"], found["command"]) == ("no_worker", "queuectl worker start --queue mail")
    told = "a is pending: no running worker serves queue mail; to change that: queuectl worker start --queue mail\n"
    assert cli("why", "a").stdout == told


def test_a_job_that_is_not_due(cli: CommandLine) -> None:
    """Of one for later it says when, and of a failed one when it is tried again; each command makes it due."""
    cli("enqueue", "a", "true", "--delay", "1h")
    cli("enqueue", "b", "false", "--backoff-base", "500")
    with Queue.open(cli.db) as queue:
        serve(queue, "w", slots=2)
        [job] = queue.worker("w").claim()
        queue.worker("w").fail(queue.worker("w").start(job), "exit code 1", return_code=1)
    for job_id, told in (
        ("a", "it waits for its time: in 59m"),
        ("b", "it waits for its next attempt (exit code 1): in 8m"),
    ):
        [found] = cli.json("why", job_id)
        assert found["code"] == "time"
        assert found["text"].startswith(told)
        assert found["until"] == cli.json("show", job_id)["run_at"]
        cli(*found["command"].split()[1:])
        assert cli.json("why", job_id) == []
    assert cli("why", "a").stdout == "a waits for nothing: a worker takes it next\n"


def test_a_job_in_line(cli: CommandLine) -> None:
    """Where all slots are taken it says by which jobs, and how many run before it."""
    for job_id in "abcd":
        cli("enqueue", job_id, "true")
    with Queue.open(cli.db) as queue:
        serve(queue, "w", slots=2)
        queue.worker("w").claim(2)
        [blocker] = queue.why("d")
        assert (blocker.code, blocker.slots, blocker.holders, blocker.before) == ("slots", 2, ("a", "b"), 1)
    assert "all 2 slots of the workers that serve queue default are taken by a, b; 1 job of" in cli("why", "d").stdout
    assert "; it is the next; to change that: queuectl worker start\n" in cli("why", "c").stdout


def test_a_job_that_waits_for_a_mutex(cli: CommandLine) -> None:
    """It says who holds that, and what to type to know when it ends: no limit can be set."""
    cli("enqueue", "a", "true", "--mutex", "m")
    cli("enqueue", "b", "true", "--mutex", "m")
    with Queue.open(cli.db) as queue:
        serve(queue, "w", slots=2)
        queue.worker("w").claim()
    told = "b is pending: mutex m is held by a; to change that: queuectl why a\n"
    assert cli("why", "b").stdout == told


def test_a_job_that_waits_for_nothing(cli: CommandLine) -> None:
    """Of one that runs or has ended it says so, with what shows it or runs it again; there is nothing in JSON."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    cli("enqueue", "b", "true", "--max-retries", "0")
    cli.kill("b")
    cli("enqueue", "c", "true")
    with Queue.open(cli.db) as queue:
        serve(queue, "w", slots=2)
        queue.worker("w").claim()
    for job_id, told in (("a", "queuectl retry a"), ("b", "queuectl dlq retry b"), ("c", "queuectl logs c --follow")):
        assert cli("why", job_id).stdout.endswith(f"{told}\n")
        assert cli.json("why", job_id) == []


def test_a_job_that_is_not_there(cli: CommandLine) -> None:
    """An id that is none is refused as everywhere."""
    cli("enqueue", "a", "true")
    assert "no job 'nothing'" in cli("why", "nothing", code=1).stderr
