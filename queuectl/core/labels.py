"""Labels and meta of a job: what they may be, and which labels a filter asks for; pure.

Labels are short texts that jobs are found by. Meta is JSON that is kept and shown, and that nobody looks for.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from ..display import shown, shown_with_kind
from ..errors import InvalidInput
from .argument_kinds import IN_UTF8, is_finite, is_text

MOST_LABELS: Final = 16
LABEL_CHARS: Final = 63
"""The longest key, and the longest value: with four bytes a character both fit a key of LMDB's, which has 511."""

META_BYTES: Final = 1_024
META_DEPTH: Final = 16

LabelFilter: TypeAlias = tuple[tuple[str, str | None], ...]
"""Keys that a job must have, each with the value that it must have there; None is any."""

Labels: TypeAlias = "Mapping[str, str | None] | str | Iterable[str] | None"
"""Labels as a filter takes them: a mapping (None is any value), `KEY=VALUE` or `KEY`, or several of these."""

_KEY: Final = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}"
_KEY_WORDS: Final = f"1 to {LABEL_CHARS} letters, digits, '.', '_', '-' or '/', led by a letter or digit, as key"
_VALUE_WORDS: Final = f"at most {LABEL_CHARS} printable characters as value"


def check_labels(labels: Mapping[str, str], *, field: str = "labels") -> dict[str, str]:
    """Return labels if a job can have them: at most 16, each of a key and a value; raises InvalidInput."""
    if not isinstance(labels, Mapping):
        raise InvalidInput(field, shown_with_kind(labels), 'an object of texts, for example {"team": "a"}')
    if len(labels) > MOST_LABELS:
        raise InvalidInput(field, f"{len(labels):,} of them", f"at most {MOST_LABELS}")
    return {_key(field, key): _value(field, key, value) for key, value in labels.items()}


def labels_of(words: Iterable[str], *, field: str) -> dict[str, str]:
    """Return the labels in words such as `team=a`; raises InvalidInput for one that has no `=`, and for a key twice."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidInput(field, shown(word), "KEY=VALUE, for example team=a; the value may be empty")
        if found.setdefault(key, value) != value:
            raise InvalidInput(field, shown(word), f"one value for {key}: it is given {shown(found[key])} as well")
    return check_labels(found, field=field)


def label_filter(labels: Labels, *, field: str = "labels") -> LabelFilter | None:
    """Return which labels a filter asks for, None where it asks for none; raises InvalidInput.

    An empty collection is refused: whoever computed it would mean all jobs with it.
    """
    if labels is None:
        return None
    if isinstance(labels, Mapping):
        pairs = list(labels.items())
    else:
        pairs = [_pair(field, word) for word in ([labels] if isinstance(labels, str) else labels)]
    if not pairs:
        raise InvalidInput(field, shown(labels), "one or more; None asks for none")
    found = [(_key(field, key), None if value is None else _value(field, key, value)) for key, value in pairs]
    return tuple(dict.fromkeys(found))


def has_labels(labels: Mapping[str, str] | None, wanted: LabelFilter) -> bool:
    """Return whether labels are all that a filter asks for."""
    return labels is not None and all(key in labels and value in (None, labels[key]) for key, value in wanted)


def label_text(key: str, value: str | None) -> str:
    """Return a label as it is typed; without a value it is its key."""
    return key if value is None else f"{key}={value}"


def check_meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return meta as plain JSON values if a job can have it: an object of at most 1 KiB; raises InvalidInput."""
    if not isinstance(meta, Mapping):
        raise InvalidInput("meta", shown_with_kind(meta), 'an object as in JSON, for example {"build": 7}')
    plain: dict[str, Any] = _json_value(meta, META_DEPTH)
    size = len(json_text(plain).encode())
    if size > META_BYTES:
        raise InvalidInput("meta", f"{size:,} bytes as JSON", f"at most {META_BYTES:,}")
    return plain


def json_text(meta: Mapping[str, Any]) -> str:
    """Return meta as compact JSON."""
    from json import dumps  # only where there is some: it costs a command its start

    return dumps(meta, ensure_ascii=False, separators=(",", ":"))


def _pair(field: str, word: str) -> tuple[str, str | None]:
    if not isinstance(word, str):
        raise InvalidInput(field, shown_with_kind(word), "a text such as team=a, or the key alone")
    key, equals, value = word.partition("=")
    return key, value if equals else None


def _key(field: str, key: str) -> str:
    if not isinstance(key, str) or not re.fullmatch(_KEY, key):
        raise InvalidInput(field, shown(key), _KEY_WORDS)
    return key


def _value(field: str, key: str, value: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(field, f"{key} = {shown_with_kind(value)}", "a text as value")
    if len(value) > LABEL_CHARS or not value.isprintable():
        raise InvalidInput(field, f"{key} = {shown(value)}", _VALUE_WORDS)
    return value


def _json_value(value: Any, depth: int) -> Any:
    """Return a value as JSON would bring it; raises InvalidInput for one that it cannot."""
    if value is None or isinstance(value, bool) or is_finite(value):
        return value
    if isinstance(value, str):
        if not is_text(value):
            raise InvalidInput("meta", shown(value), IN_UTF8)
        return str.__str__(value)
    if not depth:
        raise InvalidInput("meta", "values within each other", f"at most {META_DEPTH} levels of them")
    if isinstance(value, Mapping):
        if odd := [key for key in value if not is_text(key)]:
            raise InvalidInput("meta", shown_with_kind(odd[0]), "texts as keys")
        return {str.__str__(key): _json_value(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(each, depth - 1) for each in value]
    raise InvalidInput(
        "meta", shown_with_kind(value), "what JSON has: texts, finite numbers of 64 bits, lists, objects"
    )
