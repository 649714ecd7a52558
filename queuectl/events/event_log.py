"""What is put to the log at once: events for a stream, and what its last event must be by then.

Nothing here assumes one writer: a lost race is a Conflict, and the caller reads and decides again.
"""

from typing import NamedTuple

from .types import Event, Stream


class Append(NamedTuple):
    """Events for one stream, and the position its last event must have.

    For a NEW stream `expected` is the last event of an earlier job of the same id, or 0; the log
    keeps it as the link between the two.
    """

    stream: Stream
    expected: int
    events: tuple[Event, ...]
    reason: str | None = None
