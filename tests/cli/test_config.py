"""config: get, show, set, unset."""

import pytest

from .conftest import CommandLine


@pytest.mark.parametrize("key", ["max_retries", "max-retries", "max_retries_default"])
def test_set(cli: CommandLine, key: str) -> None:
    """A setting is set by any spelling of its key, and counts for jobs enqueued from then on."""
    assert cli("config", "set", key, "5").stdout == "max_retries = 5\n"
    assert cli("config", "get", "max_retries").stdout == "5\n"
    assert cli.json("enqueue", "a", "true")["max_retries"] == 5


def test_timeouts(cli: CommandLine) -> None:
    """The timeout is taken in seconds, or in milliseconds by its other name."""
    cli("config", "set", "job_timeout_sec", "30")
    assert cli("config", "get", "job_timeout_sec").stdout == "30\n"
    cli("config", "set", "timeout_ms", "1500")
    assert cli("config", "get", "job-timeout-sec").stdout == "1.5\n"


def test_milliseconds(cli: CommandLine) -> None:
    """Asked for in milliseconds, the timeout is answered in milliseconds; show says every key's unit."""
    cli("config", "set", "timeout_ms", "1500")
    assert cli("config", "get", "timeout-ms").stdout == "1500\n"
    assert cli.json("config", "get", "timeout_ms") == {"key": "timeout_ms", "value": 1500, "source": "store"}
    shown = {row.split()[0]: row.split()[1:3] for row in cli("config", "show").stdout.splitlines()}
    assert shown["job_timeout_sec"] == ["1.5", "s"]
    assert shown["output_limit_bytes"] == ["10485760", "bytes"]


def test_set_with_a_mistyped_option(cli: CommandLine) -> None:
    """A negative value is a value, an option that is none still a usage error."""
    assert "No such option" in cli("config", "set", "max_retries", "5", "--jsn", code=2).stderr


def test_get_and_unset(cli: CommandLine) -> None:
    """get tells the value and where it is from; unset gives the default back."""
    cli("config", "set", "backoff_base", "1.5", "--reason", "faster")
    assert cli.json("config", "get", "backoff_base") == {"key": "backoff_base", "value": 1.5, "source": "store"}
    assert cli("config", "unset", "backoff_base").stdout == "backoff_base = 2 (default)\n"
    assert cli("config", "get", "backoff_base").stdout == "2\n"
    assert [event["reason"] for event in cli.json("events", "--type", "config_changed")] == ["faster", None]


def test_show(cli: CommandLine) -> None:
    """show, and get without a key, give every setting."""
    cli("config", "set", "lease_s", "60")
    found = cli.json("config", "show")
    assert found == cli.json("config", "get")
    assert found["lease_s"] == {"value": 60, "source": "store"}
    assert found["grace_s"] == {"value": 10, "source": "default"}
    shown = cli("config", "show").stdout
    assert all(key in shown for key in found)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["set", "colour", "red"], "max_retries"),
        (["set", "max_retries", "many"], "whole number"),
        (["set", "max_retries", "1.5"], "whole number"),
        (["set", "max_retries", "nan"], "whole number"),
        (["set", "max_retries", "-1"], "found '-1'; expected a whole number from 0"),
        (["set", "backoff_base", "-.5"], "found '-.5'; expected a number from 0"),
        (["set", "lease_s", "0"], "from 1"),
        (["get", "colour"], "lease_s"),
        (["unset", "colour"], "lease_s"),
    ],
)
def test_refused(cli: CommandLine, words: list[str], says: str) -> None:
    """An unknown key or a bad value is refused with what is good, and nothing changes."""
    cli("config", "set", "max_retries", "5")
    assert says in cli("config", *words, code=1).stderr
    assert cli("config", "get", "max_retries").stdout == "5\n"
