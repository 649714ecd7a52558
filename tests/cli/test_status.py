"""status: the counts, for people and for programs."""

import json
import os
import re

from .conftest import CommandLine


def test_json(cli: CommandLine) -> None:
    """--json has the contract's keys, with a count for each state, of all and of each queue."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "true", "--queue", "mail")
    found = cli.json("status")
    zero = dict.fromkeys(("pending", "processing", "completed", "failed", "dead", "cancelled"), 0)
    assert found["jobs"] == zero | {"pending": 2}
    assert found["queues"] == {"default": zero | {"pending": 1}, "mail": zero | {"pending": 1}}
    assert (found["active_workers"], found["head"]) == (0, 2)
    assert found["oldest_pending_s"] >= 0


def test_text(cli: CommandLine) -> None:
    """People see each state's count, the queues where there are several, and what to do."""
    cli("enqueue", "a", "true", "--max-retries", "0")
    cli.kill("a")
    cli("enqueue", "b", "true", "--queue", "mail")
    shown = cli("status").stdout
    assert re.search(r"dead +1  see: queuectl dlq list", shown)
    assert "mail" in shown
    assert "queuectl worker start" in shown
    assert "\x1b" not in shown


def test_workers(cli: CommandLine) -> None:
    """Workers are named with how busy they are."""
    with cli.queue() as queue:
        queue.worker_started("w1", host=os.uname().nodename, pid=os.getpid(), slots=4)
        queue.enqueue("true")
        queue.claim("w1")
    assert "w1  running, 1 of 4 slots busy" in cli("status").stdout
    assert cli.json("status")["active_workers"] == 1


def test_watch_follows(cli: CommandLine) -> None:
    """--watch --json prints a line now, and another when something happened."""
    cli("enqueue", "a", "true")
    watching = cli.spawn("status", "--watch", "--json")
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["jobs"]["pending"] == 1
    cli("enqueue", "b", "true")
    assert json.loads(watching.stdout.readline())["jobs"]["pending"] == 2
    watching.terminate()
    watching.communicate(timeout=10)
