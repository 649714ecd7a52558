"""dlq: list, show, retry and purge what died."""

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.terminal import Terminal


@pytest.fixture
def dead(cli: CommandLine) -> CommandLine:
    """Return a queue where a and b are dead and c is pending."""
    for job_id in "ab":
        cli("enqueue", job_id, "true", "--max-retries", "0")
        cli.kill(job_id, f"{job_id} broke")
    cli("enqueue", "c", "true")
    return cli


def test_the_last_to_die_comes_first(dead: CommandLine) -> None:
    """The last to die comes first, with its error."""
    assert [job["id"] for job in dead.json("dlq", "list")] == ["b", "a"]
    lines = dead("dlq", "list").stdout.splitlines()
    assert lines[0].endswith("LAST ERROR")
    assert lines[1].endswith("b broke")
    assert len(dead.json("dlq", "list", "--limit", "1")) == 1


CAUSE = "rsync: connection unexpectedly closed (0 bytes received so far) [sender]: Permission denied (13)"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_cause_can_be_read(cli: CommandLine, columns: int) -> None:
    """Where a line has no room for a long error it stands under its job, with both its ends at any width."""
    cli("enqueue", "backup", "rsync -a here there:/backup", "--max-retries", "0")
    cli.kill("backup", f"exit code 1: {CAUSE}")
    with Terminal(cli, "dlq", "list", columns=columns) as terminal:
        assert terminal.end() == 0
        titles, row, below = filter(None, terminal.text().splitlines())
    assert "LAST ERROR" not in titles
    assert row.split()[0] == "backup"
    assert below.startswith("    ")
    assert below.startswith("    rsync: conn")
    assert below.endswith("denied (13)")
    assert len(below) <= columns
    assert (below.strip() == CAUSE) == (columns == 120)


def test_a_short_cause_stands_beside(cli: CommandLine) -> None:
    """An error that fits stands in the job's line, without the exit code that the state has, and is not cut."""
    cli("enqueue", "upload", "curl --fail --upload-file archive.tar.gz https://example.org/", "--max-retries", "0")
    cli.kill("upload", "exit code 1: no such host")
    with Terminal(cli, "dlq", "list", columns=80) as terminal:
        assert terminal.end() == 0
        titles, row = filter(None, terminal.text().splitlines())
    assert titles.endswith("LAST ERROR")
    assert row.endswith("  no such host")
    assert cli("dlq", "list").stdout.splitlines()[1].endswith("https://example.org/  no such host")


def test_list_nothing(cli: CommandLine) -> None:
    """None dead is no error."""
    cli("enqueue", "c", "true")
    assert cli("dlq", "list").stderr == "No dead jobs.\n"
    assert cli.json("dlq", "list") == []


def test_a_dead_job_is_shown_and_one_that_lives_refused(dead: CommandLine) -> None:
    """A dead job is shown in full; one that lives is refused."""
    assert "a broke" in dead("dlq", "show", "a").stdout
    assert dead.json("dlq", "show", "a")["state"] == "dead"
    assert "it is pending" in dead("dlq", "show", "c", code=1).stderr


def test_show_several(dead: CommandLine) -> None:
    """Several are shown, a list in JSON; one that lives is refused and costs the others nothing."""
    assert [job["id"] for job in dead.json("dlq", "show", "b", "a")] == ["b", "a"]
    done = dead("dlq", "show", "a", "c", "b", code=1)
    assert "it is pending" in done.stderr
    assert ("a broke" in done.stdout, "b broke" in done.stdout) == (True, True)


def test_a_retried_job_is_pending_with_no_attempts(dead: CommandLine) -> None:
    """A retried job is pending with 0 attempts, and the log says why."""
    assert dead("dlq", "retry", "a", "--reason", "fixed").stdout == "Requeued a\n"
    job = dead.json("show", "a")
    assert (job["state"], job["attempts"]) == ("pending", 0)
    assert dead.json("history", "a")[-1]["reason"] == "fixed"


def test_retry_all(dead: CommandLine) -> None:
    """--all retries every dead job, and none is no error."""
    assert sorted(dead.json("dlq", "retry", "--all")["ids"]) == ["a", "b"]
    assert dead("dlq", "retry", "--all").stdout == "Requeued 0 jobs\n"


def test_retry_is_all_or_none(dead: CommandLine) -> None:
    """One that is not dead, or not there, refuses the rest too."""
    assert "it is pending" in dead("dlq", "retry", "a", "c", code=1).stderr
    dead("dlq", "retry", "a", "zzz", code=1)
    assert dead.json("show", "a")["state"] == "dead"


def test_a_purged_job_s_history_stays(dead: CommandLine) -> None:
    """A purged job leaves the views; its history stays."""
    assert dead("dlq", "purge", "a").stdout == "Purged a\n"
    dead("show", "a", code=1)
    assert dead.json("history", "a")[-1]["type"] == "removed"
    assert dead("dlq", "purge", "--all").stdout == "Purged b\n"
    assert [job["id"] for job in dead.json("list")] == ["c"]


@pytest.mark.parametrize("verb", ["retry", "purge"])
@pytest.mark.parametrize("words", [[], ["a", "--all"]])
def test_wrong_shape(dead: CommandLine, verb: str, words: list[str]) -> None:
    """Neither names nor --all, or both, is a usage error and changes nothing."""
    assert "--all" in dead("dlq", verb, *words, code=2).stderr
    assert len(dead.json("dlq", "list")) == 2


@pytest.mark.parametrize(
    ("verb", "says"),
    [
        (
            "purge",
            "cannot purge 'd': it is completed; it is not in the dead letter queue; `queuectl clear",
        ),
        ("retry", "cannot retry 'd': it is completed; it is not in the dead letter queue; `queuectl retry d` runs it"),
    ],
)
def test_refused_in_the_word_typed(dead: CommandLine, verb: str, says: str) -> None:
    """A job that is not dead is refused in the verb that was typed, with the one that does it."""
    dead("enqueue", "d", "true", "--priority", "9")
    dead.complete("d")
    assert dead("dlq", verb, "d", code=1).stderr.startswith(f"Error: {says}")
    assert dead.json("show", "d")["state"] == "completed"
    assert "`queuectl cancel c`" in dead("dlq", "purge", "c", code=1).stderr


def test_list_of_one_queue(cli: CommandLine) -> None:
    """--queue lists the dead of that queue alone; a name that none can have is refused."""
    cli("enqueue", "a", "true", "--max-retries", "0", "--queue", "mail")
    cli("enqueue", "b", "true", "--max-retries", "0")
    cli.kill("a")
    cli.kill("b")
    assert [job["id"] for job in cli.json("dlq", "list", "-q", "mail")] == ["a"]
    assert "b" not in cli("dlq", "list", "--queue", "mail").stdout.split()
    cli("dlq", "list", "-q", "a b", code=2)
