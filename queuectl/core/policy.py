"""What a job says of how its runs end and of its retries: read, brought into one form, and applied; pure.

Each list of ends is kept as one text: codes sorted, neighbours joined to ranges, then words, then signals. So equal
policies have equal bytes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from ..display import shown
from ..errors import InvalidInput
from ..events.policy import Policy
from ..events.types import Failure
from ..system.interrupts import own
from .comma_list import words_of
from .job_request import JobRequest
from .times import LONGEST_S, duration_s

LISTS: Final = ("ok_on", "dead_on", "snooze_on", "retry_on")
"""The lists of a policy, in the order in which they are looked at."""

FIELDS: Final = (*LISTS, "snooze", "max_snoozes", "backoff", "backoff_max")
"""What a policy is made of, by the names that it is asked for with."""

MOST_CODE: Final = 255
MOST_SNOOZES: Final = 1_000_000
SNOOZES: Final = 100
"""After how many snoozes a run that would be one more counts as failed, unless the job says otherwise."""

MOST_WAITS: Final = 100
NOT_LISTED: Final = "not in retry_on"
"""What ended a job whose run ended in a way that its `retry_on` does not name."""

_WORDS: Final[Mapping[str, str]] = {
    Failure.SIGNAL: "signal",
    Failure.TIMEOUT: "timeout",
    Failure.LOST: "lost",
    Failure.SPAWN_ERROR: "spawn",
}
"""How a run failed -> the word for that in a list."""

_IN_ORDER: Final = tuple(_WORDS.values())
_SIGNAL: Final = r"SIG[A-Z][A-Z0-9]{0,15}(?:[+-][0-9]{1,2})?"
_CODES: Final = r"([0-9]{1,3})(?: ?- ?([0-9]{1,3}))?"
_EXPECTED: Final = "exit codes from 0 to 255 such as 1,64-68, and " + ", ".join(_IN_ORDER) + " or a signal's name"
_BACKOFFS: Final = "exp:2, fixed:30s or list:1s,10s,1m"


class Ruling(NamedTuple):
    """What follows from how a run ended, and which entry of which list says so, None where none does."""

    follows: Literal["ok", "dead", "snooze", "retry"]
    by: str | None


def ruling(policy: Policy, failure: str, return_code: int | None, signal: str | None) -> Ruling:
    """Return what a policy says of a run that did not end with exit code 0: the first of its lists that names it."""
    for name, ends, follows in (
        ("ok_on", policy.ok_on, "ok"),
        ("dead_on", policy.dead_on, "dead"),
        ("snooze_on", policy.snooze_on, "snooze"),
        ("retry_on", policy.retry_on, "retry"),
    ):
        if ends is not None and (entry := _entry(ends, failure, return_code, signal)) is not None:
            return Ruling(follows, f"{name} {entry}")  # type: ignore[arg-type]  # one of the four
    return Ruling("retry", None) if policy.retry_on is None else Ruling("dead", NOT_LISTED)


def _entry(ends: str, failure: str, return_code: int | None, signal: str | None) -> str | None:
    """Return the entry of a list that names how a run ended."""
    codes, words = _read(ends)
    if failure == Failure.EXIT_CODE:
        return codes.get(return_code) if return_code is not None else None
    if failure == Failure.SIGNAL and signal in words:
        return signal
    word = _WORDS.get(failure)
    return word if word in words else None


@lru_cache(maxsize=256)
def _read(ends: str) -> tuple[Mapping[int, str], frozenset[str]]:
    """Return a list in its one form as codes, each with its entry, and words."""
    codes: dict[int, str] = {}
    words: list[str] = []
    for entry in ends.split(","):
        if entry[0].isdigit():
            first, _, last = entry.partition("-")
            codes |= dict.fromkeys(range(int(first), int(last or first) + 1), entry)
        else:
            words.append(entry)
    return codes, frozenset(words)


def check_ends(field: str, given: Any, *, known: bool = True) -> str | None:
    """Return a list of ends in its one form, None for one that says nothing; raises InvalidInput.

    Exit code 0 is always a good end: `ok_on` may name it, which says nothing, and no other list may.
    `known`: a signal is to be one of this machine's.
    """
    codes: set[int] = set()
    words: set[str] = set()
    for each in _each(field, given):
        if isinstance(each, int):
            first = last = each
        elif found := re.fullmatch(_CODES, each):
            first, last = int(found[1]), int(found[2] or found[1])
        else:
            words.add(_word(field, each, known=known))
            continue
        if not 0 <= first <= last <= MOST_CODE:
            raise InvalidInput(field, shown(each), _EXPECTED)
        if not first and field != "ok_on":
            raise InvalidInput(field, shown(each), "codes from 1 on: a run that exits with 0 has always completed")
        codes.update(range(max(first, 1), last + 1))
    return ",".join((*_joined(sorted(codes)), *filter(words.__contains__, _IN_ORDER), *_signals(words))) or None


def _each(field: str, given: Any) -> Iterator[str | int]:
    for each in given if isinstance(given, list | tuple) else (given,):
        if isinstance(each, str):
            yield from (word.strip() for word in words_of(each))
        elif type(each) is int:
            yield each
        else:
            raise InvalidInput(field, shown(each), _EXPECTED)


def _word(field: str, each: str, *, known: bool) -> str:
    word = each.lower()
    if word in _IN_ORDER:
        return word
    name = each.upper() if word.startswith("sig") else f"SIG{each.upper()}"
    if not re.fullmatch(_SIGNAL, name) or (known and not _is_known(name)):
        raise InvalidInput(field, shown(each), _EXPECTED)
    return name


def _is_known(name: str) -> bool:
    from signal import Signals  # seldom wanted

    return re.split(r"[+-]", name)[0] in Signals.__members__


def _signals(words: set[str]) -> list[str]:
    return sorted(words.difference(_IN_ORDER))


def _joined(codes: Sequence[int]) -> Iterator[str]:
    """Yield codes, those that follow each other as one range."""
    start = 0
    for place, code in enumerate(codes, 1):
        if place == len(codes) or codes[place] != code + 1:
            first = codes[start]
            yield str(code) if first == code else f"{first}-{code}"
            start = place


def base_of(request: JobRequest) -> float | None:
    """Return the base of the backoff that a request names, None for one of another form; raises InvalidInput."""
    return _backoff(request.backoff)[0]


def policy_of(request: JobRequest) -> Policy | None:
    """Return what a request says of how runs end and of retries, None for nothing; raises InvalidInput."""
    waits_ms = None if request.backoff is None else _backoff(request.backoff)[1]
    if request.backoff is not None and request.backoff_base is not None:
        raise InvalidInput("backoff", "a backoff_base as well", "either of them")
    lists = {name: check_ends(name, ends) for name in LISTS if (ends := getattr(request, name)) is not None}
    policy = Policy(
        **lists,
        snooze_ms=_duration_ms("snooze", request.snooze),
        max_snoozes=request.max_snoozes,
        waits_ms=waits_ms,
        wait_max_ms=_duration_ms("backoff_max", request.backoff_max),
    )
    check_policy(policy)
    return None if policy == Policy() else policy


def check_policy(policy: Policy) -> None:
    """Refuse what no request becomes; raises InvalidInput."""
    for name in LISTS:
        ends = getattr(policy, name)
        if ends is not None and (form := check_ends(name, ends, known=False)) != ends:
            raise InvalidInput(name, shown(ends), f"{shown(form)}, which is its one form")
    most = policy.max_snoozes
    if most is not None and (type(most) is not int or not 0 <= most <= MOST_SNOOZES):
        raise InvalidInput("max_snoozes", shown(most), f"a whole number from 0 to {MOST_SNOOZES}")
    if policy.snooze_on is None and (policy.snooze_ms is not None or most is not None):
        raise InvalidInput("snooze", "no snooze_on", "one that says after which ends the job is snoozed")
    waits = policy.waits_ms
    if waits is not None and not 0 < len(waits) <= MOST_WAITS:
        raise InvalidInput("backoff", f"{len(waits)} waits", f"1 to {MOST_WAITS}")
    for name, each in (
        ("snooze", policy.snooze_ms),
        ("backoff_max", policy.wait_max_ms),
        *(("backoff", wait) for wait in waits or ()),
    ):
        if each is not None and not 0 <= each <= LONGEST_S * 1000:
            raise InvalidInput(name, shown(each), "milliseconds of at most 100 years")


def _duration_ms(field: str, given: Any) -> int | None:
    if given is None:
        return None
    seconds = duration_s(given, field=field)
    if seconds > LONGEST_S:
        raise InvalidInput(field, shown(given), "at most 100 years")
    return round(seconds * 1000)


def _backoff(text: Any) -> tuple[float | None, tuple[int, ...] | None]:
    """Return the base of `exp:2`, or what retries wait of `fixed:30s` and `list:1s,10s,1m`; raises InvalidInput."""
    form, _, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
    form, rest = form.strip().lower(), rest.strip()
    if form == "exp" and rest:
        try:
            return float(rest), None
        except own(ValueError):
            raise InvalidInput("backoff", shown(text), "exp: with a number, for example exp:2") from None
    if form == "fixed" and rest:
        return None, (_wait_ms(rest),)
    if form == "list" and rest:
        return None, tuple(map(_wait_ms, words_of(rest)))
    raise InvalidInput("backoff", shown(text), _BACKOFFS)


def _wait_ms(text: str) -> int:
    return _duration_ms("backoff", text) or 0


def backoff_text(policy: Policy | None, base: float) -> str:
    """Return how retries wait, as it is asked for."""
    waits = None if policy is None else policy.waits_ms
    if waits is None:
        return f"exp:{base:g}"
    return ("list:" if len(waits) > 1 else "fixed:") + ",".join(map(_wait_text, waits))


def _wait_text(wait_ms: int) -> str:
    return f"{wait_ms}ms" if wait_ms % 1000 else f"{wait_ms // 1000}s"


def policy_form(policy: Policy) -> dict[str, Any]:
    """Return what a policy says under the names that it is asked for with, without what it leaves as usual."""
    said = {
        **{name: getattr(policy, name) for name in LISTS},
        "snooze": _seconds(policy.snooze_ms),
        "max_snoozes": policy.max_snoozes,
        "backoff": None if policy.waits_ms is None else backoff_text(policy, 0),
        "backoff_max": _seconds(policy.wait_max_ms),
    }
    return {name: value for name, value in said.items() if value is not None}


def _seconds(ms: int | None) -> float | int | None:
    return None if ms is None else ms / 1000 if ms % 1000 else ms // 1000
