"""What jobs share: limits, and what a job uses of them; pure.

A limit has a name, and says how many units may be in use at once, how many runs may start in a time, or both. A job
uses units of it (`gpu=2`), or is one of those of a value (`user:42`), each of which counts by itself.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from ..display import shown
from ..errors import InvalidInput
from ..events.types import Frozen
from ..system.packing import pack
from .times import parse_duration_s

MUTEX: Final = "mutex"
"""The limit of which every value has one unit, and that nobody sets."""

QUEUE: Final = "queue"
"""`queue:NAME` limits how many jobs of a queue run."""

RESERVED: Final = frozenset({MUTEX, QUEUE, "group"})

MOST_PLAIN: Final = 4
MOST_UNITS: Final = 1_000_000

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VALUE: Final = re.compile(r"[A-Za-z0-9@+/][A-Za-z0-9._@+/-]{0,99}")
DIGEST_BYTES: Final = 8
NO_VALUE: Final = bytes(DIGEST_BYTES)
"""In place of the digest of a value, of jobs that use none."""

LONGEST_PERIOD_S: Final = 366 * 86_400
RATES: Final = "a rate, for example 100/min, 5/s or 10/30s"
USES: Final = "NAME, NAME=UNITS or NAME:VALUE"


class Use(NamedTuple):
    """What a job uses of a limit: so many units, or one of a value's."""

    limit: str
    value: str | None = None
    units: int = 1

    @property
    def name(self) -> str:
        """What is counted: the limit, or the value of it."""
        return self.limit if self.value is None else f"{self.limit}:{self.value}"

    @property
    def text(self) -> str:
        """The use as it is typed and stored."""
        return self.name if self.units == 1 else f"{self.name}={self.units}"


class Limit(Frozen, array_like=True):
    """How much may be in use at once (None: any), and how many may start: `starts` in `period_us`, `burst` at once."""

    running: int | None = None
    starts: int | None = None
    period_us: int | None = None
    burst: int = 1

    def but(self, **changes: int | None) -> "Limit":
        """Return a limit with some of its fields changed."""
        return replace(self, **changes)


class LimitClass(Frozen, array_like=True):
    """Jobs that the same limits let run: of one queue, with the same plain uses.

    `keyed` is the limit of which each of them uses a value, if any.
    """

    queue: str
    plain: tuple[tuple[str, int], ...]
    keyed: str | None

    @property
    def rated(self) -> tuple[str, ...]:
        """The limits whose rates its starts count in: all that it uses, by units or by a value."""
        names = tuple(name for name, _ in self.plain)
        return names if self.keyed is None else (*names, self.keyed)


class Lane(NamedTuple):
    """Where a job that uses limits stands in line: the digests of its class and of its value of the keyed limit.

    `packed` says which these are, as LaneNames.
    """

    class_digest: bytes
    value_digest: bytes
    packed: bytes


class LaneNames(Frozen, array_like=True):
    """The class of a lane, and the value, with its limit, whose jobs stand in it; None: of jobs that use no value."""

    of: LimitClass
    value: str | None


@lru_cache(maxsize=4096)
def lane_of(queue: str, use: tuple[str, ...]) -> Lane:
    """Return where a job of a queue stands in line, by what it uses."""
    value = next((text for text in use if ":" in text), None)
    keyed = None if value is None else value.partition(":")[0]
    of, digest = _class_of(queue, tuple(text for text in use if text != value), keyed)
    return Lane(digest, NO_VALUE if value is None else digest_of(value), pack(LaneNames(of, value)))


@lru_cache(maxsize=1024)
def _class_of(queue: str, plain: tuple[str, ...], keyed: str | None) -> tuple[LimitClass, bytes]:
    of = LimitClass(queue, used_by(plain), keyed)
    return of, _digest(pack(of))


@lru_cache(maxsize=4096)
def digest_of(value: str) -> bytes:
    """Return the digest under which the jobs of a limit's value stand in line."""
    return _digest(value.encode())


def _digest(named: bytes) -> bytes:
    from hashlib import blake2b  # only for jobs that use limits: it costs a command its start

    return blake2b(named, digest_size=DIGEST_BYTES).digest()


