"""The hash chain over stored events: what was written can not be changed afterwards without showing.

The digest at position n is SHA-256 of the digest at n - 1 followed by the stored bytes of event n.
The last event of each batch appended keeps the digest before it, so that the chain goes on from the
last event alone. Pure; knows nothing of storage.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from .codec import header_of

GENESIS: Final = bytes(32)
"""The digest at position 0."""


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
