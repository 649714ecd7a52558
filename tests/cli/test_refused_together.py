"""What options refuse together is a usage error that says so, before anything is done."""

import pytest

from .conftest import CommandLine


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--raw", "true"], "--raw is about what --wait shows"),
        (["run", "true", "--command", "false"], "a command is given twice"),
        (["retry", "--edit", "a", "b"], "--edit is for one job"),
        (["enqueue", "--id", "a", '{"id":"b","command":"true"}'], "the id is given twice"),
        (["top", "--state", "dead,failed"], "top lists the jobs of one state"),
        (["list", "--json", "--columns", "id"], "--columns is for the table"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_it_is_refused(cli: CommandLine, words: list[str], said: str) -> None:
    """Exit code 2, and nothing is enqueued."""
    cli("enqueue", "first", "true")
    assert said in cli(*words, code=2).stderr
    assert [job["id"] for job in cli.jobs()] == ["first"]
