"""doctor: what it prints, and what it exits with."""

from tests.cli.conftest import CommandLine


def test_all_is_well(cli: CommandLine) -> None:
    """A sound queue exits 0, every check told."""
    cli("config", "set", "max_retries", "1")
    told = cli.json("doctor")
    assert {each["state"] for each in told} == {"ok"}
    assert set(told[0]) == {"check", "state", "found", "do"}
    assert cli("doctor").stdout.count("ok ") == len(told)


def test_something_is_wrong(cli: CommandLine) -> None:
    """A finding exits 1 and says what to type."""
    cli("enqueue", "a", "true")
    [found] = [each for each in cli.json("doctor", code=1) if each["state"] != "ok"]
    assert (found["check"], found["do"]) == ("waiting", "queuectl worker start")
    assert "type: queuectl worker start" in cli("doctor", code=1).stdout


def test_no_queue(cli: CommandLine) -> None:
    """Where there is no queue it says how to make one, and makes none."""
    assert "type: queuectl enqueue" in cli("doctor", code=1).stdout
    assert not cli.db.exists()
