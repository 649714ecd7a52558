"""Until when a job's attempts may start, and how much time they have together; pure, by the log's time."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from ..display import shown
from ..errors import InvalidInput
from ..events.policy import Expiry
from .job_request import JobRequest
from .times import LATEST_US, LONGEST_S, duration_s, log_time_us, time_json, when_us

EXPIRED: Final = "expired"
MAX_TIME: Final = "max_time"
ENDINGS: Final = (EXPIRED, MAX_TIME)
"""How a job ends of its time, in a word."""

FIELDS: Final = ("expire_in", "expire_at", "if_expired", "max_time")
"""What an expiry is made of, by the names that it is asked for with."""

IF_EXPIRED: Final = ("dead", "cancel")
"""What may become of a job that expires."""


class Deadline(NamedTuple):
    """The last moment at which an attempt may start, and what ends the job after it."""

    at_us: int
    ending: str


def deadline_in(expiry: Expiry, counted_from_us: int) -> Deadline:
    """Return the deadline of a job whose total time counts from a moment."""
    found: list[Deadline] = []
    if expiry.expires_us is not None:
        found.append(Deadline(expiry.due_us or expiry.expires_us, EXPIRED))
    if expiry.max_time_ms is not None:
        found.append(Deadline(counted_from_us + expiry.max_time_ms * 1000, MAX_TIME))
    return min(found)


def shortened_ms(expiry: Expiry, timeout_ms: int | None, spent_us: int) -> int | None:
    """Return how long an attempt may take that begins once so much of the total time is spent."""
    if expiry.max_time_ms is None:
        return timeout_ms
    left_ms = max(1, expiry.max_time_ms - spent_us // 1000)
    return left_ms if timeout_ms is None else min(left_ms, timeout_ms)


def expiry_of(request: JobRequest, *, now_us: int, wall_us: int) -> Expiry | None:
    """Return what a request says of a job's time, None for nothing; raises InvalidInput.

    `now_us` is the log's time, `wall_us` the machine's, from which what people name counts.
    """
    expires_us = _expires_us(request, wall_us)
    if request.if_expired is not None and request.if_expired not in IF_EXPIRED:
        raise InvalidInput("if_expired", shown(request.if_expired), " or ".join(IF_EXPIRED))
    if request.if_expired is not None and expires_us is None:
        raise InvalidInput("if_expired", "no time", "an expire_in or expire_at as well")
    max_time_ms = None if request.max_time is None else _max_time_ms(request.max_time)
    if expires_us is None and max_time_ms is None:
        return None
    due_us = None
    if expires_us is not None:
        due_us = min(log_time_us(expires_us, log_now_us=now_us, wall_now_us=wall_us), LATEST_US)
    cancels = request.if_expired == "cancel"
    return Expiry(expires_us, None if due_us == expires_us else due_us, cancels, max_time_ms)


def _expires_us(request: JobRequest, wall_us: int) -> int | None:
    if request.expire_at is not None:
        if request.expire_in is not None:
            raise InvalidInput("expire_in", "an expire_at as well", "either of them")
        return when_us(request.expire_at, now_us=wall_us, ahead=True, field="expire_at")
    if request.expire_in is None:
        return None
    if (expire_s := duration_s(request.expire_in, field="expire_in")) > LONGEST_S:
        raise InvalidInput("expire_in", shown(request.expire_in), "at most 100 years")
    return min(wall_us + round(expire_s * 1_000_000), LATEST_US)


def _max_time_ms(given: Any) -> int:
    if not 0 < (max_time_s := duration_s(given, field="max_time")) <= LONGEST_S:
        raise InvalidInput("max_time", shown(given), "more than 0, at most 100 years")
    return max(1, round(max_time_s * 1000))


def check_expiry(expiry: Expiry) -> None:
    """Refuse what no request becomes; raises InvalidInput."""
    for field, at_us in (("expire_at", expiry.expires_us), ("due", expiry.due_us)):
        if at_us is not None and not 0 <= at_us <= LATEST_US:
            raise InvalidInput(field, shown(at_us), "a time from 1970 to 9999")
    if expiry.max_time_ms is not None and not 0 < expiry.max_time_ms <= LONGEST_S * 1000:
        raise InvalidInput("max_time", shown(expiry.max_time_ms), "milliseconds, more than 0, of at most 100 years")
    if expiry.expires_us is None and (expiry.cancels or expiry.due_us is not None):
        raise InvalidInput("if_expired", "no time", "a time at which the job expires")


def with_time_of(edited: Expiry | None, before: Expiry | None, changed: Sequence[str]) -> Expiry | None:
    """Return an edited expiry with the very time that it had before, where no other was named."""
    if edited is None or before is None or before.expires_us is None or {"expire_in", "expire_at"} & set(changed):
        return edited
    return replace(edited, expires_us=before.expires_us, due_us=before.due_us)


def expiry_form(expiry: Expiry) -> dict[str, Any]:
    """Return what an expiry says under the names that it is asked for with."""
    form: dict[str, Any] = {}
    if expiry.expires_us is not None:
        form = {"expire_at": time_json(expiry.expires_us), "if_expired": IF_EXPIRED[expiry.cancels]}
    if expiry.max_time_ms is not None:
        form["max_time"] = expiry.max_time_ms / 1000 if expiry.max_time_ms % 1000 else expiry.max_time_ms // 1000
    return form
