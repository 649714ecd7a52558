"""The contract of a stream, over the one in memory: as it is, and with its faults."""

from random import Random

import pytest

from queuectl.events.event_stream import NoAnswer
from tests.contract.event_stream import EventStreamContract, everything, message, publish, taken
from tests.depth import tries
from tests.streams import MemoryStream


class TestMemoryStream(EventStreamContract):
    """MemoryStream keeps every promise of an EventStream."""

    @pytest.fixture
    def stream(self) -> MemoryStream:
        """Return an empty stream."""
        return MemoryStream()


class TestWithFaults(EventStreamContract):
    """It does so too where answers are lost and reads lag."""

    @pytest.fixture(params=range(tries(10)))
    def stream(self, request: pytest.FixtureRequest) -> MemoryStream:
        """Return an empty stream with faults of its own."""
        return MemoryStream(Random(request.param))


def test_its_faults_come_about() -> None:
    """Requests and answers are lost, and reads come short: what nodes go through in other tests is no calm."""
    stream = MemoryStream(Random(1))
    lost = there = 0
    for n in range(200):
        each = message(f"job.{n}")
        before = len(stream.payloads())
        try:
            stream.publish([each], whole=False)
        except NoAnswer:
            lost += 1
            there += len(stream.payloads()) - before
            assert publish(stream, each) == taken(before + 1)
    assert 0 < there < lost
    assert 0 < sum(not stream.read(0, 10) for _ in range(100)) < 50
    assert len(everything(stream)) == 200
