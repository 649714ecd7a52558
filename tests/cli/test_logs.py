"""logs: what each run printed, run by run, and while it runs."""

import json
import re

import pytest

from .conftest import CommandLine, wait_until

FAILS = "echo out $QUEUECTL_ATTEMPT; echo err >&2; exit 3"


def test_heading_for_each_run(cli: CommandLine) -> None:
    """Each attempt has a heading that says when, by whom and how it ended, and its output below."""
    cli("enqueue", "a", FAILS, "--max-retries", "1", "--backoff-base", "0")
    cli.drain()
    lines = cli("logs", "a").stdout.splitlines()
    headings = [line for line in lines if line.startswith("==> ")]
    assert [line.split(",")[0] for line in headings] == ["==> attempt 1", "==> attempt 2"]
    assert all("failed" in line for line in headings)
    assert sorted(lines[1:3]) == ["err", lines[1] if lines[1] != "err" else lines[2]]


def test_streams_and_attempts(cli: CommandLine) -> None:
    """--stdout, --stderr and --attempt choose; an attempt there never was is refused."""
    cli("enqueue", "a", FAILS, "--max-retries", "0")
    cli.drain()
    assert "out" not in cli("logs", "a", "--stderr").stdout
    assert "err\n" not in cli("logs", "a", "--stdout", "--attempt", "1").stdout
    assert cli("logs", "a", "--attempt", "2", code=1).stderr == "Error: attempt: found 2; expected one of 1\n"


def test_runs_are_numbered_through(cli: CommandLine) -> None:
    """After a retry several runs are attempt 1: all of them are shown, each with which run it is."""
    cli("enqueue", "a", FAILS, "--max-retries", "1", "--backoff-base", "0")
    cli.drain()
    cli("dlq", "retry", "a")
    cli.drain()
    shown = cli("logs", "a", "--attempt", "1").stdout.splitlines()
    headings = [line for line in shown if line.startswith("==> ")]
    assert [re.match(r"==> (run \d, )?attempt \d", line)[0] for line in headings] == [  # type: ignore[index]
        "==> attempt 1",
        "==> run 3, attempt 1",
    ]
    assert [(run["run"], run["attempt"]) for run in cli.json("logs", "a")] == [(1, 1), (2, 2), (3, 1), (4, 2)]
    followed = [json.loads(line) for line in cli("logs", "a", "--follow", "--json", code=3).stdout.splitlines()]
    assert [each["run"] for each in followed if each["event"] == "started"] == [1, 2, 3, 4]
    assert "expected one of 1, 2\n" in cli("logs", "a", "--attempt", "5", code=1).stderr


def test_json(cli: CommandLine) -> None:
    """--json gives a list of runs with both streams as text, broken bytes escaped."""
    cli("enqueue", "a", r"printf 'a\377b'; echo e >&2")
    cli.drain()
    (run,) = cli.json("logs", "a")
    assert (run["attempt"], run["state"], run["stdout"], run["stderr"]) == (1, "completed", "a\\xffb", "e\n")


def test_bytes_survive(cli: CommandLine) -> None:
    """Output goes out byte for byte, and a heading never hangs on its last line."""
    cli("enqueue", "a", r"printf 'a\377b'", "--max-retries", "0")
    cli.drain()
    assert cli("logs", "a").stdout_bytes.split(b"\n", 1)[1] == b"a\xffb\n"


def test_large_output(cli: CommandLine) -> None:
    """Output too large for the store is there in full."""
    cli("enqueue", "a", "seq 100000")
    cli.drain()
    text = "".join(f"{n}\n" for n in range(1, 100_001))
    assert cli.json("logs", "a")[0]["stdout"] == text


def test_not_run_yet(cli: CommandLine) -> None:
    """A job that has not run has no logs, which is no error."""
    cli("enqueue", "a", "true")
    said = cli("logs", "a")
    assert (said.stdout, said.stderr) == ("", "a has not run yet; it is pending\n")
    assert cli.json("logs", "a") == []


def test_unknown(cli: CommandLine) -> None:
    """The logs of a job that is not there are refused."""
    cli("enqueue", "a", "true")
    cli("logs", "b", code=1)


def test_follow(cli: CommandLine, tmp_path: object) -> None:
    """--follow shows a line while the job still runs, and ends with the job, exiting as it did."""
    gate = cli.db.parent / "gate"
    cli(
        "enqueue", "a", f"echo first; until [ -e {gate} ]; do sleep 0.05; done; echo last; exit 4", "--max-retries", "0"
    )
    worker = cli.spawn("worker", "start", "--drain")
    following = cli.spawn("logs", "a", "--follow")
    assert following.stdout is not None
    seen = [following.stdout.readline(), following.stdout.readline()]
    assert seen[0].startswith("==> attempt 1")
    assert seen[1] == "first\n"
    gate.touch()
    rest, errors = following.communicate(timeout=20)
    assert rest.startswith("last\n==> attempt 1: failed"), errors
    assert following.returncode == 4
    worker.communicate(timeout=20)


@pytest.mark.parametrize("state", ["completed", "cancelled"])
def test_follow_of_an_ended_job(cli: CommandLine, state: str) -> None:
    """--follow of a job that has ended shows all and ends at once."""
    cli("enqueue", "a", "echo hi")
    cli("cancel", "a") if state == "cancelled" else cli.drain()
    told = [
        json.loads(line)
        for line in cli("logs", "a", "--follow", "--json", code=int(state == "cancelled")).stdout.splitlines()
    ]
    assert [each["event"] for each in told] == (["started", "output", "ended"] if state == "completed" else [])


def test_follow_across_a_retry(cli: CommandLine) -> None:
    """--follow goes on through the retries of a job."""
    cli("enqueue", "a", "echo hi; exit 1", "--max-retries", "1", "--backoff-base", "0")
    worker = cli.spawn("worker", "start", "--drain")
    following = cli.process("logs", "a", "--follow")
    assert following.stdout.count("hi\n") == 2
    assert following.returncode == 1
    wait_until(lambda: worker.poll() is not None)
    worker.communicate()
