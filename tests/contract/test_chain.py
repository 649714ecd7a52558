"""The hash chain of the log: each batch's last event keeps the digest of all before it."""

from hashlib import sha256
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.events.append import Append
from queuectl.events.codec import encode
from queuectl.events.hash_chain import GENESIS, kept_by, link
from queuectl.events.types import NEW_STREAM, Enqueued, JobSpec, Recorded
from queuectl.store.event_reader import EventReader
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import Row, Store, key_of

JOB = Enqueued(JobSpec("job1", "true"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "q", create=True)


def append(store: Store, *counts: int) -> None:
    """Append batches of so many jobs, each in a transaction of its own."""
    for count in counts:
        with store.write() as txn:
            EventWriter(txn).append([Append(NEW_STREAM, 0, (JOB,))] * count, at_us=1, actor="tester")


def rows(store: Store) -> list[Row]:
    with store.read() as txn:
        return list(txn.scan("log"))


def test_the_digest_is_that_of_all_stored_bytes(store: Store) -> None:
    """SHA-256 of the digest before and the bytes of the event, from 32 zero bytes on."""
    append(store, 1, 3, 2)
    expected = bytes(32)
    for _, value in rows(store):
        expected = sha256(expected + value).digest()
    with store.read() as txn:
        assert EventReader(txn).digest() == expected


def test_the_last_event_of_each_batch_keeps_the_digest_before_it(store: Store) -> None:
    """And no other does, so that a batch of thousands pays for one."""
    append(store, 1, 3, 2)
    digest, kept = GENESIS, {}
    for key, value in rows(store):
        if (found := kept_by(key, value)) is not None:
            assert found == digest
            kept[int.from_bytes(key, "big")] = found
        digest = link(digest, value)
    assert list(kept) == [1, 4, 6]


def test_two_batches_in_one_transaction_are_chained(store: Store) -> None:
    """What is appended later in a transaction goes on from what was appended before."""
    with store.write() as txn:
        log = EventWriter(txn)
        for _ in range(3):
            log.append([Append(NEW_STREAM, 0, (JOB,))], at_us=1, actor="tester")
        once = log.digest()
    with store.read() as txn:
        assert EventReader(txn).digest() == once


def test_a_log_of_a_release_without_a_chain_is_chained_from_its_next_event_on(store: Store) -> None:
    """Events that keep no digest count in the chain all the same."""
    old = [(key_of(n), encode(Recorded(n, 1, n, 0, "old", JOB), key_of(n))) for n in (1, 2, 3)]
    with store.write() as txn:
        txn.append("log", old)
    append(store, 1)
    digest = GENESIS
    for _, value in old:
        digest = link(digest, value)
    assert kept_by(*rows(store)[-1]) == digest


def test_events_say_which_run_they_came_from(tmp_path: Path) -> None:
    """What a command does to its own queue names the claim that it runs under; what is no claim is no cause."""
    with Queue.open(tmp_path / "q", cause=0) as queue:
        queue.enqueue("true", id="parent")
        [job] = queue.worker("w1").claim()
        assert job.lease is not None
        token = job.lease.token
    with Queue.open(tmp_path / "q", cause=token) as queue:
        queue.enqueue("true", id="child")
        assert queue.history("child")[0].cause == token
    with Queue.open(tmp_path / "q", cause=1) as queue:
        queue.enqueue("true", id="orphan")
        assert queue.history("orphan")[0].cause == 0
