"""The contract, over the log in memory, and what that does beyond it."""

import pytest

from tests.contract.event_log import EventLogContract, append, new
from tests.contract.memory_log import MemoryLog


class TestMemoryLog(EventLogContract):
    """MemoryLog keeps every promise of an EventLog."""

    @pytest.fixture
    def log(self) -> MemoryLog:
        """Return an empty log."""
        return MemoryLog()


def test_a_reader_is_not_disturbed_by_later_appends() -> None:
    """Reading gives the events there were when it began, even when more come meanwhile."""
    log = MemoryLog()
    append(log, new(), new())
    reading = log.read()
    append(log, new())
    assert [each.position for each in reading] == [1, 2]


def test_logs_share_nothing() -> None:
    """What is appended to one log is not in another."""
    one, other = MemoryLog(), MemoryLog()
    append(one, new())
    assert (one.head(), other.head()) == (1, 0)
