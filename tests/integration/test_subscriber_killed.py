"""A subscriber in a process of its own, killed again and again: no event is skipped, whatever comes twice."""

import random
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from queuectl import JobRequest, Queue
from tests.depth import tries
from tests.processes import cpu_s
from tests.waiting import wait_until

ROUNDS = tries(12)

SUBSCRIBER = """
import os, sys, time
from queuectl import Queue
sink = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
with Queue.open(sys.argv[1]) as queue:
    for batch in queue.subscribe("mirror"):
        for each in batch:
            os.write(sink, b"%d\\n" % each.position)
            time.sleep(0.0001)  # so that most kills come in the middle of a batch
"""


def test_every_event_is_delivered_through_any_number_of_kills(tmp_path: Path) -> None:
    """Killed with -9 at random moments while the log grows, a subscriber has seen every event in the end.

    Each of its lives begins where the last acknowledged batch ended or before, never behind.
    """
    chance, sink, subscriber = random.Random(4), tmp_path / "seen.txt", None
    sink.touch()
    with Queue.open(tmp_path / "queue") as queue:
        for _ in range(ROUNDS):
            written = sink.stat().st_size
            queue.enqueue_many([JobRequest("true")] * chance.choice([1, 40, 1500]))
            subscriber = start(queue.path, sink)
            wait_until(lambda: sink.stat().st_size > written)  # noqa: B023 - it is waited for here
            with suppress(subprocess.TimeoutExpired):
                subscriber.wait(chance.uniform(0, 0.3))
            subscriber.kill()
            subscriber.wait()
            (at,) = queue.log.subscriptions()
            assert set(range(1, at.position + 1)) <= set(seen(sink))
        subscriber = start(queue.path, sink)
        try:
            wait_until(lambda: queue.log.subscriptions()[0].lag == 0)
        finally:
            subscriber.kill()
            subscriber.wait()
        found = seen(sink)
        assert set(found) == set(range(1, queue.log.head() + 1))
        for before, after in pairwise(found):
            assert after <= before + 1  # a life may begin with what came before, and never leaves anything out


def test_of_two_readers_of_a_name_one_goes_on(tmp_path: Path) -> None:
    """Two processes that read one name are found out: one is refused and ends, and every event was delivered."""
    sinks = [tmp_path / "one.txt", tmp_path / "two.txt"]
    with Queue.open(tmp_path / "queue") as queue:
        queue.enqueue("true")
        readers = [start(queue.path, sink, stderr=subprocess.PIPE) for sink in sinks]
        try:
            wait_until(lambda: queue.enqueue("true") and any(reader.poll() is not None for reader in readers))
            wait_until(lambda: queue.log.subscriptions()[0].lag == 0)
        finally:
            for reader in readers:
                reader.kill()
            told = [reader.communicate()[1].decode() for reader in readers]
        (refused,) = [text for text, reader in zip(told, readers, strict=True) if reader.returncode == 1]
        assert "CheckpointMoved: cannot move subscription 'mirror' on from position" in refused
        assert {position for sink in sinks for position in seen(sink)} == set(range(1, queue.log.head() + 1))


@pytest.mark.slow
def test_waiting_costs_next_to_nothing(tmp_path: Path) -> None:
    """A subscriber that waits at the end of the log uses a few thousandths of a processor."""
    sink = tmp_path / "seen.txt"
    sink.touch()
    with Queue.open(tmp_path / "queue") as queue:
        queue.enqueue("true")
        subscriber = start(queue.path, sink)
        try:
            wait_until(lambda: queue.log.subscriptions() and queue.log.subscriptions()[0].lag == 0)
            before, begun = cpu_s(subscriber.pid), time.monotonic()
            wait_until(lambda: time.monotonic() - begun > 2)
            share = (cpu_s(subscriber.pid) - before) / (time.monotonic() - begun)
        finally:
            subscriber.kill()
            subscriber.wait()
    assert share < 0.05


def start(path: Path, sink: Path, **options: Any) -> "subprocess.Popen[bytes]":
    """Begin a life of the subscriber."""
    return subprocess.Popen([sys.executable, "-c", SUBSCRIBER, str(path), str(sink)], **options)


def seen(sink: Path) -> list[int]:
    """Return the positions delivered, in the order in which they came."""
    return [int(line) for line in sink.read_text().split()]
