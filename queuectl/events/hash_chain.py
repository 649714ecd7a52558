"""The hash chain over stored events: what was written can not be changed afterwards without showing.

The digest at position n is SHA-256 of the digest at n - 1 followed by the stored bytes of event n.
The last event of each batch appended keeps the digest before it, so that the chain goes on from the
last event alone. Pure; knows nothing of storage.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from .codec import told

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
    return told(key, value).h
