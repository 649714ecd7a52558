"""retry: run jobs again now."""

from tests.cli.conftest import CommandLine


def test_a_completed_job_runs_again(cli: CommandLine) -> None:
    """A completed job runs again, with the reason in the log."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    assert cli("retry", "a", "--reason", "again").stdout == "Requeued a\n"
    assert cli.json("show", "a")["state"] == "pending"
    assert cli.json("history", "a")[-1]["reason"] == "again"


def test_some_refused(cli: CommandLine) -> None:
    """A refusal is told, the others are retried all the same, and the exit code is 1."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    cli("enqueue", "b", "true")
    said = cli("retry", "nope", "b", "a", code=1)
    assert said.stdout == "Requeued a\n"
    assert [line[:6] for line in said.stderr.splitlines()] == ["Error:", "Error:"]


def test_json_has_the_jobs_that_were_retried(cli: CommandLine) -> None:
    """--json gives the jobs that were retried."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    assert [job["state"] for job in cli.json("retry", "a")] == ["pending"]
    cli("retry", code=2)


def test_only_what_has_ended_is_edited_to_run_again(cli: CommandLine) -> None:
    """`retry --edit` of a job that waits says that `edit` is for that."""
    cli("enqueue", "waits", "true")
    assert "`queuectl edit waits` changes one that waits" in cli("retry", "--edit", "waits", code=1).stderr