@lru_cache(maxsize=4096)
def used_by(use: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Return what a running job uses: each name that is counted, and its units."""
    parts = (text.partition("=") for text in use)  # as canonical() made them: parse() costs ten times as much
    return tuple((name, int(units or 1)) for name, _, units in parts)


def parse(text: str) -> Use:
    """Read a use; raises InvalidInput."""
    name, has_units, units = text.partition("=")
    limit, has_value, value = name.partition(":")
    is_good = _NAME.fullmatch(limit) and (not has_value or _VALUE.fullmatch(value)) and not (has_value and has_units)
    if not is_good or (has_units and not (units.isascii() and units.isdigit() and 1 <= int(units[:9]) <= MOST_UNITS)):
        raise InvalidInput("use", shown(text), f"{USES}, of 1 to {MOST_UNITS:,} units")
    return Use(limit, value if has_value else None, int(units) if has_units else 1)


def canonical(texts: Iterable[str]) -> tuple[str, ...]:
    """Check what a job uses, and return it in the one order and form; raises InvalidInput."""
    uses = sorted(set(map(parse, texts)), key=lambda each: each.name)
    for one, other in pairwise(uses):
        if one.name == other.name:
            raise InvalidInput("use", f"{one.text}, {other.text}", "each limit once")
    keyed = [each for each in uses if each.value is not None]
    if len(keyed) > 1:
        raise InvalidInput("use", ", ".join(each.text for each in keyed), "at most one use of a value, NAME:VALUE")
    if len(uses) - len(keyed) > MOST_PLAIN:
        raise InvalidInput("use", f"{len(uses)} limits", f"at most {MOST_PLAIN} beside one of a value")
    for each in uses:
        if each.limit in RESERVED - {MUTEX} or (each.limit == MUTEX and each.value is None):
            expected = f"the name of a limit of yours; {', '.join(sorted(RESERVED))} are not, but for {MUTEX}:NAME"
            raise InvalidInput("use", shown(each.text), expected)
    return tuple(each.text for each in uses)


def mutex_use(name: str) -> str:
    """Return the use of a mutex; raises InvalidInput for what cannot be its name."""
    if not isinstance(name, str) or not _VALUE.fullmatch(name):
        raise InvalidInput("mutex", shown(name), "1 to 100 letters, digits and '._@+/-', led by none of '._-'")
    return f"{MUTEX}:{name}"


def check_counted(text: Any) -> str:
    """Return a name of which jobs can use something, a limit's or that of a value; raises InvalidInput."""
    if isinstance(text, str):
        limit, has_value, value = text.partition(":")
        if _NAME.fullmatch(limit) and (not has_value or _VALUE.fullmatch(value)):
            return text
    raise InvalidInput("limit", shown(text), "NAME, NAME:VALUE or queue:NAME")


def check_name(text: Any) -> str:
    """Return the name of a limit that can be set: NAME, NAME:VALUE or queue:NAME; raises InvalidInput."""
    name = check_counted(text)
    limit, has_value, _ = name.partition(":")
    if limit in RESERVED and not (limit == QUEUE and has_value):
        raise InvalidInput("limit", shown(name), f"a name of your own; {limit} has its meaning already")
    return name


def check_limit(name: str, limit: Limit) -> None:
    """Refuse what no limit of a name can be, one that limits nothing among it; raises InvalidInput."""
    starts, period_us = limit.starts, limit.period_us
    if limit.running is None and starts is None and period_us is None:
        raise InvalidInput("limit", "nothing", "how many run at once (running), or how many start (rate)")
    if (starts is None) != (period_us is None):
        raise InvalidInput("rate", "half of one", "how many start and in which time, or neither")
    if starts is not None and period_us is not None and starts > period_us:
        raise InvalidInput("rate", f"{starts:,} starts in {period_us:,} \N{MICRO SIGN}s", "at most a million a second")
    if ":" in name and not name.startswith(f"{QUEUE}:") and starts is not None:
        raise InvalidInput("rate", shown(name), "the limit of all values, or of a queue; one value has none")


def cap_of(name: str, limits: Mapping[str, Limit]) -> int | None:
    """Return how many units of a name may be in use: None is any, 0 none; a limit that is not set has none.

    A value goes by a limit of its own, if one is set, and else by that of all values.
    """
    limit, has_value, _ = name.partition(":")
    if limit == MUTEX:
        return 1
    found = limits.get(name) or (limits.get(limit) if has_value else None)
    return 0 if found is None else found.running


def may_start_us(limit: Limit, tat_us: int) -> int:
    """Return when the next run may start that a limit's rate lets start; `tat_us` is as next_tat_us() returned it.

    The rate is kept by GCRA (ITU-T I.371): `tat_us` is when the next start would be due were all evenly spread.
    """
    if limit.starts is None or limit.period_us is None:
        return 0
    return tat_us - (limit.burst - 1) * (limit.period_us // limit.starts)


def next_tat_us(limit: Limit, tat_us: int, now_us: int, starts: int = 1) -> int:
    """Return when the start after these would be due, where they are now."""
    if limit.starts is None or limit.period_us is None:
        return 0
    return max(tat_us, now_us) + starts * (limit.period_us // limit.starts)


def check_running(running: Any) -> int | None:
    """Return how many may be in use, None for any number; raises InvalidInput."""
    if running is None or running == "none":
        return None
    if type(running) is not int or not 0 <= running <= MOST_UNITS:
        raise InvalidInput("running", shown(running), f"a whole number from 0 to {MOST_UNITS:,}, or none")
    return running


def check_burst(burst: Any) -> int:
    """Return how many may start at once; raises InvalidInput."""
    if burst is None:
        return 1
    if type(burst) is not int or not 1 <= burst <= MOST_UNITS:
        raise InvalidInput("burst", shown(burst), f"a whole number from 1 to {MOST_UNITS:,}")
    return burst


def limit_of_rate(rate: str | None) -> tuple[Limit, tuple[str, ...]]:
    """Read a rate: `100/min`, `5/s`, `10/30s`, or `none`; returns the limit, and what of it is to stay as it was.

    Raises InvalidInput.
    """
    if rate is None:
        return Limit(), ("starts", "period_us")
    if rate == "none":
        return Limit(), ()
    count, _, period = rate.partition("/")
    if not period.strip() or not (count.isascii() and count.isdigit() and 1 <= int(count[:9]) <= MOST_UNITS):
        raise InvalidInput("rate", shown(rate), RATES)
    text = period.strip()
    seconds = parse_duration_s(text if text[:1].isdigit() else f"1{text}", field="rate")
    if not 0 < seconds <= LONGEST_PERIOD_S or int(count) > seconds * 1_000_000:
        raise InvalidInput("rate", shown(rate), f"{RATES}, of at most a million a second, and in at most a year")
    return Limit(starts=int(count), period_us=round(seconds * 1_000_000)), ()
