"""What is put to the log at once: events for a stream, and what its last event must be by then.

Nothing here assumes one writer: a lost race is a Conflict, and the caller reads and decides again. Nor does it assume
that whoever decides knows at which positions its events will stand.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from .types import Claimed, Event, Frozen, Stream

OF_ITS_CLAIM: Final = 0
"""The token of an event that is appended together with its claim: it is known once the claim has its position."""


AFTER_PREVIOUS: Final = -1
"""What a job expects that takes the id of one removed by the append before it: that removal is its link."""


class Append(Frozen):
    """Events for one stream, and the position its last event must have.

    For a NEW stream `expected` is the last event of an earlier job of the same id, or 0; the log
    keeps it as the link between the two; or AFTER_PREVIOUS, and then the two appends are taken together.
    """

    stream: Stream
    expected: int
    events: tuple[Event, ...]
    reason: str | None = None


def with_tokens(events: Sequence[Event], after: int) -> Sequence[Event]:
    """Return the events of one append as they stand in the log after a position: with tokens OF_ITS_CLAIM filled in."""
    if len(events) < 2:
        return events
    for count, event in enumerate(events, 1):
        if type(event) is Claimed:
            return [*events[:count], *[_under(each, after + count) for each in events[count:]]]
    return events


def _under(event: Any, token: int) -> Event:
    filled: Event = replace(event, token=token) if getattr(event, "token", None) == OF_ITS_CLAIM else event
    return filled
