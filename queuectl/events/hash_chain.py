"""The hash chain over stored events: what was written can not be changed afterwards without showing.

The digest at position n is SHA-256 of the digest at n - 1 followed by the stored bytes of event n.
Each event whose position is a multiple of KEPT_EVERY keeps the digest before it, and no other does: the
same events have the same bytes however they were batched. Events of earlier releases keep it at the end
of each batch, or nowhere, and are read all the same. Pure; knows nothing of storage.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final

from .codec import StoredEvent, header_of, payloads_of, with_checksum, with_digest
from .types import Recorded

GENESIS: Final = bytes(32)
"""The digest at position 0."""

KEPT_EVERY: Final = 16
"""An event keeps the digest before it where its position is a multiple of this: part of the format."""


def link(before: bytes, value: bytes) -> bytes:
    """Return the digest at an event, from the digest before it and the event's stored bytes."""
    return link_all(before, (value,))


def link_all(before: bytes, values: Iterable[bytes]) -> bytes:
    """Return the digest at the last of several events that follow each other."""
    for value in values:
        before = sha256(before + value).digest()
    return before


def kept_by(key: bytes, value: bytes) -> bytes | None:
    """Return the digest before an event, where the event keeps it; raises CorruptLog."""
    return header_of(key, value).h


def encode_chained(events: Sequence[Recorded], before: Callable[[], bytes]) -> list[StoredEvent]:
    """Return the rows of events that follow each other in the log, with the digest in those that are to keep it.

    `before` returns the digest before the first of them; it is called only where one of them keeps its own.
    """
    rows: list[StoredEvent] = []
    digest, linked = None, 0
    for each, payload in zip(events, payloads_of(events), strict=True):
        if each.position % KEPT_EVERY == 0:
            digest = link_all(before() if digest is None else digest, [value for _, value in rows[linked:]])
            payload, linked = with_digest(payload, digest), len(rows)
        key = each.position.to_bytes(8, "big")
        rows.append((key, with_checksum(key, payload)))
    return rows


class Chain:
    """Follows the hash chain over events in order, and says where one does not fit; starts anew after a gap."""

    def __init__(self) -> None:
        self._position = 0
        self._digest: bytes | None = GENESIS

    def add(self, key: bytes, value: bytes) -> str | None:
        """Go on by an event; returns what is wrong, if anything. Raises CorruptLog where it is damaged itself."""
        position = int.from_bytes(key, "big")
        if position != self._position + 1:
            self._digest = None  # retention let events go; the next event that keeps the digest tells it
        self._position = position
        kept = kept_by(key, value)
        if kept is not None:
            if self._digest is not None and kept != self._digest:
                return f"the hash chain does not fit at position {position}"
            self._digest = kept
        if self._digest is not None:
            self._digest = link(self._digest, value)
        return None
