"""The contract of a log, over a node of a shared one: appended through a session, read from the node's own store."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from queuectl.engine.streamed_writer import StreamedWriter
from queuectl.errors import Conflict
from queuectl.events.append import Append
from queuectl.events.types import CONFIG_STREAM, Recorded, Stream
from queuectl.store.store import Store
from tests.clocks import FakeClock
from tests.contract.event_log import CLAIMED, RENEWED, SET, EventLog, EventLogContract, append, new
from tests.streams import MemoryStream


class StreamedLog:
    """A node as an EventLog: each append, and each read, is a session's."""

    def __init__(self, writer: StreamedWriter) -> None:
        self._writer = writer

    def head(self) -> int:
        with self._writer.session() as session:
            return session.log.head()

    def append(self, batch: Sequence[Append], *, at_us: int, actor: str, cause: int = 0) -> list[Recorded]:
        if not batch:
            return []
        before = self.head()
        with self._writer.session() as session:
            appended = session.append(batch, at_us=at_us, actor=actor, cause=cause, whole=True)
        for late, conflict in appended.lost:
            if conflict.actual:  # its numbers are the stream's; where there is none, another one of the batch was late
                raise Conflict(late.stream, late.expected, self.version(late.stream))
        return list(self.read(before))

    def read(self, after: int = 0, limit: int | None = None, *, until: int | None = None) -> Iterator[Recorded]:
        with self._writer.session() as session:
            return iter(list(session.log.read(after, limit, until=until)))

    def read_stream(self, stream: Stream, *, after: int = 0) -> list[Recorded]:
        with self._writer.session() as session:
            return session.log.read_stream(stream, after=after)

    def version(self, stream: Stream) -> int:
        with self._writer.session() as session:
            return session.log.version(stream)


class TestStreamedLog(EventLogContract):
    """A node keeps the promises of an EventLog, whatever becomes of answers and reads."""

    @pytest.fixture(params=[None, 1, 2])
    def log(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StreamedLog]:
        """Yield an empty log on a node of its own."""
        stream = MemoryStream(None if request.param is None else Random(request.param))
        with Store.open(tmp_path / "queue", create=True) as store:
            yield StreamedLog(StreamedWriter(store, FakeClock(), stream))

    def test_a_stream_that_is_not_there_has_version_zero(self, log: EventLog) -> None:
        """A position at which this node has no event is none: what expects one there expects a stream without any."""
        append(log, Append(CONFIG_STREAM, 7, (SET,)))
        assert log.version(CONFIG_STREAM) == 1


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[list[StreamedLog]]:
    """Yield the logs of two nodes."""
    stream = MemoryStream()
    with Store.open(tmp_path / "a", create=True) as a, Store.open(tmp_path / "b", create=True) as b:
        yield [StreamedLog(StreamedWriter(store, FakeClock(), stream)) for store in (a, b)]


def test_nodes_have_one_log(logs: list[StreamedLog]) -> None:
    """Events of one node stand in the other's log at the same positions, with all that is said of them."""
    here, there = logs
    append(here, new(), new())
    recorded = append(there, new())
    assert [each.position for each in recorded] == [1, 2, 3], "it adopts what was before, to know its own positions"
    append(there, Append(2, 2, (CLAIMED, RENEWED)))
    append(here, new())
    assert list(here.read()) == list(there.read(until=5)) + list(here.read(5))


def test_the_later_of_two_nodes_is_refused(logs: list[StreamedLog]) -> None:
    """Both go on from one event; the second learns of it, and has what the first appended by then."""
    here, there = logs
    append(here, new())
    append(there, new())
    append(here, Append(1, 1, (CLAIMED,)))
    assert there.version(1) == 1
    with pytest.raises(Conflict) as caught:
        append(there, Append(1, 1, (CLAIMED,)))
    assert (caught.value.expected, caught.value.actual, there.head()) == (1, 3, 3)
