"""The hash chain of the log: each event whose position is a multiple of 16 keeps the digest of all before it."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.errors import CorruptLog
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


def kept(store: Store) -> dict[int, bytes]:
    """Return the digests that events keep, by position."""
    return {int.from_bytes(key, "big"): found for key, value in rows(store) if (found := kept_by(key, value))}


def test_each_event_at_a_multiple_of_16_keeps_the_digest_before_it(store: Store) -> None:
    """And no other does, wherever batches end; at each position the digest is that of all up to there."""
    append(store, 1, 3, 12, 40, 2)
    digests = [GENESIS]
    for _, value in rows(store):
        digests.append(link(digests[-1], value))
    assert kept(store) == {position: digests[position - 1] for position in (16, 32, 48)}
    with store.read() as txn:
        assert [EventReader(txn).digest(position) for position in range(59)] == digests


def test_at_most_15_events_are_read_back(store: Store) -> None:
    """What comes before the last event that keeps the digest need not be there to know the digest at the head."""
    append(store, 31)
    with store.write() as txn:
        expected = EventReader(txn).digest()
        for position in range(1, 16):
            txn.delete("log", key_of(position))
        assert EventReader(txn).digest() == expected


@pytest.mark.parametrize("position", [16, 20, 30])
def test_no_digest_goes_over_an_event_that_is_missing(store: Store, position: int) -> None:
    """It would say for good that the log was so; the append is refused, and leaves no trace."""
    append(store, 31)
    with store.write() as txn:
        txn.delete("log", key_of(position))
    with pytest.raises(CorruptLog, match=f"position {position}: it is missing"):
        append(store, 1)
    assert len(rows(store)) == 30


def test_a_damaged_digest_is_not_gone_on_from(store: Store) -> None:
    """The event that keeps it is held against its checksum."""
    append(store, 31)
    with store.write() as txn:
        value = txn.get("log", key_of(16)) or b""
        txn.put("log", key_of(16), value[:-1] + bytes([value[-1] ^ 1]))
    with pytest.raises(CorruptLog, match="position 16: the checksum does not match"):
        append(store, 1)


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
    old = [(key_of(n), encode(Recorded(n, 1, n, 0, "old", JOB), key_of(n))) for n in range(1, 32)]
    with store.write() as txn:
        txn.append("log", old)
    append(store, 1)
    digest = GENESIS
    for _, value in old:
        digest = link(digest, value)
    assert kept(store) == {32: digest}


APPENDS_AND_WAITS = """
import sys, time
from pathlib import Path
from queuectl.events.append import Append
from queuectl.events.types import NEW_STREAM, Enqueued, JobSpec
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import Store

JOB = Enqueued(JobSpec("job1", "true"))
store = Store.open(Path(sys.argv[1]), create=False)
for is_last in (False, True):
    with store.write() as txn:
        EventWriter(txn).append([Append(NEW_STREAM, 0, (JOB,))] * 20, at_us=1, actor="tester")
        if is_last:
            print("appended", flush=True)
            time.sleep(600)
"""


def test_a_writer_killed_before_its_commit_changes_no_byte(store: Store, tmp_path: Path) -> None:
    """What others append after that is what it would have been without."""
    append(store, 5)
    writer = subprocess.Popen([sys.executable, "-c", APPENDS_AND_WAITS, store.path], stdout=subprocess.PIPE, text=True)
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "appended\n"
        writer.kill()
    append(store, 30)
    with Store.open(tmp_path / "other", create=True) as other:
        append(other, 55)
        assert rows(store) == rows(other)


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
