"""status: the counts, for people and for programs."""

import json
import os
import re
import signal

import pytest

from queuectl import JobRequest
from queuectl.system.host import host
from tests.cli.conftest import CommandLine
from tests.cli.terminal import Terminal
from tests.waiting import wait_until


def test_json_counts_each_state_of_all_and_of_each_queue(cli: CommandLine) -> None:
    """--json has the contract's keys, with a count for each state, of all and of each queue."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "true", "--queue", "mail")
    found = cli.json("status")
    zero = dict.fromkeys(("pending", "processing", "completed", "failed", "dead", "cancelled"), 0)
    assert found["jobs"] == zero | {"pending": 2}
    assert found["queues"] == {"default": zero | {"pending": 1}, "mail": zero | {"pending": 1}}
    assert (found["active_workers"], found["head"]) == (0, 2)
    assert found["oldest_pending_s"] >= 0


def test_people_see_each_count_and_what_to_do(cli: CommandLine) -> None:
    """People see each state's count, the queues where there are several, and what to do."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    cli("enqueue", "b", "true", "--queue", "mail")
    shown = cli("status").stdout
    assert re.search(r"dead +1  see: queuectl dlq list", shown)
    assert "mail" in shown
    assert "queuectl worker start" in shown
    assert "\x1b" not in shown


def test_workers_are_named_with_how_busy_they_are(cli: CommandLine) -> None:
    """Workers are named with how busy they are."""
    with cli.queue() as queue:
        queue.worker("w1").started(host=os.uname().nodename, pid=os.getpid(), slots=4)
        queue.enqueue("true")
        queue.worker("w1").claim()
    assert "w1  running, 1 of 4 slots busy" in cli("status").stdout
    assert cli.json("status")["active_workers"] == 1


def test_a_job_whose_worker_was_killed(cli: CommandLine) -> None:
    """list, show and status say that nobody runs a job whose worker was killed, and no longer once it was taken over.

    What a live worker runs is said as ever, by all of them.
    """
    cli("enqueue", "a", "sleep 600")
    cli("enqueue", "b", "sleep 600", "--queue", "mail")
    killed = cli.spawn("worker", "start", "--queue", "default")
    cli.spawn("worker", "start", "--queue", "mail")
    wait_until(lambda: cli.json("status")["jobs"]["processing"] == 2)
    assert "gone" not in cli("list").stdout + cli("show", "a").stdout + cli("status").stdout
    killed.kill()
    killed.communicate(timeout=10)
    states = dict(re.findall(r"^(a|b) +(processing(?: \S+ \S+)?)  ", cli("list").stdout, re.M))
    assert states == {"a": "processing (worker gone)", "b": "processing"}
    assert re.search(r"^state +processing \(worker gone\), since ", cli("show", "a").stdout, re.M)
    assert re.search(r"^state +processing, since ", cli("show", "b").stdout, re.M)
    assert re.search(r"processing +2  1 of a worker that is gone$", cli("status").stdout, re.M)
    assert re.search(r"processing +1$", cli("status", "--queue", "mail").stdout, re.M)
    assert "gone" not in cli("list", "--as-of", str(cli.json("status")["head"])).stdout  # as the log has it
    with cli.queue() as queue:
        queue.worker(queue.actor).recover()
    assert "(worker gone)" not in cli("list").stdout + cli("show", "a").stdout
    assert "that is gone" not in cli("status").stdout


