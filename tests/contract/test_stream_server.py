"""The contract of a stream, over the one that nodes in processes of their own share."""

from collections.abc import Iterator

import pytest

from tests.contract.event_stream import EventStreamContract
from tests.stream_processes import served_stream
from tests.stream_server import StreamClient


class TestServedStream(EventStreamContract):
    """A client of the server keeps every promise of an EventStream."""

    @pytest.fixture
    def stream(self) -> Iterator[StreamClient]:
        """Yield an empty stream."""
        with served_stream() as path:
            yield StreamClient(path)
