"""A job as a mapping, with the keys of its JSON form, read into a JobRequest; pure.

Each key has one reader, which refuses a value of the wrong type and names the key. Which values of the right
type are allowed is checked later, in `request`.
"""

import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..display import shown, shown_with_kind
from ..errors import InvalidInput
from ..events.types import Command
from .job_request import OTHER_NAMES, JobRequest, instant_of, request_of_fields
from .labels import check_labels, check_meta
from .request import check_env, is_number
from .times import When, duration_s, moment_of, when_us


def request_from_mapping(mapping: Mapping[str, Any], *, now_us: int) -> JobRequest:
    """Read a request from a JSON object; its keys are those of the command line, with underscores.

    A time such as `tomorrow 9am` counts from `now_us`.

    Raises InvalidInput for an unknown key, a missing command or a value of the wrong type.
    """
    unknown = [key for key in mapping if OTHER_NAMES.get(key, key) not in _READERS]
    if unknown:
        raise InvalidInput("key", shown(unknown[0]), "one of " + ", ".join((*_READERS, *OTHER_NAMES)))
    if "command" not in mapping:
        raise InvalidInput("command", "nothing", 'a "command", for example {"command": "echo hi"}')
    fields: dict[str, Any] = {}
    for key, value in mapping.items():
        field = OTHER_NAMES.get(key, key)
        if value is not None:
            if field in fields:
                raise InvalidInput(key, shown(value), f"{field} to be given once")
            fields[field] = _READERS[field](key, value)
            if field in ("run_at", "expire_at"):
                fields[field] = moment_of(when_us(fields[field], now_us=now_us, ahead=True, field=key))
    if "command" not in fields:
        raise InvalidInput("command", "null", "a line of text or a list of words")
    return request_of_fields(**fields)


def request_of(request: JobRequest | Mapping[str, Any] | str, *, now_us: int) -> JobRequest:
    """Return a request, from one, from a mapping with the keys of the JSON form, or from a shell line."""
    if isinstance(request, JobRequest):
        return request
    if isinstance(request, str):
        return request_of_fields(request)
    if not isinstance(request, Mapping):
        raise InvalidInput("request", shown_with_kind(request), "a JobRequest, a mapping or a text")
    return request_from_mapping(request, now_us=now_us)


def _read_text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(key, shown_with_kind(value), "a text")
    return value


def _read_command(key: str, value: Any) -> Command:
    if not isinstance(value, list):
        return _read_text(key, value)
    value = [os.fspath(word) if isinstance(word, os.PathLike) else word for word in value]
    for place, word in enumerate(value, 1):
        if not isinstance(word, str):
            raise InvalidInput(key, f"{shown_with_kind(word)} as word {place}", "a text for each word")
    return tuple(value)


def _read_int(key: str, value: Any) -> int:
    if type(value) is not int:
        raise InvalidInput(key, shown_with_kind(value), "a whole number")
    return value


def _read_number(key: str, value: Any) -> float:
    if not is_number(value):
        raise InvalidInput(key, shown_with_kind(value), "a number")
    return value


def _read_duration(key: str, value: Any) -> float:
    return duration_s(value, field=key) if isinstance(value, str | timedelta) else _read_number(key, value)


def _read_path(key: str, value: Any) -> str:
    return _read_text(key, os.fspath(value) if isinstance(value, os.PathLike) else value)


def _read_time(key: str, value: Any) -> When:
    if key == "run_at_us":
        return instant_of(key, value)
    return value if isinstance(value, datetime | timedelta) or is_number(value) else _read_text(key, value)


def _read_ends(key: str, value: Any) -> str | int | tuple[str | int, ...]:
    if type(value) is int:
        return value
    return tuple(_read_end(key, each) for each in value) if isinstance(value, list) else _read_text(key, value)


def _read_end(key: str, value: Any) -> str | int:
    return value if type(value) is int else _read_text(key, value)


def _read_flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(key, shown_with_kind(value), "true or false")
    return value


def _read_choice(key: str, value: Any) -> str | tuple[str, ...]:
    if not isinstance(value, list):
        return _read_text(key, value)
    return tuple(_read_text(key, name) for name in value)


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "id": _read_text,
    "command": _read_command,
    "queue": _read_text,
    "priority": _read_int,
    "max_retries": _read_int,
    "timeout": _read_duration,
    "backoff_base": _read_number,
    "cwd": _read_path,
    "env": lambda key, value: check_env(value),
    "run_at": _read_time,
    "delay": _read_duration,
    "shell": _read_text,
    "inherit_env": _read_choice,
    "merge": _read_flag,
    "paused": _read_flag,
    "use": _read_choice,
    "mutex": _read_text,
    "unique": _read_text,
    "unique_for": _read_duration,
    "if_exists": _read_text,
    "after": _read_choice,
    "if_parent_fails": _read_text,
    "replace": _read_flag,
    "labels": lambda key, value: check_labels(value),
    "meta": lambda key, value: check_meta(value),
    "ok_on": _read_ends,
    "dead_on": _read_ends,
    "snooze_on": _read_ends,
    "retry_on": _read_ends,
    "snooze": _read_duration,
    "max_snoozes": _read_int,
    "backoff": _read_text,
    "backoff_max": _read_duration,
    "expire_in": _read_duration,
    "expire_at": _read_time,
    "if_expired": _read_text,
    "max_time": _read_duration,
}
"""JSON key, and field of the request, -> the reader of its value; a key may be one of OTHER_NAMES too."""
