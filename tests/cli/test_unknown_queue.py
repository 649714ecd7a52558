"""The name of a queue with a slip in it is told by every verb that takes one to look for, and changes no exit code."""

import json
import signal

import pytest

from tests.waiting import wait_until

from .conftest import CommandLine

TOLD = "There is no queue mial: it has no jobs, and no worker names it; did you mean mail?"

VERBS = [
    "retry --yes",
    "cancel --yes",
    "clear",
    "remove --yes",
    "dlq retry --yes",
    "dlq purge --yes",
    "dlq list",
    "status",
    "list",
    "wait",
    "worker list",
    "events",
]

_WAITS = {"wait": ("--timeout", "10ms")}


@pytest.fixture
def queued(cli: CommandLine) -> CommandLine:
    cli("enqueue", "a", "true", "--queue", "mail")
    return cli


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("verb", VERBS)
def test_a_slip_is_told(queued: CommandLine, verb: str, as_json: bool) -> None:
    """Of a queue there is not a line on stderr says so, with the one that comes near; stdout is as ever."""
    done = queued(*verb.split(), "--queue", "mial", *["--json"] * as_json)
    assert done.stderr.count(TOLD) == 1
    assert not as_json or json.loads(done.stdout) is not None


@pytest.mark.parametrize("verb", VERBS)
def test_a_queue_there_is_passes(queued: CommandLine, verb: str) -> None:
    """The default queue, and one with a job in any state, are known."""
    for name in ("default", "mail"):
        assert (
            "There is no queue" not in queued(*verb.split(), "--queue", name, *_WAITS.get(verb, ()), code=None).stderr
        )


def test_what_a_worker_serves_is_known(queued: CommandLine) -> None:
    """A queue without jobs that a worker names is there, also as what comes near."""
    worker = queued.spawn("worker", "start", "--queue", "press")
    wait_until(lambda: queued.json("worker", "list"))
    assert "There is no queue" not in queued("status", "-q", "press").stderr
    assert queued("status", "-q", "pres").stderr.endswith("did you mean press?\n")
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=20)


def test_nothing_comes_near(queued: CommandLine) -> None:
    """Where no name is like what was typed, the line says who names those there are."""
    told = queued("list", "--queue", "printing").stderr
    assert told == (
        "There is no queue printing: it has no jobs, and no worker names it; `queuectl status` names those that have\n"
    )


def test_the_past_is_asked_too(queued: CommandLine) -> None:
    """A queue that had jobs at the moment asked for is known then, and no longer now."""
    queued("cancel", "a")
    head = str(queued.json("status")["head"])
    queued("remove", "a")
    for verb in ("status", "list", "dlq list"):
        assert "There is no queue" not in queued(*verb.split(), "-q", "mail", "--as-of", head).stderr
        assert "There is no queue mail" in queued(*verb.split(), "-q", "mail").stderr
