"""The event log on LMDB, bound to one transaction of the store.

Two tables: `log` (position -> stored event, appended only) and `streams` (stream -> position of its
last event). A stream is read by following each event's `prev` back from there.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from ..errors import Conflict, CorruptLog
from ..store import Row, Transaction, key_of
from .codec import decode, encode
from .log import Append
from .types import NEW, Recorded, Stream

LOG = "log"
STREAMS = "streams"

_new = tuple.__new__  # builds a NamedTuple from a tuple, past its slower constructor


class LmdbLog:
    """An EventLog inside a transaction: what it appends is there for all when that commits."""

    def __init__(self, txn: Transaction) -> None:
        self._txn = txn
        last = txn.last(LOG)
        self._head = int.from_bytes(last[0], "big") if last else 0
        self.last_at_us = decode(*last).at_us if last else 0

    def head(self) -> int:
        """Give the position of the last event."""
        return self._head

    def version(self, stream: Stream) -> int:
        """Give the position of a stream's last event."""
        return self._last(stream, {})

    def append(self, batch: Sequence[Append], *, at_us: int, actor: str) -> list[Recorded]:
        """Append a batch, all or nothing."""
        at_us = max(at_us, self.last_at_us)
        recorded: list[Recorded] = []
        rows: list[Row] = []
        versions: dict[bytes, bytes] = {}
        position = self._head
        for stream, expected, events, reason in batch:
            if not events:
                continue
            if stream == NEW:
                stream = position + 1
            elif (last := self._last(stream, versions)) != expected:
                raise Conflict(stream, expected, last)
            prev = expected
            for event in events:
                position += 1
                key = position.to_bytes(8, "big")
                entry = _new(Recorded, (position, at_us, stream, prev, actor, event, reason))
                recorded.append(entry)
                rows.append((key, encode(entry, key)))
                prev = position
            versions[_stream_key(stream)] = key
        if rows:
            self._txn.append(LOG, rows)
            self._txn.put_many(STREAMS, sorted(versions.items()))
            self._head, self.last_at_us = position, at_us
        return recorded

    def _last(self, stream: Stream, appended: dict[bytes, bytes]) -> int:
        key = _stream_key(stream)
        found = appended.get(key) or self._txn.get(STREAMS, key)
        return int.from_bytes(found, "big") if found else 0

    def read(self, after: int = 0, limit: int | None = None) -> Iterator[Recorded]:
        """Give the events behind a position; raises CorruptLog at a gap or a damaged event."""
        expected = after
        for key, value in islice(self._txn.scan(LOG, key_of(after + 1)), limit):
            expected += 1
            recorded = decode(key, value)
            if recorded.position != expected:
                raise CorruptLog(expected, f"it is missing; the next event is at {recorded.position}")
            yield recorded

    def read_stream(self, stream: Stream) -> list[Recorded]:
        """Give the events of one stream by following `prev` back from its last."""
        found: list[Recorded] = []
        position = self.version(stream)
        while position:
            found.append(self.at(position))
            position = found[-1].prev
        return found[::-1]

    def at(self, position: int) -> Recorded:
        """Give the event at a position; raises CorruptLog where there is none."""
        key = key_of(position)
        value = self._txn.get(LOG, key)
        if value is None:
            raise CorruptLog(position, "it is missing")
        return decode(key, value)


def _stream_key(stream: Stream) -> bytes:
    # Named streams sort behind every number: no position reaches 0xff...
    return stream.to_bytes(8, "big") if isinstance(stream, int) else b"\xff" + stream.encode()
