"""The contract, over the log in memory."""

import pytest

from queuectl.events.memory_log import MemoryLog
from tests.contract.event_log import EventLogContract


class TestMemoryLog(EventLogContract):
    """MemoryLog keeps every promise of an EventLog."""

    @pytest.fixture
    def log(self) -> MemoryLog:
        """Return an empty log."""
        return MemoryLog()
