"""What the README has people type where jobs wait for each other does what it says."""

import shlex
from pathlib import Path

from tests.cli.conftest import CommandLine

README = Path(__file__).parents[2] / "README.md"
HEADING = "## One after the other, and how many at once\n"


def test_the_flow_of_the_readme_is_typed(cli: CommandLine) -> None:
    """Line by line, in one queue; and what it ends with is told."""
    section = README.read_text().partition(HEADING)[2].partition("\n## ")[0]
    typed = [shlex.split(line)[1:] for line in section.splitlines() if line.startswith("    queuectl ")]
    told = [cli(*words).stdout for words in typed]
    assert told[-1].startswith("check is pending: it waits for fetch, which is pending")
    assert cli.json("status")["waiting"]["dependency"] == 2
    assert [each["name"] for each in cli.json("limit", "list")] == ["parse"]
    assert len(cli.json("list")) == 4
