"""config: get, show, set, unset."""

import sys

import pytest

from queuectl.core.settings import KEYS
from tests.cli.conftest import CommandLine


@pytest.mark.parametrize("key", ["max_retries", "max-retries", "max_retries_default"])
def test_a_setting_is_set_by_any_spelling_of_its_key(cli: CommandLine, key: str) -> None:
    """A setting is set by any spelling of its key, and counts for jobs enqueued from then on."""
    assert cli("config", "set", key, "5").stdout == "max_retries = 5\n"
    assert cli("config", "get", "max_retries").stdout == "5\n"
    assert cli.json("enqueue", "a", "true")["max_retries"] == 5


def test_the_time_limit_is_taken_in_seconds_or_milliseconds(cli: CommandLine) -> None:
    """The timeout is taken in seconds, or in milliseconds by its other name."""
    cli("config", "set", "job_timeout_s", "30")
    assert cli("config", "get", "job_timeout_s").stdout == "30\n"
    cli("config", "set", "timeout_ms", "1500")
    assert cli("config", "get", "job-timeout-sec").stdout == "1.5\n"


def test_the_time_limit_is_answered_in_the_unit_asked_for(cli: CommandLine) -> None:
    """Asked for in milliseconds, the timeout is answered in milliseconds; show says every key's unit."""
    cli("config", "set", "timeout_ms", "1500")
    assert cli("config", "get", "timeout-ms").stdout == "1500\n"
    assert cli.json("config", "get", "timeout_ms") == {"key": "timeout_ms", "value": 1500, "source": "store"}
    shown = {row.split()[0]: row.split()[1:3] for row in cli("config", "show").stdout.splitlines()}
    assert shown["job_timeout_s"] == ["1.5", "s"]
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


def test_show_and_get_have_every_setting(cli: CommandLine) -> None:
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
def test_a_wrong_setting_is_refused_and_changes_nothing(cli: CommandLine, words: list[str], says: str) -> None:
    """An unknown key or a bad value is refused with what is good, and nothing changes."""
    cli("config", "set", "max_retries", "5")
    assert says in cli("config", *words, code=2).stderr
    assert cli("config", "get", "max_retries").stdout == "5\n"


def test_the_environment_counts_before_the_store(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of this process counts before the store, an option before both; show names the variable."""
    cli("config", "set", "max_retries", "5")
    monkeypatch.setenv("QUEUECTL_MAX_RETRIES", "7")
    assert cli.json("enqueue", "a", "true")["max_retries"] == 7
    assert cli.json("enqueue", "b", "true", "--max-retries", "1")["max_retries"] == 1
    found = cli.json("config", "show")
    assert found["max_retries"] == {"value": 7, "source": "environment", "variable": "QUEUECTL_MAX_RETRIES"}
    rows = {row.split()[0]: row for row in cli("config", "show").stdout.splitlines()}
    assert "environment QUEUECTL_MAX_RETRIES" in rows["max_retries"]
    assert "QUEUECTL_MAX_RETRIES=7 counts before it" in cli("config", "set", "max_retries", "6").stderr
    monkeypatch.setenv("QUEUECTL_MAX_RETRIES", "")
    assert cli.json("config", "get", "max_retries") == {"key": "max_retries", "value": 6, "source": "store"}


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_a_variable(cli: CommandLine, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Each key can come from the environment."""
    least = max(KEYS[key].minimum, 0)
    cli("config", "set", key, f"{least}")
    monkeypatch.setenv(f"QUEUECTL_{key.upper()}", f"{least + 1}")
    assert cli("config", "get", key).stdout == f"{least + 1}\n"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("words", ["enqueue b true", "config show", "worker start --drain", "config get lease_s"])
def test_a_bad_variable(cli: CommandLine, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """What needs a setting refuses a bad one of the environment in one line that names it; the rest works on."""
    cli("config", "set", "lease_s", "5")
    monkeypatch.setenv("QUEUECTL_MAX_RETRIES", "many")
    told = cli.process(*words.split())
    assert told.returncode == 2
    (line,) = told.stderr.splitlines()
    assert "environment variable QUEUECTL_MAX_RETRIES: found 'many'; expected a whole number" in line
    assert cli("status")
    assert cli.json("list") == []


def test_commands_do_not_inherit_a_workers_settings(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job enqueues takes the queue's settings, whatever its worker was started with, or what the job brings."""
    shell_line = f"{sys.executable} -m queuectl enqueue {{}} true"
    cli("enqueue", "outer", shell_line.format("inner"))
    cli("enqueue", "other", shell_line.format("own"), "--env", "QUEUECTL_MAX_RETRIES=1")
    monkeypatch.setenv("QUEUECTL_MAX_RETRIES", "0")
    cli.drain()
    assert [cli.json("show", each)["max_retries"] for each in ("inner", "own")] == [3, 1]


def test_a_worker_takes_its_own_settings(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the worker comes from the worker's environment."""
    cli("enqueue", "a", "seq 1 2000")
    monkeypatch.setenv("QUEUECTL_OUTPUT_LIMIT_BYTES", "2000")
    cli.drain()
    assert len(cli("logs", "a").stdout) < 4000


@pytest.mark.parametrize("shell", ["/no/such", "nosuchshell -e"])
def test_a_shell_that_is_not_here(cli: CommandLine, shell: str) -> None:
    """A shell that is not found here is warned of and set all the same: a worker may have another PATH."""
    done = cli("config", "set", "shell", shell)
    assert done.stdout == f"shell = {shell}\n"
    assert f"There is no program {shell.split()[0]!r} here" in done.stderr
    assert not cli("config", "set", "shell", "sh -e").stderr
