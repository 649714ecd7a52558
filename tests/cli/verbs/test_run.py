"""run: a generated id, and --wait, which exits as the command did."""

import re
import signal
import subprocess

import pytest

from tests.cli.conftest import CommandLine
from tests.waiting import wait_until


def test_run_makes_an_id(cli: CommandLine) -> None:
    """run enqueues a shell line under a fresh id and prints it."""
    job_id = cli("run", "echo Hello World").stdout.removeprefix("Enqueued ").strip()
    assert cli.json("show", job_id)["command"] == "echo Hello World"


def test_run_argv(cli: CommandLine) -> None:
    """run takes an argument vector after --, and the job options."""
    cli("run", "--priority", "3", "--", "ls", "--all")
    (job,) = cli.json("list")
    assert (job["command"], job["priority"]) == (["ls", "--all"], 3)


@pytest.mark.parametrize("words", [[], ["echo", "hi"], ["echo", "--", "hi"], ["--wait", "--json", "true"]])
def test_wrong_shape(cli: CommandLine, words: list[str]) -> None:
    """Nothing, or several unquoted words, is a usage error."""
    assert "Error: " in cli("run", *words, code=2).stderr
    assert not cli.db.exists()


def test_wait_passes_on_output_and_code(cli: CommandLine) -> None:
    """run --wait prints what the command prints, stream by stream, and exits with its code."""
    waiting = cli.spawn("run", "--wait", "--max-retries", "0", "echo out; echo err >&2; exit 7")
    wait_until(cli.jobs)
    cli.drain()
    out, errors = waiting.communicate(timeout=20)
    assert (waiting.returncode, out) == (7, "out\n")
    assert "No running worker serves queue default (1 job waits); start one: queuectl worker start" in errors
    assert "err\n" in errors


def test_what_was_not_kept_is_told(cli: CommandLine) -> None:
    """Of a run that printed beyond the limit it is said how much is missing and what to do, by each verb."""
    cli("config", "set", "output_limit_bytes", "20000")
    waiting = cli.spawn("run", "--wait", "--id", "a", "yes 123456789 | head -n 5000")
    wait_until(cli.jobs)
    cli.drain()
    out, errors = waiting.communicate(timeout=20)
    missing = 50_000 - len(out)
    assert 30_000 <= missing < 31_000
    told = f": {missing:,} bytes of what it printed were not kept; for more of the next run type: queuectl config set"
    assert f"a, attempt 1{told} output_limit_bytes BYTES" in errors
    assert f"attempt 1{told}" in cli("logs", "a").stderr
    assert f"attempt 1{told}" in cli("logs", "a", "--follow").stderr
    assert cli("logs", "a", "--tail", "3").stderr == ""
    assert f"output     {missing:,} bytes of what the last run printed were not kept" in cli("show", "a").stdout
    assert cli.json("show", "a")["output_cut_bytes"] == missing
    assert [run["cut_bytes"] for run in cli.json("logs", "a")] == [missing]


def test_what_was_kept_whole_is_not_told(cli: CommandLine) -> None:
    """Before a run has ended nothing is known of a cut; of one that printed little nothing is said."""
    cli("enqueue", "a", "echo hi")
    assert cli.json("show", "a")["output_cut_bytes"] is None
    cli.drain()
    assert cli.json("show", "a")["output_cut_bytes"] == 0
    assert "not kept" not in cli("show", "a").stdout + cli("logs", "a").stderr


def test_wait_tells_a_signal(cli: CommandLine) -> None:
    """A command that a signal ended exits as a shell would: 128 and its number."""
    waiting = cli.spawn("run", "--wait", "--max-retries", "0", "kill -KILL $$")
    wait_until(cli.jobs)
    cli.drain()
    waiting.communicate(timeout=20)
    assert waiting.returncode == 128 + signal.SIGKILL


def test_wait_tells_of_attempts_that_failed(cli: CommandLine) -> None:
    """A line says that an attempt failed and when the next one comes; the last one's is that the job is dead."""
    words = ("--max-retries", "1", "--backoff-base", "0", "echo no host >&2; exit 3")
    waiting = cli.spawn("run", "--wait", "--id", "a", *words)
    wait_until(cli.jobs)
    cli.drain()
    _, errors = waiting.communicate(timeout=20)
    assert len(re.findall(r"^a: attempt 1 of 2 failed in \d\S* s, (next in 0ms|again): exit code 3", errors, re.M)) == 1
    assert "attempt 2" not in errors
    assert "a is dead: exit code 3" in errors


@pytest.mark.slow
def test_wait_tells_what_it_waits_for(cli: CommandLine) -> None:
    """Of a job that does not begin it says once why: the workers are busy, or its time has not come."""
    cli("enqueue", "long", f"until [ -e {cli.db.parent}/go ]; do sleep 0.05; done")
    worker = cli.spawn("worker", "start")
    wait_until(lambda: cli.json("show", "long")["state"] == "processing")
    busy = cli.spawn("run", "--wait", "--id", "a", "true")
    delayed = cli.spawn("run", "--wait", "--id", "b", "--delay", "1h", "true")
    assert busy.stderr is not None
    assert delayed.stderr is not None
    assert busy.stderr.readline() == "a waits for a free slot: the workers of queue default are busy\n"
    assert "b waits for its time, " in delayed.stderr.readline()
    stopping = cli.spawn("worker", "stop", "--wait")
    assert stopping.stderr is not None
    assert re.search(r" finishes long \(\d+s\); --now stops it at once$", stopping.stderr.readline())
    (cli.db.parent / "go").touch()
    for each in (stopping, worker):
        each.communicate(timeout=20)
    for each in (busy, delayed):
        each.terminate()
        each.communicate(timeout=20)


def test_interrupted_wait_leaves_the_job(cli: CommandLine) -> None:
    """Ctrl-C ends the waiting, not the job, and says how to look again."""
    waiting = cli.spawn("run", "--wait", "true", stdout=subprocess.DEVNULL)
    wait_until(cli.jobs)
    assert waiting.stderr is not None
    assert "No running worker serves" in waiting.stderr.readline()
    [job] = cli.jobs()
    assert waiting.stderr.readline() == f"Enqueued {job['id']}; it stays if you stop waiting (Ctrl-C)\n"
    waiting.send_signal(signal.SIGINT)
    _, errors = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert "goes on; see: queuectl logs" in errors
    assert [job["state"] for job in cli.jobs()] == ["pending"]


@pytest.mark.parametrize(("program", "code"), [("no-such-program-here", 127), ("/etc/passwd", 126)])
def test_wait_tells_what_cannot_start(cli: CommandLine, program: str, code: int) -> None:
    """A program that there is not exits 127, and one that may not be executed 126, as the shell has it."""
    waiting = cli.spawn("run", "-f", "--max-retries", "0", "--", program)
    wait_until(cli.jobs)
    cli.drain()
    waiting.communicate(timeout=20)
    assert waiting.returncode == code
    (job,) = cli.jobs()
    assert cli("logs", str(job["id"]), "--follow", code=code).exit_code == code
