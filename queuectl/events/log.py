"""The event log as a protocol: what the engine asks of any log, whatever keeps it.

Append is all or nothing. A stream's expected version is the position of its last event. Nothing
here assumes one writer: a lost race is a Conflict, and the caller reads and decides again.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from .types import Event, Recorded, Stream


class Append(NamedTuple):
    """Events for one stream, and the position its last event must have.

    For a NEW stream `expected` is the last event of an earlier job of the same id, or 0; the log
    keeps it as the link between the two.
    """

    stream: Stream
    expected: int
    events: tuple[Event, ...]
    reason: str | None = None


class EventLog(Protocol):
    """An append-only sequence of events, its times never going back.

    Positions are gapless from 1 when they are given; those of jobs that retention let go are empty afterwards.
    """

    def head(self) -> int:
        """Return the position of the last event, 0 when there is none."""

    def append(self, batch: Sequence[Append], *, at_us: int, actor: str, cause: int = 0) -> list[Recorded]:
        """Append a batch, all or nothing, and give the events as recorded.

        The time recorded is `at_us`, or the last event's where that is later. Raises Conflict when
        a stream's last event, with what the batch itself appends before, is not the expected one.
        """

    def read(self, after: int = 0, limit: int | None = None, *, until: int | None = None) -> Iterator[Recorded]:
        """Return the events after the position `after`, in order, `limit` at the most, up to and with `until`."""

    def read_stream(self, stream: Stream, *, after: int = 0) -> list[Recorded]:
        """Return the events of one stream, in order, with those of earlier jobs of the same id before it.

        Only those after position `after`.
        """

    def version(self, stream: Stream) -> int:
        """Return the position of a stream's last event, 0 when it has none."""
