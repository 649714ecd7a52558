"""What is asked of a job after an edit; pure."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import asdict, replace

from ..events.types import NO_OPTIONS, Edited, JobOptions, JobSpec

_NOTHING: Final[Mapping[str, object]] = {"timeout_ms": 0, "cwd": "", "env": {}, "run_at_us": 0, "shell": ""}
"""Fields that an edit can empty -> the value that says so."""


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
    """Return what else is asked for after an edit, where an empty mapping is none; None if that is nothing."""
    if edit.options is None:
        return options
    changed = {field: value or None for field, value in options_of(edit).items()}
    after = replace(options or NO_OPTIONS, **changed)
    return None if after == NO_OPTIONS else after
