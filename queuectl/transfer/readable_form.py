"""What a line of an export says of an event in words, against what its stored bytes say; pure.

People and other programs read the words, and an import keeps the bytes: a line in which they differ would be
taken for what it is not.
"""

from collections.abc import Mapping
from typing import Any

from ..display import shown
from ..events.types import Edited, Recorded
from ..queries.json_form import event_json, event_values
from ..system.untrusted import is_same


def difference(line: Mapping[str, Any], recorded: Recorded, job_id: str | None) -> str | None:
    """Return the first difference between a line and its event, None if there is none; `job_id`: of the event's job.

    Only what both say is compared: an earlier release knew fewer fields, a later one may know more.
    """
    readable = event_json(recorded, job_id)
    data = readable.pop("data")
    if isinstance(recorded.event, Edited):  # of which the words leave out what stayed as it was
        data = event_values(recorded.event)
    found = _first(line, readable, "") or _first(line.get("data", {}), data, "data.")
    return None if found is None else f"the event at position {recorded.position} says {found}"


def _first(said: Any, is_so: Mapping[str, Any], prefix: str) -> str | None:
    """Return the first of the fields which both have that is not the same, with either value."""
    if not isinstance(said, dict):
        return f"{prefix.rstrip('.')} {shown(said)}, and its raw has fields there"
    for name, found in is_so.items():
        if name in said and not is_same(said[name], found):
            return f"{prefix}{name} {shown(said[name])}, and its raw says {shown(found)}"
    return None
