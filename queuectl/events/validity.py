"""Whether an event from a file that is not trusted has values that an event can have.

A checksum proves that its bytes are those which somebody wrote, and not that queuectl wrote them. That each
field is of its declared type is seen when it is decoded; this looks at the values. Knows nothing of storage.
"""

from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from ..errors import CorruptLog
from ..kinds import is_finite
from .types import Enqueued, Recorded, RetentionApplied

_DIGEST_BYTES: Final = 32
_DIGESTS: Final = frozenset({"sha256", "chain"})
_COUNTS: Final = frozenset(
    {
        "at_us",
        "prev",
        "cause",
        "token",
        "attempt",
        "attempts",
        "expires_at_us",
        "size",
        "retry_at_us",
        "run_at_us",
        "due_us",
    }
)


def check(recorded: Recorded) -> None:
    """Refuse an event that queuectl cannot have written; raises CorruptLog, naming the field."""
    position, event = recorded.position, recorded.event
    _check_fields(position, event.spec if isinstance(event, Enqueued) else event)
    _check_fields(position, recorded)
    if isinstance(recorded.stream, int) and not 0 < recorded.stream <= position:
        raise CorruptLog(position, f"it is of stream {recorded.stream}, which begins later")
    if isinstance(event, RetentionApplied):
        _check_retention(position, event)


def _check_fields(position: int, fields: Any) -> None:
    for name, value in asdict(fields).items():
        if isinstance(value, Struct) and name != "event":
            _check_fields(position, value)
        elif value is not None and not _fits(name, value):
            raise CorruptLog(position, f"its field {name} is {repr(value)[:60]}, which it cannot be")


def _fits(name: str, value: Any) -> bool:
    if isinstance(value, float) and not is_finite(value):
        return False
    if name in _DIGESTS:
        return len(value) == _DIGEST_BYTES
    return name not in _COUNTS or not isinstance(value, int) or value >= 0


def _check_retention(position: int, event: RetentionApplied) -> None:
    word = event.archive.rpartition("/")[2].partition("-")[0]
    is_named = word.isascii() and word.isdigit() and len(word) <= 18 and 0 < int(word) <= position
    if not is_named or not 0 <= event.upto <= position:
        raise CorruptLog(position, f"it names {event.archive[:60]!r}, up to {event.upto}, as an archive segment")
