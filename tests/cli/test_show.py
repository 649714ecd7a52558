"""show: one job in full."""

from .conftest import CommandLine


def test_show(cli: CommandLine) -> None:
    """A job's details are shown as keys and values, empty ones left out."""
    cli("enqueue", "a", "--max-retries", "0", "--env", "X=1", "--", "false", "a b")
    cli.kill("a", "it broke\nbadly")
    shown = dict(line.split(None, 1) for line in cli("show", "a").stdout.splitlines())
    assert shown["command"] == "false 'a b'"
    assert shown["state"] == "dead (1)"
    assert shown["attempts"] == "1 of 1"
    assert "it broke\\nbadly" in shown["last"]
    assert "signal" not in shown


def test_json(cli: CommandLine) -> None:
    """--json tells how the last run ended."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a", "it broke")
    job = cli.json("show", "a")
    assert (job["state"], job["attempts"], job["return_code"], job["last_error"]) == ("dead", 1, 1, "it broke")
    assert (job["worker_id"], job["duration_ms"], job["signal"]) == ("w", 12, None)
    assert job["finished_at"] >= job["started_at"] >= job["created_at"]


def test_unknown(cli: CommandLine) -> None:
    """A job that is not there is refused, and one that was removed is told apart."""
    cli("enqueue", "a", "true")
    assert "no job 'b'" in cli("show", "b", code=1).stderr
    cli.complete("a")
    cli("clear")
    assert "queuectl history a" in cli("show", "a", code=1).stderr
