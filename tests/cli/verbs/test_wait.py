"""wait: until jobs have ended, and how."""

import time

import pytest

from tests.cli.conftest import CommandLine


def test_all_completed_is_0(cli: CommandLine) -> None:
    """All completed is 0, with a line for each."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    assert cli("wait", "a").stdout == "a completed\n"


def test_one_that_died_or_was_cancelled_is_1(cli: CommandLine) -> None:
    """One that died or was cancelled is 1."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    cli("enqueue", "b", "true")
    cli("cancel", "b")
    assert cli("wait", "a", "b", code=1).stdout == "a dead (1)\nb cancelled\n"
    assert [job["state"] for job in cli.json("wait", "a", "b", code=1)] == ["dead", "cancelled"]


def test_time_running_out_is_124_and_names_what_has_not_ended(cli: CommandLine) -> None:
    """Time running out is 124, and names what has not ended."""
    cli("enqueue", "a", "true")
    assert "a; nothing is stopped by that: wait again" in cli("wait", "a", "--timeout", "100ms", code=124).stderr


def test_an_unknown_job_is_refused_rather_than_waited_for(cli: CommandLine) -> None:
    """An unknown job is refused rather than waited for; no job at all is a usage error."""
    cli("enqueue", "a", "true")
    cli("wait", "b", code=1)
    cli("wait", code=2)


def test_returns_when_the_job_ends(cli: CommandLine) -> None:
    """It returns soon after a worker has finished the job."""
    cli("enqueue", "a", "true")
    waiting = cli.spawn("wait", "a", "--timeout", "20")
    cli.drain()
    began = time.monotonic()
    out, _ = waiting.communicate(timeout=20)
    assert (waiting.returncode, out) == (0, "a completed\n")
    assert time.monotonic() - began < 5


def test_a_queue(cli: CommandLine) -> None:
    """--queue, --all and the filters wait for those unfinished now, and tell how they ended and which not well."""
    cli("enqueue", "a", "true", "--queue", "mail")
    cli("enqueue", "b", "exit 3", "--queue", "mail", "--max-retries", "0")
    cli("enqueue", "later", "true", "--delay", "1h")
    waiting = cli.spawn("wait", "--queue", "mail", "--timeout", "20")
    assert waiting.stderr is not None
    waiting.stderr.readline()  # it waits
    done = cli.process("worker", "start", "--drain", "--queue", "mail")
    assert done.returncode == 0, done.stderr
    out, _ = waiting.communicate(timeout=20)
    assert (waiting.returncode, out) == (1, "Ended 2 jobs: 1 completed, 1 dead\n  b dead\n")
    assert "later; nothing is stopped by that: wait again" in cli("wait", "--all", "--timeout", "50ms", code=124).stderr
    assert (
        "later; nothing is stopped by that: wait again"
        in cli("wait", "--state", "pending", "--timeout", "50ms", code=124).stderr
    )
    done = cli("wait", "--queue", "mail")
    dead = "There was nothing to wait for. 1 job of queue mail is dead: queuectl dlq list\n"
    assert (done.stdout, done.stderr) == ("", dead)
    slip = cli("wait", "--queue", "mial").stderr
    assert slip == "There is no queue mial: it has no jobs, and no worker names it; did you mean mail?\n"
    zero = {"completed": 0, "dead": 0, "cancelled": 0, "gone": 0, "not_completed": []}
    assert cli.json("wait", "--queue", "mail") == zero


def test_in_one_way(cli: CommandLine) -> None:
    """Names, a filter and --all are one or the other, and jobs that have ended cannot be asked for."""
    cli("enqueue", "a", "true")
    cli("wait", "a", "--all", code=2)
    cli("wait", "--all", "--queue", "mail", code=2)
    done = cli.process("wait", "--state", "dead")
    assert "found 'dead'" in done.stderr


@pytest.mark.parametrize("words", [["a"], ["--all"], ["--queue", "mail"]])
def test_nobody_would_run_them(cli: CommandLine, words: list[str]) -> None:
    """It says at once, and once, that no running worker serves the queue of what is waited for."""
    cli("enqueue", "a", "true", "--queue", "mail")
    told = cli("wait", *words, "--timeout", "200ms", code=124).stderr.splitlines()
    assert told[0].startswith("No running worker serves queue mail (1 job waits); start one:")
    assert len(told) == 2
