"""show: one job in full."""

from queuectl.cli.output.format import moment
from tests.cli.conftest import CommandLine
from tests.waiting import wait_until


def test_details_are_keys_and_values_without_empty_ones(cli: CommandLine) -> None:
    """A job's details are shown as keys and values, empty ones left out."""
    cli("enqueue", "a", "--max-retries", "0", "--env", "X=1", "--", "false", "a b")
    cli.kill("a", "it broke\nbadly")
    shown = dict(line.split(None, 1) for line in cli("show", "a").stdout.splitlines())
    assert shown["command"] == "false 'a b'"
    assert shown["state"] == "dead (1)"
    assert shown["attempts"] == "1 of 1"
    assert "it broke\\nbadly" in shown["last"]
    assert "signal" not in shown


def test_json_tells_how_the_last_run_ended(cli: CommandLine) -> None:
    """--json tells how the last run ended."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a", "it broke")
    job = cli.json("show", "a")
    assert (job["state"], job["attempts"], job["return_code"], job["last_error"]) == ("dead", 1, 1, "it broke")
    assert (job["worker_id"], job["duration_ms"], job["signal"]) == ("w", 12, None)
    assert job["finished_at"] >= job["started_at"] >= job["created_at"]


def test_a_job_that_is_not_there_is_refused(cli: CommandLine) -> None:
    """A job that is not there is refused, and one that was removed is told apart."""
    cli("enqueue", "a", "true")
    assert "no job 'b'" in cli("show", "b", code=1).stderr
    cli.complete("a")
    cli("clear")
    assert "queuectl history a" in cli("show", "a", code=1).stderr


def test_what_has_ended_is_not_due(cli: CommandLine) -> None:
    """When a job is due is told as long as it is to run: not once it has ended, also after it was retried."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    cli("retry", "a")
    assert "\ndue " in cli("show", "a").stdout
    cli.complete("a")
    assert "\ndue " not in cli("show", "a").stdout


def test_a_run_that_goes_on(cli: CommandLine) -> None:
    """Of a second attempt it is said since when it runs, and how the first ended is not told as if it were now."""
    cli("enqueue", "a", "true", "--backoff-base", "0")
    cli.kill("a", "exit code 1: it broke")
    with cli.queue() as queue:
        wait_until(lambda: bool(queue.worker("w2").claim()))
        claimed = cli("show", "a").stdout
        job = queue.worker("w2").start(queue.job("a"))
    shown = dict(line.split("  ", 1) for line in cli("show", "a").stdout.splitlines())
    started = moment(job.started_at_us)
    assert shown["state"].strip() == f"processing, since {started}"
    assert shown["last run"].strip() == "ended in 12ms on w: exit code 1: it broke"
    assert (shown["started"].strip(), shown["worker"].strip()) == (started, "w2")
    assert not {"exit code", "took", "last error", "signal", "finished"} & set(shown)
    assert "started" not in claimed
    assert "since" not in claimed


def test_one_that_is_not_there_costs_the_others_nothing(cli: CommandLine) -> None:
    """Several are shown one after the other, a list in JSON; one that is not there costs the others nothing."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "false")
    first, second = cli("show", "a", "b").stdout.split("\n\n")
    assert ("id         a" in first, "command    false" in second) == (True, True)
    assert [job["id"] for job in cli.json("show", "b", "a")] == ["b", "a"]
    assert cli.json("show", "a")["id"] == "a"
    done = cli("show", "a", "nope", "b", code=1)
    assert "no job 'nope'" in done.stderr
    assert len(done.stdout.split("\n\n")) == 2
    assert [job["id"] for job in cli.json("show", "a", "nope", code=1)] == ["a"]
