"""Times and durations as people write them; pure: what now is, the caller says.

A time without a zone is local time, summer time included. One that several moments answer to (10:00,
monday 9am) means the next of them to someone who looks ahead, the last to someone who looks back.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, TypeAlias

from ..display import shown
from ..errors import InvalidInput
from ..system.interrupts import own

LATEST_US: Final = 253_402_300_799_000_000
"""The end of the year 9999, the last that ISO 8601 can write."""

LONGEST_S: Final = 100 * 366 * 86_400
"""The longest duration, about 100 years."""

DURATIONS: Final = "seconds, 0 or more, or for example 90s, 5m, 1h30m, 2d, 500ms"
TIMES: Final = "a time from 1970 on, for example 2026-01-01T10:00, 17:30, 5m ago, in 2h, yesterday 17:30, tomorrow 9am"

_LONGEST: Final = 64
"""Characters of the longest text that is looked at."""

_UNITS_S: Final = {
    "ms|msecs?|milliseconds?": 0.001,
    "s|secs?|seconds?": 1.0,
    "m|mins?|minutes?": 60.0,
    "h|hrs?|hours?": 3600.0,
    "d|days?": 86_400.0,
    "w|weeks?": 7 * 86_400.0,
}
# Patterns are texts, which re compiles when they are first used and keeps: together that takes a command a millisecond.
_PART: Final = rf"([0-9]+(?:\.[0-9]+)?) ?({'|'.join(_UNITS_S)})(?![a-z]) ?"
_PARTS: Final = rf"(?:{_PART})+"
_SECONDS: Final = r"[0-9]+(?:\.[0-9]+)?"
_CLOCK: Final = (
    r"(?:at )?(?:(?P<word>noon|midnight)|(?P<hour>[0-9]{1,2})"
    r"(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,6}))?)?)? ?(?P<half>am|pm)?)"
)
_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)


def time_json(at_us: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC with Z."""
    if at_us is None:
        return None
    return moment_of(at_us).isoformat(timespec="microseconds").replace("+00:00", "Z")


Duration: TypeAlias = float | str | timedelta
"""What a duration may be in Python: seconds, a text such as `10m`, or a timedelta."""

When: TypeAlias = datetime | str | timedelta | float
"""What a time may be in Python: a datetime, a text such as `tomorrow 9am`, a distance from now, or a number.

A number is of seconds since the epoch, and from MICROSECONDS_FROM on of microseconds.
"""

MICROSECONDS_FROM: Final = 100_000_000_000
"""The first number that is of microseconds: nobody means the early 2nd of January 1970, or a second after 5138."""

_LARGEST: Final = 2**63


def duration_s(value: Duration, *, field: str) -> float:
    """Return a duration in seconds; raises InvalidInput that names the field."""
    if isinstance(value, str):
        return parse_duration_s(value, field=field)
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if type(seconds) not in (int, float) or not 0 <= seconds < _LARGEST:
        raise InvalidInput(field, shown(value), DURATIONS)
    return seconds


def before_us(age: Duration, *, now_us: int, field: str) -> int:
    """Return the time so long before now, 1970 at the earliest; raises InvalidInput that names the field."""
    if (age_s := duration_s(age, field=field)) > LONGEST_S:
        raise InvalidInput(field, shown(age), "at most 100 years")
    return max(0, now_us - int(age_s * 1_000_000))


def when_us(value: When, *, now_us: int, ahead: bool, field: str) -> int:
    """Return a time in microseconds since the epoch; raises InvalidInput that names the field.

    A timedelta is so long after now if `ahead`, else before.
    """
    if isinstance(value, str):
        return parse_time_us(value, now_us=now_us, ahead=ahead, field=field)
    if isinstance(value, timedelta):
        distance_us = value // _MICROSECOND  # a number before it is turned round: the longest timedelta has no opposite
        at_us = now_us + (distance_us if ahead else -distance_us)
    else:
        at_us = time_us(value, field=field) if isinstance(value, datetime) else _numbered_us(value)
    if not 0 <= at_us <= LATEST_US:
        raise InvalidInput(field, shown(value), TIMES)
    return at_us


def _numbered_us(value: float) -> int:
    """Return a number of seconds or of microseconds since the epoch in microseconds, -1 for what can be neither."""
    if type(value) not in (int, float) or not 0 <= value <= LATEST_US:
        return -1
    return round(value * 1_000_000 if value < MICROSECONDS_FROM else value)


Instant: TypeAlias = datetime
"""A datetime that knows its zone."""


def moment_of(at_us: int) -> Instant:
    """Return a time in microseconds since the epoch as an aware datetime, in UTC."""
    return _EPOCH + timedelta(microseconds=at_us)


PACE: Final = 2
"""How much slower than the machine's clock the log's time goes while it is ahead of it (`engine.log_clock`)."""


