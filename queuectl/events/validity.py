"""Whether an event from a file that is not trusted has values that an event can have.

A checksum proves that its bytes are those which somebody wrote, and not that queuectl wrote them. Each
field is held against its annotation in `types`, which says what queuectl writes; knows nothing of storage.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from ..errors import CorruptLog
from ..kinds import is_finite, is_whole
from .types import Enqueued, Event, Recorded, RetentionApplied

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

Fits = Callable[[Any], bool]


def check(recorded: Recorded) -> None:
    """Refuse an event that queuectl cannot have written; raises CorruptLog, naming the field."""
    position, event = recorded.position, recorded.event
    fields: Any
    for fields in (event.spec if isinstance(event, Enqueued) else event, recorded):
        for name, fits, value in zip(*_fits(fields.__class__), fields, strict=True):
            if not fits(value):
                raise CorruptLog(position, f"its field {name} is {repr(value)[:60]}, which it cannot be")
    if isinstance(recorded.stream, int) and not 0 < recorded.stream <= position:
        raise CorruptLog(position, f"it is of stream {recorded.stream}, which begins later")
    if isinstance(event, RetentionApplied):
        _check_retention(position, event)


def _check_retention(position: int, event: RetentionApplied) -> None:
    word = event.archive.rpartition("/")[2].partition("-")[0]
    is_named = word.isascii() and word.isdigit() and len(word) <= 18 and 0 < int(word) <= position
    if not is_named or not 0 <= event.upto <= position:
        raise CorruptLog(position, f"it names {event.archive[:60]!r}, up to {event.upto}, as an archive segment")


@cache
def _fits(kind: Any) -> tuple[tuple[str, ...], tuple[Fits, ...]]:
    """Return the names of a type's fields, and for each whether a value can be its."""
    hints = get_type_hints(kind)
    names = tuple(kind._fields)
    return names, tuple(_fit_of(name, hints[name]) for name in names)


def _fit_of(name: str, hint: Any) -> Fits:
    fits = _fit(hint)
    if name in _COUNTS:
        return lambda value: fits(value) and (type(value) is not int or value >= 0)
    if name in _DIGESTS:
        return lambda value: fits(value) and len(value) == _DIGEST_BYTES
    return fits


def _fit(hint: Any) -> Fits:
    origin, words = get_origin(hint), get_args(hint)
    if hint == Event:  # its own fields are looked at one by one
        return lambda _: True
    if origin in (Union, UnionType):
        fits = tuple(map(_fit, words))
        return lambda value: any(fit(value) for fit in fits)
    if origin is tuple:
        inner = _fit(words[0])
        return lambda value: type(value) is tuple and all(map(inner, value))
    if origin is not None and issubclass(origin, Mapping):
        key, inner = map(_fit, words)
        return lambda value: type(value) is dict and all(key(k) and inner(v) for k, v in value.items())
    if hint in _KINDS:
        return _KINDS[hint]
    if hasattr(hint, "_fields"):
        inner_fits = _fits(hint)[1]
        return lambda value: type(value) is hint and all(fit(v) for fit, v in zip(inner_fits, value, strict=True))
    return lambda _: True


_KINDS: Final[Mapping[Any, Fits]] = {
    int: is_whole,
    float: is_finite,
    str: lambda value: type(value) is str,
    bool: lambda value: type(value) is bool,
    bytes: lambda value: type(value) is bytes,
    NoneType: lambda value: value is None,
}
