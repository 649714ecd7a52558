"""wait: until jobs have ended, and how."""

import time

from .conftest import CommandLine


def test_completed(cli: CommandLine) -> None:
    """All completed is 0, with a line for each."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    assert cli("wait", "a").stdout == "a completed\n"


def test_died(cli: CommandLine) -> None:
    """One that died or was cancelled is 1."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    cli("enqueue", "b", "true")
    cli("cancel", "b")
    assert cli("wait", "a", "b", code=1).stdout == "a dead (1)\nb cancelled\n"
    assert [job["state"] for job in cli.json("wait", "a", "b", code=1)] == ["dead", "cancelled"]


def test_timeout(cli: CommandLine) -> None:
    """Time running out is 124, and names what has not ended."""
    cli("enqueue", "a", "true")
    assert "a; they go on" in cli("wait", "a", "--timeout", "100ms", code=124).stderr


def test_unknown(cli: CommandLine) -> None:
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
