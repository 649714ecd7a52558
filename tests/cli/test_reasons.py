"""Every verb that changes something takes --reason, keeps it in each of its events, and history shows it."""

import os
import subprocess

import pytest

from .conftest import CommandLine

WHY = "since \x1b[31mann said so"

CHANGES = {
    "enqueue new true": "enqueued",
    "run true": "enqueued",
    "cancel waiting": "cancelled",
    "retry done": "requeued",
    "dlq retry dead": "requeued",
    "dlq retry --all": "requeued",
    "dlq purge dead": "removed",
    "dlq purge --all": "removed",
    "clear": "removed",
    "config set max_retries 5": "config_changed",
    "config unset lease_s": "config_changed",
    "worker stop": "worker_stopping",
    "worker start --drain": "worker_started",
}


@pytest.fixture
def lived(cli: CommandLine) -> CommandLine:
    """Return a queue with a job in each state that something can be done to, a worker and a setting."""
    cli("config", "set", "lease_s", "20")
    with cli.queue() as queue:
        queue.worker("w").started(host="elsewhere", pid=1, slots=1)
    cli("enqueue", "done", "true")
    cli.complete("done")
    cli("enqueue", "dead", "true", "--max-retries", "0")
    cli.kill("dead")
    cli("enqueue", "waiting", "true")
    return cli


@pytest.mark.sampled(2)
@pytest.mark.parametrize("words", CHANGES)
def test_a_reason_is_kept_and_shown(lived: CommandLine, words: str) -> None:
    """The reason given stands in the event, and events shows it with its control characters made visible."""
    kind = CHANGES[words]
    before = lived.json("events")[-1]["position"]
    done = lived.process(*words.split(), "--reason", WHY)
    assert done.returncode == 0, done.stderr
    found = [each for each in lived.json("events", "--since", str(before + 1)) if each["type"] == kind]
    assert found
    assert {each["reason"] for each in found} == {WHY}
    assert "because: since \\x1b[31mann said so" in lived("events", "--type", kind).stdout


def test_a_dead_worker_leaves_the_list_for_a_reason(lived: CommandLine) -> None:
    """Stopping a worker that is found dead keeps the reason too."""
    with lived.queue() as queue:
        queue.worker("gone").started(host=os.uname().nodename, pid=dead_pid(), slots=1)
    assert "off the list" in lived("worker", "stop", "gone", "--reason", WHY).stdout
    stopped = lived.json("events", "--type", "worker_stopped")[-1]
    assert (stopped["stream"], stopped["reason"]) == ("worker:gone", WHY)


def dead_pid() -> int:
    """Return the id of a process that is no more."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def test_a_reason_that_the_log_cannot_keep_is_refused(lived: CommandLine) -> None:
    """A reason of more than 1,000 characters is refused, and nothing is done."""
    head = lived.json("status")["head"]
    assert "reason: found 1,001 characters" in lived("cancel", "waiting", "--reason", "x" * 1001, code=2).stderr
    assert lived.json("status")["head"] == head
