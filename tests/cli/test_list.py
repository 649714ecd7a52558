"""list: jobs by state and queue, page by page."""

import pytest

from queuectl import JobRequest, JobState, listing
from queuectl.filtering import Filter

from .conftest import CommandLine


def test_pending_in_running_order(cli: CommandLine) -> None:
    """Pending jobs are listed as they will run: by priority, then first come."""
    for job_id, priority in (("a", "0"), ("b", "10"), ("c", "0")):
        cli("enqueue", job_id, "true", "--priority", priority)
    assert [job["id"] for job in cli.json("list", "--state", "pending")] == ["b", "a", "c"]


def test_state_and_queue(cli: CommandLine) -> None:
    """--state and --queue choose."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    cli("enqueue", "b", "true", "--queue", "mail")
    assert [job["id"] for job in cli.json("list", "--state", "dead")] == ["a"]
    assert [job["id"] for job in cli.json("list", "--queue", "mail")] == ["b"]
    assert cli.json("list", "--state", "failed") == []


def test_pages(cli: CommandLine) -> None:
    """--limit and --after walk through all of them."""
    for job_id in "abc":
        cli("enqueue", job_id, "true")
    pages = [
        cli.json("list", "--state", "pending", "--limit", "2"),
        cli.json("list", "--state", "pending", "--after", "b"),
    ]
    assert [[job["id"] for job in page] for page in pages] == [["a", "b"], ["c"]]


def test_table(cli: CommandLine) -> None:
    """People get the columns that are used, and control characters shown, not sent."""
    cli("enqueue", "a", "echo \x1b[31mred")
    shown = cli("list").stdout
    assert shown.splitlines()[0].split() == ["ID", "STATE", "QUEUE", "WHEN", "COMMAND"]
    assert "\\x1b[31mred" in shown
    assert "\x1b" not in shown


def test_dead_with_code(cli: CommandLine) -> None:
    """The exit code stands with the state."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    assert "dead (1)" in cli("list").stdout


def test_nothing(cli: CommandLine) -> None:
    """No jobs is no error: an empty list, and words on stderr."""
    cli("enqueue", "a", "true")
    said = cli("list", "--state", "dead")
    assert (said.stdout, said.stderr) == ("", "No such jobs.\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--state", "lost"], 2), (["--limit", "-1"], 2), (["--after", "nope"], 1), (["--alter"], 2)],
)
def test_refused(cli: CommandLine, words: list[str], code: int) -> None:
    """A state, a limit or an option that is none is a usage error; an id that no job has is refused."""
    cli("enqueue", "a", "true")
    assert "Error: " in cli("list", *words, code=code).stderr


def test_a_screenful(cli: CommandLine) -> None:
    """People get the first fifty and how to see the rest; --limit 0 and --json give all, page by page."""
    cli("enqueue", "--file", "-", "--lines", text="true\n" * 1050)
    said = cli("list")
    assert len(said.stdout.splitlines()) == 51
    last = said.stdout.splitlines()[-1].split()[0]
    assert said.stderr == f"... and 1,000 more; --limit 0 shows all, --after {last} goes on\n"
    assert cli("list", "--after", last).stderr.startswith("... and more; --limit 0")
    every = cli("list", "--limit", "0")
    assert (len(every.stdout.splitlines()), every.stderr) == (1051, "")
    assert len({job["id"] for job in cli.json("list")}) == 1050
    assert len(cli.json("list", "--state", "pending", "--limit", "600")) == 600


def test_a_screenful_of_one_queue(cli: CommandLine) -> None:
    """How many more there are counts only those of the state and queue asked for; exactly fifty is all."""
    cli("enqueue", "--file", "-", "--lines", "--queue", "mail", text="true\n" * 52)
    cli("enqueue", "--file", "-", "--lines", text="true\n" * 50)
    assert cli("list", "--queue", "mail", "--state", "pending").stderr.startswith("... and 2 more")
    assert cli("list", "--queue", "default").stderr == ""


def test_columns_differ_between_pages(cli: CommandLine) -> None:
    """A page that uses other columns has its own titles."""
    cli("enqueue", "last", "true", "--priority", "5")
    cli("enqueue", "--file", "-", "--lines", text="true\n" * 500)
    titles = [line.split() for line in cli("list", "--limit", "0").stdout.splitlines() if line.startswith("ID")]
    assert titles == [["ID", "STATE", "QUEUE", *rest] for rest in (["WHEN", "COMMAND"], ["PRIO", "WHEN", "COMMAND"])]


def test_a_job_removed_between_transactions(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list goes on where it was though the job that it had come to has been removed."""
    monkeypatch.setattr(listing, "LOOKED_AT", 2)
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true", id=f"j{n}") for n in range(5)])
        found = queue.each_job(Filter())
        assert [next(found).id, next(found).id] == ["j4", "j3"]
        queue.cancel("j3")
        queue.clear(state=JobState.CANCELLED)
        assert [job.id for job in found] == ["j2", "j1", "j0"]
