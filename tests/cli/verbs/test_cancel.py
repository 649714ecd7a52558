"""cancel: keep jobs from running, or have them stopped."""

import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.processes import is_alive, pid_in
from tests.waiting import wait_until

STUBBORN = """
trap '' TERM
sh -c 'trap "" TERM; echo $$ > {0}/grandchild; while :; do sleep 0.05; done' &
{1}
echo begun; echo trouble >&2; echo $$ > {0}/child
while :; do sleep 0.05; done
"""
"""Ignores TERM, as does its grandchild; writes their process ids into a directory."""


def test_a_waiting_job_is_cancelled_at_once(cli: CommandLine) -> None:
    """A waiting job is cancelled at once, with who and why in the log."""
    cli("enqueue", "a", "true")
    assert cli("cancel", "a", "--reason", "oops").stdout == "Cancelled a\n"
    assert cli.json("show", "a")["state"] == "cancelled"
    last = cli.json("history", "a")[-1]
    assert (last["type"], last["reason"], last["actor"].split("@")[0]) == ("cancelled", "oops", "tester")


def test_the_worker_of_a_running_job_is_asked_to_stop_it(cli: CommandLine) -> None:
    """A running job's worker is asked to stop it."""
    cli("enqueue", "a", "true")
    with cli.queue() as queue:
        queue.worker("w1").start(queue.worker("w1").claim()[0])
    assert cli("cancel", "a").stdout == "Asked w1 to stop a\n"
    assert cli.json("history", "a")[-1]["type"] == "cancel_requested"
    assert "asked for" in cli("show", "a").stdout


def test_one_that_has_ended_is_refused_and_costs_the_others_nothing(cli: CommandLine) -> None:
    """One that has ended is refused and stays; the others are cancelled all the same."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    cli("enqueue", "b", "true")
    said = cli("cancel", "a", "b", code=1)
    assert said.stdout == "Cancelled b\n"
    assert "it is completed" in said.stderr
    assert cli.json("show", "a")["state"] == "completed"


def test_json_has_the_jobs_that_were_cancelled(cli: CommandLine) -> None:
    """--json gives the jobs that were cancelled."""
    cli("enqueue", "a", "true")
    assert [job["state"] for job in cli.json("cancel", "a")] == ["cancelled"]


@pytest.mark.parametrize("printing", ["", "seq 30000"])
def test_a_job_that_ignores_term_is_killed_after_the_grace(cli: CommandLine, tmp_path: Path, printing: str) -> None:
    """A job that ignores TERM is killed after the grace with its grandchild, and its output kept, small or large."""
    cli("enqueue", "a", STUBBORN.format(tmp_path, printing), "--max-retries", "5")
    worker = cli.spawn("worker", "start", "--grace", "0.5", "--poll", "30")
    processes = [pid_in(tmp_path / name) for name in ("child", "grandchild")]
    said = cli.process("cancel", "a", "--reason", "wrong input")
    assert said.stdout.startswith("Asked ")
    wait_until(lambda: cli.json("show", "a")["state"] == "cancelled")
    assert [pid for pid in processes if is_alive(pid)] == []
    asked, cancelled = cli.json("history", "a")[-2:]
    assert (asked["type"], asked["reason"], asked["actor"].split("@")[0]) == (
        "cancel_requested",
        "wrong input",
        "tester",
    )
    assert cancelled["type"] == "cancelled"
    took_s = (datetime.fromisoformat(cancelled["time"]) - datetime.fromisoformat(asked["time"])).total_seconds()
    assert 0.5 <= took_s < 5
    (run,) = cli.json("logs", "a")
    assert (run["state"], run["stderr"]) == ("cancelled", "trouble\n")
    assert run["stdout"] == "".join(f"{n}\n" for n in range(1, 30_001) if printing) + "begun\n"
    cli("wait", "a", code=1)
    worker.terminate()
    worker.communicate(timeout=20)


@pytest.mark.slow
def test_a_job_that_heeds_term_ends_long_before_the_grace_is_over(cli: CommandLine, tmp_path: Path) -> None:
    """A running job that heeds TERM is cancelled long before its grace is over, and may say a last word."""
    cli("enqueue", "a", f"trap 'echo bye; exit 0' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.05; done")
    worker = cli.spawn("worker", "start", "--grace", "60", "--poll", "30")
    pid_in(tmp_path / "pid")
    begun = time.monotonic()
    cli.process("cancel", "a")
    wait_until(lambda: cli.json("show", "a")["state"] == "cancelled")
    assert time.monotonic() - begun < 30
    assert cli.json("logs", "a")[0]["stdout"] == "bye\n"
    worker.terminate()
    worker.communicate(timeout=20)


@pytest.mark.slow
def test_cancelling_a_running_job_again_does_no_harm(cli: CommandLine, tmp_path: Path) -> None:
    """Cancelling a running job again while its grace lasts does no harm, and worker list says what goes on."""
    cli("enqueue", "a", STUBBORN.format(tmp_path, ""))
    worker = cli.spawn("worker", "start", "--grace", "2", "--poll", "30")
    pid_in(tmp_path / "child")
    cli("cancel", "a")
    cli("cancel", "a")
    assert "being cancelled" in cli("worker", "list").stdout
    assert cli.json("worker", "list")[0]["runs"][0]["cancelling"] is True
    wait_until(lambda: cli.json("show", "a")["state"] == "cancelled")
    assert [each["type"] for each in cli.json("history", "a")].count("cancelled") == 1
    worker.terminate()
    worker.communicate(timeout=20)


def test_how_long_it_ran(cli: CommandLine, tmp_path: Path) -> None:
    """A run that was cancelled has its length in list, show and history, also as the second attempt of its job."""
    cli("enqueue", "a", f"test -e {tmp_path}/again && sleep 60; touch {tmp_path}/again; false", "--backoff-base", "0")
    worker = cli.spawn("worker", "start", "--poll", "30")
    wait_until(lambda: cli.json("show", "a")["attempts"] == 2)
    first = cli.json("show", "a")["duration_ms"]
    since = time.monotonic()
    wait_until(lambda: time.monotonic() - since > 0.2)
    cli("cancel", "a")
    job = wait_until(lambda: (found := cli.json("show", "a"))["state"] == "cancelled" and found)
    worker.terminate()
    worker.communicate()
    assert (job["return_code"], job["last_error"]) == (None, None)
    assert 200 <= job["duration_ms"] != first
    assert "took       " in cli("show", "a").stdout
    [row] = cli("list", "--columns", "id,took").stdout.splitlines()[1:]
    took = row.split()[1]
    assert f"took       {took}\n" in cli("show", "a").stdout
    assert f"attempt 2 in {took}" in cli("history", "a").stdout.splitlines()[-1]


def test_no_more_ids_than_a_screen_has(cli: CommandLine) -> None:
    """Of many jobs that would be changed the first are named, and how many more there are."""
    with cli.queue() as queue:
        queue.enqueue_many([{"id": f"j{n:02}", "command": "true"} for n in range(30)])
    said = cli("cancel", "--state", "pending", "--dry-run").stdout.splitlines()
    assert [row.strip() for row in said if row.strip().startswith("j")] == [f"j{n:02}" for n in range(20)]
    assert said[-1] == "  ... and 10 more; --json tells them all"
