"""Values read from files that are not trusted: JSON, msgpack and zstd within bounds, and one kind of error.

Whatever a file holds, each function here returns a value of bounded size or raises Malformed, in words
that fit into a line. Opens no file but to read the beginning of one.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgpack

from ..display import shown
from .interrupts import own

VALUES_AT_MOST: Final = 1_000_000
"""Values in one document: two bytes of JSON can become seventy in memory."""

DEPTH_AT_MOST: Final = 64

DIGITS_OF_POSITION: Final = 18
"""A number with more is no position: it would not fit into a key."""


class Malformed(ValueError):
    """What a file holds is not what its kind of file holds."""


def json_value(content: bytes, *, values_at_most: int = VALUES_AT_MOST, keys_once: bool = False) -> Any:
    """Return the value in JSON bytes; `keys_once`: refuse an object with a key that is there twice.

    Raises Malformed.
    """
    if content.count(b",") + content.count(b"[") + content.count(b"{") > values_at_most:
        raise Malformed(f"it holds more than {values_at_most:,} values")
    with _malformed("no JSON that can be read"):
        value = json.loads(content, parse_constant=_refuse_constant, object_pairs_hook=_once if keys_once else None)
        if content.count(b"[") + content.count(b"{") > DEPTH_AT_MOST:
            _check_depth(value)
    return value


def json_object(content: bytes) -> dict[str, Any]:
    """Return the object in JSON bytes, in which each key is there once; raises Malformed if it is anything else."""
    value = json_value(content, keys_once=True)
    if not isinstance(value, dict):
        raise Malformed("it is no JSON object")
    return value


def json_object_of(path: Path, *, limit_bytes: int) -> dict[str, Any]:
    """Return the object in a file of JSON; raises Malformed, also if the file is longer than that, or OSError."""
    with path.open("rb") as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise Malformed(f"it is longer than {limit_bytes:,} bytes")
    return json_object(content)


def msgpack_values(content: bytes) -> list[Any]:
    """Return the values that stand one after the other in msgpack bytes; raises Malformed."""
    with _malformed("no msgpack that can be read"):
        # Without the limit the length in an array's header is believed, and room for as much is made.
        unpacker = msgpack.Unpacker(use_list=True, max_buffer_size=len(content) or 1)
        unpacker.feed(content)
        values = []
        while unpacker.tell() < len(content):  # to iterate would end without a word at a value cut short
            values.append(unpacker.unpack())
    return values


def whole_number(value: object, name: str, *, least: int = 0, most: int = (1 << 63) - 1) -> int:
    """Return a value that is a whole number within bounds; raises Malformed, naming it, if it is anything else."""
    if type(value) is not int or not least <= value <= most:
        raise Malformed(f"{name} is {shown(value)}, not a whole number from {least} to {most}")
    return value


def position_of(word: str) -> int | None:
    """Return the position that a word of a file's name means, None if it means none."""
    return int(word) if word.isascii() and word.isdigit() and len(word) <= DIGITS_OF_POSITION else None


def is_same(said: object, found: object) -> bool:
    """Whether two values of JSON are one: a number is no truth value, though Python says that 1 is True."""
    return bool(said == found) and isinstance(said, bool) == isinstance(found, bool)


@contextmanager
def _malformed(what: str) -> Iterator[None]:
    try:
        yield
    except Malformed:
        raise
    except RecursionError:
        raise Malformed(f"it is {what}: it is nested too deep") from None
    except own(ValueError, TypeError, OverflowError, MemoryError, msgpack.UnpackException) as error:
        found = "a number of too many digits" if "int_max_str_digits" in str(error) else _brief(error)
        raise Malformed(f"it is {what} ({found})") from None


def _brief(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= 120 else f"{text[:120]}..."


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; of a key that is there twice, JSON would take the last without a word."""
    built = dict(pairs)
    if len(built) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Malformed(f"the key {shown(twice)} is there more than once")
    return built


def _refuse_constant(name: str) -> None:
    raise Malformed(f"it holds {name}, which is no number of JSON")


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH_AT_MOST:
            raise RecursionError
        level = [
            each
            for outer in level
            if isinstance(outer, (dict, list))
            for each in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(each, (dict, list))
        ]
