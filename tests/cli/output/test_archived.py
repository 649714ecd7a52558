"""What the command line tells of jobs that retention let go: their story and output while the archive is there."""

import json
from pathlib import Path
from shutil import move

import pytest

from tests.cli.conftest import CommandLine

LARGE = "for n in $(seq 60000); do echo line $n; done; echo oh >&2"


@pytest.fixture
def archived(cli: CommandLine) -> CommandLine:
    """Return a queue whose jobs ran for real and were let go: one printed little, twice, one much, one nothing."""
    cli(
        "enqueue",
        "small",
        "echo out $QUEUECTL_ATTEMPT; echo err >&2; exit $((2 - QUEUECTL_ATTEMPT))",
        "--backoff-base=0",
    )
    cli("enqueue", "large", LARGE)
    cli("enqueue", "silent", "true")
    cli("enqueue", "cleared", "echo gone")
    cli.drain()
    return cli


def let_go(cli: CommandLine, *words: str) -> None:
    cli("compact", "--older-than", "0s", *words)
    assert cli.json("list") == []


def test_logs_are_read_from_the_archive(archived: CommandLine) -> None:
    """Large and small, byte for byte, under the same headings, as people and as programs read them."""
    names = ("small", "large", "silent")
    shown = [(archived("logs", name).stdout_bytes, archived.json("logs", name)) for name in names]
    errors = archived("logs", "large", "--stderr").stdout
    let_go(archived)
    assert [(archived("logs", name).stdout_bytes, archived.json("logs", name)) for name in names] == shown
    assert archived("logs", "large", "--stderr").stdout == errors
    assert archived.json("logs", "large")[0]["stdout"].endswith("line 60000\n")
    assert [run["attempt"] for run in archived.json("logs", "small")] == [1, 2]
    assert "expected one of 1, 2" in archived("logs", "small", "--attempt", "3", code=1).stderr


def test_show_says_where_an_archived_job_is(archived: CommandLine) -> None:
    """It is no job any more, and the refusal names its segment and what still tells of it."""
    let_go(archived)
    [segment] = (archived.db / "archive").iterdir()
    refused = archived("show", "large", code=1)
    assert refused.stderr.count("\n") == 1
    assert f"it was archived in {segment}" in refused.stderr
    assert "`queuectl history large`" in refused.stderr
    assert "`queuectl list` shows those there are" in archived("show", "nobody", code=1).stderr


def test_where_the_segment_is_gone_one_line_says_so(archived: CommandLine, tmp_path: Path) -> None:
    """history, logs and show name the segment that is not there, in one line; back in its place it is read again."""
    let_go(archived)
    [segment] = (archived.db / "archive").iterdir()
    move(segment, tmp_path / segment.name)
    for verb in ("logs", "show", "history"):
        refused = archived(verb, "small", code=1)
        assert refused.stderr.count("\n") == 1
        assert f"000001-*.seg in {archived.db / 'archive'}, which is not there" in refused.stderr
    move(tmp_path / segment.name, segment)
    assert "out 1" in archived("logs", "small").stdout


def test_a_damaged_segment_is_told_in_one_line(archived: CommandLine) -> None:
    """A byte changed in it: logs says which segment, and verify where."""
    let_go(archived)
    [segment] = (archived.db / "archive").iterdir()
    content = bytearray(segment.read_bytes())
    for at in range(300, len(content), 200):
        content[at] ^= 1
    segment.write_bytes(content)
    refused = archived("logs", "large", code=1).stderr
    assert refused.count("\n") == 1
    assert f"cannot read the archive segment {segment}" in refused
    told = archived.json("verify", code=1)
    assert {problem["part"] for problem in told["problems"]} == {"archive"}


def test_logs_of_a_job_that_was_removed_before_are_gone(archived: CommandLine) -> None:
    """What `clear` dropped is not in the archive either; its history is."""
    archived("clear")
    let_go(archived)
    assert "it was removed" in archived("logs", "cleared", code=1).stderr
    assert [event["type"] for event in archived.json("history", "cleared")][-1] == "removed"


def test_an_id_used_again_shows_the_job_of_now(archived: CommandLine) -> None:
    """A live job hides the archived one of its id; history tells both."""
    let_go(archived)
    archived("enqueue", "small", "echo new")
    archived.drain()
    assert [run["stdout"] for run in archived.json("logs", "small")] == ["new\n"]
    assert [event["type"] for event in archived.json("history", "small")].count("enqueued") == 2


def test_a_whole_id_means_the_archived_job(archived: CommandLine) -> None:
    """An archived job's whole id is not taken for the beginning of another's, and --follow of it is refused."""
    let_go(archived)
    archived("enqueue", "small-2", "true")
    assert "out 1" in archived("logs", "small").stdout
    assert archived.json("history", "small")[0]["job"] == "small"
    assert "it was archived in" in archived("show", "small", code=1).stderr
    assert "it was archived in" in archived("cancel", "small", code=1).stderr
    assert "it was archived in" in archived("logs", "small", "--follow", code=1).stderr
    assert archived("logs", "small-").stderr == "small-2 has not run yet; it is pending\n"


def test_an_archive_in_its_own_directory_is_read_as_well(archived: CommandLine, tmp_path: Path) -> None:
    """An archive in a directory of its own is read just as well, by logs and by verify."""
    let_go(archived, "--archive", str(tmp_path / "away"))
    assert "out 1" in archived("logs", "small").stdout
    verified = archived("verify")
    assert "archive: 1 segment" in verified.stdout
    assert "the chain goes through it from the first" in verified.stderr
    assert json.loads(archived("verify", "--json").stdout)["ok"]
