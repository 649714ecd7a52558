"""The contract, over the log on LMDB, and what only a log on disk can promise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.errors import CorruptLog
from queuectl.store.event_reader import EventReader
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import Store, key_of
from tests.contract.event_log import JOB, OTHER, EventLogContract, append, new


class TestEventWriter(EventLogContract):
    """EventWriter keeps every promise of an EventLog."""

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EventWriter]:
        """Yield an empty log inside a write transaction."""
        with Store.open(tmp_path / "queue", create=True) as store, store.write() as txn:
            yield EventWriter(txn)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Yield a store of two events."""
    with Store.open(tmp_path / "queue", create=True) as store:
        with store.write() as txn:
            append(EventWriter(txn), new(JOB), new(OTHER), at_us=5000)
        yield store


def test_what_was_committed_is_there_when_opened_again(store: Store) -> None:
    """Head, versions, events and the time that never goes back survive closing the store."""
    store.close()
    with Store.open(store.path, create=False) as again, again.write() as txn:
        log = EventWriter(txn)
        [third] = append(log, new(JOB), at_us=1)
        assert (third.position, third.at_us, log.version(2)) == (3, 5000, 2)
        assert [each.event for each in log.read()] == [JOB, OTHER, JOB]


def test_what_was_not_committed_never_was(store: Store) -> None:
    """Events of a transaction that failed leave no trace, and their positions are given again."""

    def broken() -> None:
        with store.write() as txn:
            append(EventWriter(txn), new())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    with store.write() as txn:
        assert append(EventWriter(txn), new())[0].position == 3


def test_a_reader_sees_a_log_that_stands_still(store: Store) -> None:
    """A read transaction sees no event that was committed after it began."""
    with store.read() as before:
        with store.write() as txn:
            append(EventWriter(txn), new())
        assert EventReader(before).head() == 2
    with store.read() as after:
        assert EventReader(after).head() == 3


def test_a_missing_event_is_noticed(store: Store) -> None:
    """A hole in the log is reported with its position rather than read over."""
    with store.write() as txn:
        append(EventWriter(txn), new())
        txn.delete("log", key_of(2))
        with pytest.raises(CorruptLog, match="position 2: it is missing"):
            list(EventReader(txn).read())


def test_a_damaged_event_is_noticed(store: Store) -> None:
    """An event whose bytes changed on disk is reported with its position."""
    with store.write() as txn:
        value = txn.get("log", key_of(1))
        assert value is not None
        txn.put("log", key_of(1), value[:-1] + bytes([value[-1] ^ 1]))
        with pytest.raises(CorruptLog, match="position 1"):
            list(EventReader(txn).read())


def test_an_event_in_another_ones_place_is_noticed(store: Store) -> None:
    """The bytes of one event stored under another's position are reported as damage."""
    with store.write() as txn:
        value = txn.get("log", key_of(1))
        assert value is not None
        txn.put("log", key_of(2), value)
        with pytest.raises(CorruptLog, match="position 2"):
            list(EventReader(txn).read())
