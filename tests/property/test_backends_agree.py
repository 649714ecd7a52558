"""The same batches put to every log give the same answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from queuectl.errors import Conflict
from queuectl.events.append import Append
from queuectl.events.types import NEW_STREAM, Stream
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import Store
from tests.contract.event_log import EventLog
from tests.contract.memory_log import MemoryLog
from tests.depth import tries
from tests.property.strategies import events, texts

NAMED = ["config", "worker:1", "w\u00f6rker:\U0001f44b"]


@contextmanager
def lmdb_log() -> Iterator[EventWriter]:
    """Yield an empty log in a store that is thrown away."""
    with (
        TemporaryDirectory() as directory,
        Store.open(Path(directory) / "queue", create=True) as store,
        store.write() as txn,
    ):
        yield EventWriter(txn)


@st.composite
def batches(draw: st.DrawFn, log: EventLog) -> list[Append]:
    """Draw a batch over new, known and unknown streams; its versions are mostly the right ones."""
    known: list[Stream] = sorted({each.stream for each in log.read() if isinstance(each.stream, int)})
    streams = draw(st.lists(st.sampled_from([*known, *NAMED, 10**6]), max_size=4, unique=True))
    streams += [NEW_STREAM] * draw(st.integers(0, 2))
    batch = []
    for stream in draw(st.permutations(streams)):
        off = draw(st.sampled_from([0] * 9 + [1]))
        several = draw(st.lists(events, min_size=1, max_size=3))
        batch.append(
            Append(stream, log.version(stream) + off * (stream != NEW_STREAM), tuple(several), draw(st.none() | texts))
        )
    return batch


def put(log: EventLog, batch: list[Append], at_us: int, actor: str) -> Any:
    """Append, and give what comes back: the events, or what the conflict was."""
    try:
        return log.append(batch, at_us=at_us, actor=actor)
    except Conflict as conflict:
        return conflict.stream, conflict.expected, conflict.actual


@settings(max_examples=tries(60))
@given(data=st.data())
def test_both_logs_record_the_same(data: st.DataObject) -> None:
    """Whatever is appended, the log in memory and the one on LMDB answer and read alike."""
    memory = MemoryLog()
    with lmdb_log() as lmdb:
        for _ in range(data.draw(st.integers(1, 6))):
            batch, at_us = data.draw(batches(memory)), data.draw(st.integers(0, 2**40))
            assert repr(put(memory, batch, at_us, "ann")) == repr(put(lmdb, batch, at_us, "ann"))
        assert repr(list(lmdb.read())) == repr(list(memory.read()))
        assert lmdb.head() == memory.head()
        for stream in {each.stream for each in memory.read()}:
            assert lmdb.version(stream) == memory.version(stream)
            whole = memory.read_stream(stream)
            assert lmdb.read_stream(stream) == whole
            after = data.draw(st.integers(0, memory.head()))
            later = [each for each in whole if each.position > after]
            assert lmdb.read_stream(stream, after=after) == memory.read_stream(stream, after=after) == later
