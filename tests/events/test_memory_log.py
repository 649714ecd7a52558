"""What the log in memory does beyond the contract of tests/contract."""

from queuectl.events.memory_log import MemoryLog
from tests.contract.event_log import append, new


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
