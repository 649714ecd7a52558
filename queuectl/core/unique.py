"""Unique keys: what a request says of the one that it asks for, checked; pure."""

from typing import Final, NamedTuple

from ..display import shown
from ..errors import InvalidInput
from .job import Job
from .job_request import JobRequest
from .times import LATEST_US, LONGEST_S, duration_s

RETURN: Final = "return"
REFUSE: Final = "refuse"
REPLACE: Final = "replace"
IF_EXISTS: Final = (RETURN, REFUSE, REPLACE)
"""What may become of a request whose key another job holds; the first is the default."""

KEY_CHARS: Final = 120
"""The longest key."""


class Answer(NamedTuple):
    """The job that a request came to; `existing`: it was there before and holds the request's unique key.

    `edited`: it waited, and was edited into what was asked.
    """

    job: Job
    existing: bool = False
    edited: bool = False


def unique_of(request: JobRequest, *, now_us: int) -> tuple[str | None, int | None]:
    """Return the key that a request asks for, and until when it is held in any case, by the log's time.

    None for each that it says nothing of. Raises InvalidInput.
    """
    key, held_for, wanted = request.unique, request.unique_for, request.if_exists
    if wanted is not None and wanted not in IF_EXISTS:
        raise InvalidInput("if_exists", shown(wanted), "return, refuse or replace")
    if wanted == REPLACE and request.after:
        raise InvalidInput("if_exists", REPLACE, "return or refuse for a job that waits for others: an edit adds none")
    if key is None:
        if held_for is not None or wanted is not None:
            raise InvalidInput("if_exists" if held_for is None else "unique_for", "no key", "a unique as well")
        return None, None
    check_key(key)
    if held_for is None:
        return key, None
    if not 0 < (held_s := duration_s(held_for, field="unique_for")) <= LONGEST_S:
        raise InvalidInput("unique_for", shown(held_for), "more than 0, at most 100 years")
    return key, min(now_us + max(1, round(held_s * 1_000_000)), LATEST_US)


def check_key(key: str) -> str:
    """Return a key when it can be one: 1 to 120 printable characters; raises InvalidInput."""
    if not isinstance(key, str) or not 0 < len(key) <= KEY_CHARS or not key.isprintable():
        raise InvalidInput("unique", shown(key), f"1 to {KEY_CHARS} printable characters")
    return key