def log_time_us(wall_us: int, *, log_now_us: int, wall_now_us: int) -> int:
    """Return what the log's time will be when the machine's clock shows a time.

    They are the same unless the log is ahead, because the clock was and has been put right: until the clock
    has caught up, the log's time goes at half the pace.
    """
    if log_now_us <= wall_now_us or wall_us <= wall_now_us:
        return wall_us
    return max(wall_us, log_now_us + (wall_us - wall_now_us) // PACE)


def wall_time_us(log_us: int, *, log_now_us: int, wall_now_us: int) -> int:
    """Return what the machine's clock will show at a time of the log, as log_time_us() has it; not before now.

    Of a time that the clock has passed it is that time, also where the log's clock was ahead then.
    """
    if log_us <= wall_now_us or log_now_us <= wall_now_us:
        return log_us
    return min(log_us, wall_now_us + max(0, log_us - log_now_us) * PACE)


def parse_duration_s(text: str, *, field: str = "duration") -> float:
    """Read a duration in seconds: `90`, `90s`, `5m`, `1h30m`, `2d`, `500ms`, `5 minutes`.

    Raises InvalidInput.
    """
    plain = _plain(text)
    seconds = float(plain) if re.fullmatch(_SECONDS, plain) else _sum_s(plain)
    if seconds is None:
        raise InvalidInput(field, shown(text), DURATIONS)
    if seconds > LONGEST_S:
        raise InvalidInput(field, shown(text), "at most 100 years")
    return seconds


def parse_time_us(text: str, *, now_us: int, ahead: bool, field: str = "time") -> int:
    """Read a time in microseconds since the epoch.

    ISO 8601 (`2026-01-01T10:00:00Z`, `2026-01-01`), a time of day (`10:00`, `9am`), `now`, `5m ago`,
    `in 2h`, and a day with or without a time of day after it: `yesterday 17:30`, `tomorrow`,
    `monday 10:00`. Raises InvalidInput.
    """
    try:
        at_us = _read(text, now_us, ahead)
    except own(ValueError, OverflowError, InvalidInput):
        at_us = None
    if at_us is None or not 0 <= at_us <= LATEST_US:
        raise InvalidInput(field, shown(text), TIMES)
    return at_us


def is_left_out(text: str, at_us: int) -> bool:
    """Whether a text, read as `at_us`, names a local time that clocks leave out as they are put forward."""
    plain = _plain(text)
    clock = _clock(plain) or _clock(plain.partition(" ")[2])
    if clock is None:
        try:
            named = datetime.fromisoformat(text.strip())
        except own(ValueError):
            return False
        if named.tzinfo is not None:
            return False
        clock = named.time()
    return datetime.fromtimestamp(at_us // 1_000_000).time() != clock.replace(microsecond=0)


def time_us(moment: datetime, *, field: str = "time") -> int:
    """Return a datetime in microseconds since the epoch, exactly; a naive one is local time.

    Raises InvalidInput.
    """
    try:
        if moment.tzinfo is None:  # astimezone() would read a time that clocks leave out as an hour too early
            return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond
        return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND
    except own(ValueError, OverflowError):
        raise InvalidInput(field, str(moment), "one from 1970 to 9999") from None


def _read(text: str, now_us: int, ahead: bool) -> int | None:
    plain = _plain(text)
    if plain == "now":
        return now_us
    if (distance_us := _distance_us(plain)) is not None:
        return now_us + distance_us
    if (clock := _clock(plain)) is not None:
        return _nearest([_today(now_us) + step * _DAY for step in (-2, -1, 0, 1, 2)], clock, now_us, ahead)
    first, _, rest = plain.partition(" ")
    clock = _clock(rest) if rest else time()
    if clock is not None and first in _DAYS:
        return time_us(datetime.combine(_today(now_us) + _DAYS[first] * _DAY, clock))
    if clock is not None and (weekday := _weekday(first)) is not None:
        days = [_today(now_us) + step * _DAY for step in range(-8, 9)]
        return _nearest([day for day in days if day.weekday() == weekday], clock, now_us, ahead)
    if clock is not None and re.fullmatch(_DATE, first):
        return time_us(datetime.combine(date.fromisoformat(first), clock))
    return time_us(datetime.fromisoformat(text.strip()))


def _plain(text: str) -> str:
    return " ".join(text[: _LONGEST + 1].lower().split()) if len(text) <= _LONGEST else ""


def _sum_s(plain: str) -> float | None:
    """Add up numbers with units; None where that is not what it is."""
    if not re.fullmatch(_PARTS, plain):
        return None
    return sum(float(number) * _unit_s(unit) for number, unit in re.findall(_PART, plain))


def _unit_s(unit: str) -> float:
    return next(seconds for names, seconds in _UNITS_S.items() if re.fullmatch(names, unit))


def _distance_us(plain: str) -> int | None:
    """Read `5m ago` or `in 2h` as microseconds from now."""
    back, ahead = plain.removesuffix(" ago"), plain.removeprefix("in ")
    if (back == plain) == (ahead == plain):
        return None
    seconds = _sum_s(back if back != plain else ahead)
    return None if seconds is None else round(seconds * 1_000_000) * (1 if back == plain else -1)


def _clock(plain: str) -> time | None:
    found = re.fullmatch(_CLOCK, plain)
    if found is None:
        return None
    if found["word"]:
        return time(12 if found["word"] == "noon" else 0)
    hour, half = int(found["hour"]), found["half"]
    if half is None and found["minute"] is None:
        return None  # a bare number is no time of day
    if half is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    fraction = (found["fraction"] or "").ljust(6, "0")
    return time(hour, int(found["minute"] or 0), int(found["second"] or 0), int(fraction))


def _weekday(word: str) -> int | None:
    found = [place for place, name in enumerate(_WEEKDAYS) if word in (name, name[:3], name[:4])]
    return found[0] if found else None


def _today(now_us: int) -> date:
    return (_EPOCH + timedelta(microseconds=now_us)).astimezone().date()


def _nearest(days: Iterable[date], clock: time, now_us: int, ahead: bool) -> int:
    """Return the first moment after now at which local clocks show this on one of these days, or the last until now."""
    moments: list[int] = []
    for day in days:
        first, second = (time_us(datetime.combine(day, clock.replace(fold=fold))) for fold in (0, 1))
        moments += [first, second] if second > first else [first]  # two in the hour that clocks repeat
    if ahead:
        return min(moment for moment in moments if moment > now_us)
    return max(moment for moment in moments if moment <= now_us)