@pytest.mark.parametrize(
    ("columns", "told", "spared"), [(80, "cancelled", "none"), (60, "pending", "cancelled"), (40, "pending", "dead")]
)
def test_queues_fit_the_terminal(cli: CommandLine, columns: int, told: str, spared: str) -> None:
    """A queue is one line also on a narrow terminal, where only the states that some job is in have a column."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "true", "--queue", "mail")
    with Terminal(cli, "status", columns=columns) as terminal:
        assert terminal.end() == 0
        lines = [line.rstrip() for line in terminal.screen.display]
    titles = lines.index(next(line for line in lines if line.split()[:2] == ["queue", "pending"]))
    assert told in lines[titles]
    assert spared not in lines[titles]
    assert lines[titles + 1].split()[:2] == ["default", "1"]
    assert lines[titles + 2].split()[:2] == ["mail", "1"]


def test_thousands_of_queues(cli: CommandLine) -> None:
    """On a terminal a screenful of queues is listed, those with jobs that have not ended first; elsewhere all are."""
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true", queue=f"q{n:04}") for n in range(60)])
        for job in queue.worker("w").claim(55):
            queue.worker("w").complete(queue.worker("w").start(job))
    with Terminal(cli, "status", rows=100) as terminal:
        assert terminal.end() == 0
        lines = [line.strip() for line in terminal.screen.display]
    listed = [line.split()[0] for line in lines if re.match(r"q\d{4} ", line)]
    assert listed == [f"q{n:04}" for n in (*range(45), *range(55, 60))]
    assert "... and 10 more; --queue NAME shows one, and a pipe or --json has all" in lines
    assert len(re.findall(r"^  q\d{4} ", cli("status").stdout, re.M)) == 60
    assert "more;" not in cli("status").stdout
    assert len(cli.json("status")["queues"]) == 60


def test_watch_follows(cli: CommandLine) -> None:
    """--watch --json prints a line now, and another when something happened."""
    cli("enqueue", "a", "true")
    watching = cli.spawn("status", "--watch", "--json")
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["jobs"]["pending"] == 1
    cli("enqueue", "b", "true")
    assert json.loads(watching.stdout.readline())["jobs"]["pending"] == 2
    watching.terminate()
    watching.communicate(timeout=10)


def test_watch_on_a_terminal(cli: CommandLine) -> None:
    """On a terminal --watch is top, of the queue named; q leaves it."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "true", "--queue", "mail")
    with Terminal(cli, "status", "--watch", "--queue", "mail") as terminal:
        terminal.wait_for(re.compile(r"b +pending").search)
        assert not re.search(r"a +pending", terminal.text())
        cli("enqueue", "c", "true", "--queue", "mail")
        terminal.wait_for(re.compile(r"c +pending").search)
        terminal.type("q")
        assert (terminal.end(), terminal.is_sane()) == (0, True)


def test_watch_in_a_pipe(cli: CommandLine) -> None:
    """In a pipe --watch is a block a change, without an escape sequence."""
    cli("enqueue", "a", "true")
    watching = cli.spawn("status", "--watch")
    assert watching.stdout is not None
    assert next(line for line in watching.stdout if "pending" in line).split()[:2] == ["pending", "1"]
    cli("enqueue", "b", "true")
    assert next(line for line in watching.stdout if "pending" in line).split()[:2] == ["pending", "2"]
    watching.send_signal(signal.SIGINT)
    out, errors = watching.communicate(timeout=10)
    assert (watching.returncode, errors, "\x1b" in out) == (130, "", False)


def test_of_one_queue(cli: CommandLine) -> None:
    """--queue counts its jobs alone, tells of the workers that serve it, and of the past too."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "true", "--queue", "mail", "--max-retries", "0")
    with cli.queue() as queue:
        queue.worker("w").started(host="elsewhere", pid=1, slots=1, queues=["default"])
        found = queue.status(queue="mail")
        assert (found.jobs["pending"], found.active_workers, [each.queue for each in found.unserved]) == (
            1,
            0,
            ["mail"],
        )
        assert queue.status(queue="default").active_workers == 1
        assert queue.status(queue="none").oldest_pending_s is None
    shown = cli("status", "-q", "mail").stdout
    assert shown.startswith(f"Queue mail of {cli.db}\n")
    assert re.search(r"pending +1  the oldest has waited", shown)
    assert shown.endswith("No workers of this queue; start one: queuectl worker start --queue mail\n")
    assert "Workers\n  w  " in cli("status", "-q", "default").stdout
    assert list(cli.json("status", "-q", "mail")["queues"]) == ["mail"]
    assert cli.json("status", "-q", "mail", "--as-of", "1")["jobs"]["pending"] == 0
    assert [each["id"] for each in cli.json("worker", "list", "-q", "default")] == ["w"]
    told = cli("worker", "list", "-q", "mail").stderr
    assert told == "No workers of this queue; start one: queuectl worker start --queue mail\n"


def test_how_long_a_queues_jobs_have_waited(cli: CommandLine) -> None:
    """The oldest of a queue is its own, whatever priority it has, and not another queue's older one."""
    with cli.queue() as queue:
        queue.enqueue("true", queue="a")
        queue.enqueue("true", queue="b", priority=1)
        queue.enqueue("true", queue="b", priority=9)
        of = {
            name: queue.status(queue=name).oldest_pending_s or 0 for name in ("b", "a")
        }  # in this order, since both grow
        assert of["a"] > of["b"] > 0
        assert (queue.status().oldest_pending_s or 0) >= of["a"]


def test_jobs_claimed_ahead_take_no_slot(cli: CommandLine) -> None:
    """A worker that has claimed more jobs than it has slots is shown with its slots busy, and the others beside."""
    with cli.queue() as queue:
        queue.enqueue_many(["true"] * 5)
        queue.worker("w").started(host=host(), pid=os.getpid(), slots=2)
        queue.worker("w").claim(5)
    assert ", 2 of 2 slots busy, 3 claimed ahead" in cli("status").stdout
