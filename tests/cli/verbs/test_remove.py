"""remove: ended jobs by their ids, or by what is said of them."""

from tests.cli.conftest import CommandLine


def ended(cli: CommandLine) -> CommandLine:
    """Let a be completed, b dead, c cancelled, and d wait."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    cli("enqueue", "b", "true", "--max-retries", "0")
    cli.kill("b")
    for job_id in "cd":
        cli("enqueue", job_id, "true")
    cli("cancel", "c")
    return cli


def test_any_ended_job_goes_by_its_id(cli: CommandLine) -> None:
    """Any ended job goes by its id, whatever its state; its history stays with the reason."""
    ended(cli)
    assert cli("remove", "a", "b", "c", "--reason", "tidy").stdout == "Removed 3 jobs\n"
    assert [job["id"] for job in cli.json("list")] == ["d"]
    assert [cli.json("history", job_id)[-1]["reason"] for job_id in "abc"] == ["tidy"] * 3


def test_one_refused(cli: CommandLine) -> None:
    """One that has not ended is refused with what to do first, and the others go all the same."""
    ended(cli)
    done = cli("remove", "d", "a", code=1)
    assert done.stdout == "Removed a\n"
    assert (
        "cannot remove 'd': it is pending; it waits to be run, `queuectl why` says for what; or cancel it first"
        in done.stderr
    )
    assert cli.json("remove", "b") == {"ids": ["b"], "left": 0, "refused": []}


def test_by_filter(cli: CommandLine) -> None:
    """Those that a filter means are told by --dry-run, and go with --yes; without a terminal nobody is asked."""
    ended(cli)
    assert cli("remove", "--match", "true", "--dry-run").stdout.splitlines()[0] == "Would remove 3 jobs"
    assert "--yes" in cli("remove", "--match", "true", code=1).stderr
    assert cli.json("remove", "--state", "dead", "--state", "cancelled", "--dry-run")["ids"] == ["c", "b"]
    assert cli.json("remove", "--match", "true", "--yes")["ids"] == ["c", "b", "a"]
    assert [job["id"] for job in cli.json("list")] == ["d"]


def test_wrong_shape(cli: CommandLine) -> None:
    """Neither names nor a filter, or both, is a usage error."""
    ended(cli)
    cli("remove", code=2)
    cli("remove", "a", "--state", "dead", code=2)
    assert len(cli.json("list")) == 4
