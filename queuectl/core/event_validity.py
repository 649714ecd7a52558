"""Whether an event from a file that is not trusted has values that an event can have.

A checksum proves that its bytes are those which somebody wrote, and not that queuectl wrote them. That each
field is of its declared type is seen when it is decoded; this looks at the values. Knows nothing of storage.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from ..errors import CorruptLog
from ..events.types import Dead, Edited, Failed, Failure, JobSpec, Recorded, RetentionApplied
from .argument_kinds import LARGEST, MOST_PID, MOST_SLOTS, PATH_BYTES, is_finite
from .times import LATEST_US

_DIGEST_BYTES: Final = 32
_DIGESTS: Final = frozenset({"sha256", "chain"})

_COUNT: Final = (0, LARGEST)
_TIME: Final = (0, LATEST_US)
_WHOLE: Final = (-LARGEST - 1, LARGEST)

BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "position": (1, LARGEST),
    "prev": _COUNT,
    "cause": _COUNT,
    "token": _COUNT,
    "attempt": _COUNT,
    "attempts": _COUNT,
    "size_bytes": _COUNT,
    "duration_ms": _COUNT,
    "return_code": _WHOLE,
    "pid": (0, MOST_PID),
    "slots": (1, MOST_SLOTS),
    "at_us": _TIME,
    "expires_at_us": _TIME,
    "retry_at_us": _TIME,
    "upto": _COUNT,
    "after": _COUNT,
    "through": _COUNT,
    "removed": _COUNT,
}
"""A field that is a whole number -> the least and the most that it can be. Jobs' own fields are checked as intake's."""

TEXT_CHARS: Final = 1_000
"""How long a text of an event may be, unless it is in MOST_CHARS_OF: as whoever writes it is held to."""

MOST_CHARS_OF: Final[Mapping[str, int]] = {"stderr_tail": 2_000, "archive": PATH_BYTES}
"""A field that is a text -> how many characters it may have. Jobs' own fields are checked as intake's."""

_OF_A_JOB: Final = frozenset({JobSpec, Edited})

_WORDS: Final[Mapping[tuple[type, str], frozenset[str]]] = {
    (Failed, "failure"): frozenset(Failure),
    (Dead, "failure"): frozenset(Failure),
}
"""A type and a field of it that is one of a few words -> those."""


def check(recorded: Recorded) -> None:
    """Refuse an event that queuectl cannot have written; raises CorruptLog, naming the field."""
    position, event = recorded.position, recorded.event
    _check_fields(position, recorded)
    if isinstance(recorded.stream, int) and not 0 < recorded.stream <= position:
        raise CorruptLog(position, f"it is of stream {recorded.stream}, which begins later")
    if isinstance(event, RetentionApplied):
        _check_retention(position, event)


def _check_fields(position: int, fields: Struct) -> None:
    kind = type(fields)
    for name in kind.__struct_fields__:
        value = getattr(fields, name)
        if isinstance(value, Struct):
            _check_fields(position, value)
        elif not _fits(kind, name, value):
            raise CorruptLog(position, f"its field {name} is {repr(value)[:60]}, which it cannot be")


def _fits(kind: type, name: str, value: Any) -> bool:
    if type(value) is int:
        least, most = BOUNDS.get(name, _WHOLE)
        return least <= value <= most
    if isinstance(value, float):
        return is_finite(value)
    if isinstance(value, bytes):
        return name not in _DIGESTS or len(value) == _DIGEST_BYTES
    if isinstance(value, str) and kind not in _OF_A_JOB and len(value) > MOST_CHARS_OF.get(name, TEXT_CHARS):
        return False
    words = _WORDS.get((kind, name))
    return words is None or value in words


def _check_retention(position: int, event: RetentionApplied) -> None:
    word = event.archive.rpartition("/")[2].partition("-")[0]
    is_named = word.isascii() and word.isdigit() and len(word) <= 18 and 0 < int(word) <= position
    if not is_named or event.upto > position:
        raise CorruptLog(position, f"it names {event.archive[:60]!r}, up to {event.upto}, as an archive segment")
