"""An event log in memory: the protocol at its plainest, for trying things and for what-ifs."""

from collections.abc import Iterator, Sequence
from itertools import islice

from queuectl.errors import Conflict
from queuectl.events.append import AFTER_PREVIOUS, Append, with_tokens
from queuectl.events.types import NEW_STREAM, Recorded, Stream


class MemoryLog:
    """An EventLog in a list; it keeps nothing beyond the process."""

    def __init__(self) -> None:
        self._events: list[Recorded] = []
        self._versions: dict[Stream, int] = {}

    def head(self) -> int:
        """Return the position of the last event."""
        return len(self._events)

    def version(self, stream: Stream) -> int:
        """Return the position of a stream's last event."""
        return self._versions.get(stream, 0)

    def append(self, batch: Sequence[Append], *, at_us: int, actor: str, cause: int = 0) -> list[Recorded]:
        """Append a batch, all or nothing."""
        if self._events:
            at_us = max(at_us, self._events[-1].at_us)
        recorded: list[Recorded] = []
        versions: dict[Stream, int] = {}
        position = self.head()
        for append in batch:
            stream, expected, events = append.stream, append.expected, append.events
            if not events:
                continue
            if stream == NEW_STREAM:
                stream = position + 1
                expected = position if expected == AFTER_PREVIOUS else expected
            elif (last := versions.get(stream, self.version(stream))) != expected:
                raise Conflict(stream, expected, last)
            prev = expected
            for event in with_tokens(events, position):
                position += 1
                recorded.append(Recorded(position, at_us, stream, prev, actor, event, append.reason, cause))
                prev = position
            versions[stream] = position
        self._events += recorded
        self._versions |= versions
        return recorded

    def read(self, after: int = 0, limit: int | None = None, *, until: int | None = None) -> Iterator[Recorded]:
        """Return the events after a position."""
        return islice(iter(self._events[after:until]), limit)

    def read_stream(self, stream: Stream, *, after: int = 0) -> list[Recorded]:
        """Return the events of one stream by following `prev` back from its last, down to a position."""
        found = []
        position = self.version(stream)
        while position > after:
            found.append(self._events[position - 1])
            position = found[-1].prev
        return found[::-1]
