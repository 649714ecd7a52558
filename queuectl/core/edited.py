"""What is asked of a job after an edit; pure."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import asdict, replace

from ..events.types import NO_OPTIONS, Edited, Expiry, JobOptions, JobSpec, Policy

_NOTHING: Final[Mapping[str, object]] = {
    **{"timeout_ms": 0, "cwd": "", "env": {}, "run_at_us": 0, "shell": ""},
    "inherited": b"",
}
"""Fields that an edit can empty -> the value that says so."""

_EMPTY: Final[tuple[object, ...]] = ({}, (), Policy(), Expiry(), 0)


def kept(option: Any) -> Any:
    """Return what is kept of an option that an edit names: None for an empty one."""
    return None if option in _EMPTY else option


def asked_of(edit: Edited) -> dict[str, Any]:
    """Return the fields that an edit changes in what is asked of a job, by name, without those of its options."""
    return {field: value for field, value in asdict(edit).items() if value is not None and field != "options"}


def options_of(edit: Edited) -> dict[str, Any]:
    """Return the options that an edit changes, by name."""
    fields = asdict(edit.options or NO_OPTIONS)
    return {field: value for field, value in fields.items() if value is not None and field != "paused"}


def edited(spec: JobSpec, edit: Edited) -> JobSpec:
    """Return what is asked for after an edit."""
    changed = asked_of(edit)
    for field, nothing in _NOTHING.items():
        if changed.get(field) == nothing:
            changed[field] = None
    if edit.run_at_us is not None:
        changed["due_us"] = edit.due_us
    if edit.timeout_ms is not None:
        changed["timeout_is_default"] = False
    return replace(spec, **changed)


def edited_options(options: JobOptions | None, edit: Edited) -> JobOptions | None:
    """Return what else is asked for after an edit; None if that is nothing."""
    if edit.options is None:
        return options
    changed = {field: kept(value) for field, value in options_of(edit).items()}
    after = replace(options or NO_OPTIONS, **changed)
    return None if after == NO_OPTIONS else after


def lifted(options: JobOptions | None) -> JobOptions | None:
    """Return the options of a job that is run again: of its time the total is left, which begins anew."""
    if options is None or options.expiry is None:
        return options
    most_ms = options.expiry.max_time_ms
    after = replace(options, expiry=None if most_ms is None else Expiry(max_time_ms=most_ms))
    return None if after == NO_OPTIONS else after
