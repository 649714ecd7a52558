"""Appends to the event log in one write transaction of the store; the unit of work alone does."""

from collections.abc import Sequence

from ..errors import Conflict
from ..events.append import AFTER_PREVIOUS, Append, with_tokens
from ..events.hash_chain import encode_chained
from ..events.types import NEW_STREAM, Recorded
from .event_reader import EventReader, stream_key, stream_of_key
from .store import Row
from .tables import LOG, STREAMS

_NO_VERSION = bytes(8)


class EventWriter(EventReader):
    """The log in a write transaction: what it appends is there for all when that commits."""

    def append(self, batch: Sequence[Append], *, at_us: int, actor: str, cause: int = 0) -> list[Recorded]:
        """Append a batch, all or nothing."""
        at_us = max(at_us, self.last_at_us)
        recorded: list[Recorded] = []
        ends: dict[bytes, int] = {}
        expected: list[Row] = []
        position = self._head
        for append in batch:
            stream, prev, events = append.stream, append.expected, append.events
            if not events:
                continue
            if stream == NEW_STREAM:
                stream = position + 1
                prev = position if prev == AFTER_PREVIOUS else prev
                key = stream.to_bytes(8, "big")
            elif (key := stream_key(stream)) not in ends:
                expected.append((key, prev.to_bytes(8, "big")))
            elif ends[key] != prev:
                raise Conflict(stream, prev, ends[key])
            for event in events if len(events) == 1 else with_tokens(events, position):
                position += 1
                recorded.append(Recorded(position, at_us, stream, prev, actor, event, append.reason, cause))
                prev = position
            ends[key] = position
        if expected:
            self._check_versions(expected)
        if recorded:
            self._txn.append(LOG, encode_chained(recorded, self.digest))
            self._txn.put_many(STREAMS, sorted([(key, end.to_bytes(8, "big")) for key, end in ends.items()]))
            self._head, self.last_at_us = position, at_us
        return recorded

    def _check_versions(self, expected: Sequence[Row]) -> None:
        """Raise Conflict where the last event of a stream is not the expected one."""
        found = self._txn.get_many(STREAMS, [key for key, _ in expected])
        if found != expected:
            known = dict(found)
            for key, version in expected:
                if (last := known.get(key, _NO_VERSION)) != version:
                    raise Conflict(stream_of_key(key), int.from_bytes(version, "big"), int.from_bytes(last, "big"))
