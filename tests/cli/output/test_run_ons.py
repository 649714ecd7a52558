"""What a command said ends its line: what went on after it would read as the command's own words."""

import pytest

from tests.cli.conftest import CommandLine
from tests.waiting import wait_until

SAID = "no such user"
FAILING = "echo No Such User | tr A-Z a-z >&2; exit 1"


@pytest.fixture
def worked(cli: CommandLine) -> str:
    """Run a job that fails twice; returns what the worker printed."""
    cli("enqueue", "a", FAILING, "--max-retries", "1", "--backoff-base", "0.01")
    return cli.process("worker", "start", "--drain").stdout


def check(shown: str) -> None:
    """Make sure that what the command said is shown, and ends each line that has it."""
    lines = [each.rstrip() for each in shown.splitlines() if SAID in each]
    assert lines
    assert [each for each in lines if not each.endswith(SAID)] == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize("verb", ["list", "show a", "history a", "events", "logs a", "dlq list", "dlq show a"])
def test_what_a_command_said_ends_its_line(cli: CommandLine, worked: str, verb: str) -> None:
    """Neither the worker nor any verb that shows a failure puts a time or a next attempt after the cause."""
    check(worked)
    columns = ["--columns", "id,error"] if verb == "list" else []
    check(cli(*verb.split(), *columns).stdout)


def test_so_it_does_where_a_job_is_waited_for(cli: CommandLine) -> None:
    """Each failure that `run --wait` tells of ends in what the command said."""
    words = ("--id", "a", "--max-retries", "1", "--backoff-base", "0.01", FAILING)
    waiting = cli.spawn("run", "--wait", *words)
    wait_until(cli.jobs)
    cli.drain()
    check(waiting.communicate(timeout=20)[1])
