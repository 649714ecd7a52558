"""The configuration: its keys, their defaults, and what values they take; pure.

A value is the job's own where the job has one, else the one of the environment, else the configured
one, else the default here.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from msgspec.structs import asdict

from ..display import shown
from ..errors import InvalidInput
from ..events.types import Frozen, Value
from ..system.interrupts import own
from .inherited_env import check_choice
from .shells import DEFAULT as SHELL
from .shells import check_shell


class Key(Frozen):
    """One configuration key. `whole`: only whole numbers; `minimum` and `maximum` are allowed.

    A key with `check` is a text instead, which that gives back where it can be one.
    """

    name: str
    default: Value
    whole: bool
    minimum: float
    maximum: float
    help: str
    check: Callable[[str, str], str] | None = None


def _text(name: str, default: str, check: Callable[[str, str], str], help: str) -> Key:
    return Key(name, default, False, 0, 0, help, check)


_YEAR_S = 366 * 86_400

KEYS: Mapping[str, Key] = {
    key.name: key
    for key in (
        Key("max_retries", 3, True, 0, 1_000_000, "attempts after the first before a job is dead"),
        Key("backoff_base", 2, False, 0, 1_000_000, "a retry waits base ** attempt seconds"),
        Key("backoff_max_s", 3600, False, 0, _YEAR_S, "the longest wait before a retry, in seconds"),
        Key("backoff_jitter", 0, False, 0, 10, "a retry waits up to this fraction longer, at random"),
        Key("job_timeout_s", 300, False, 0, _YEAR_S, "seconds a command may run; 0 is for ever"),
        Key("lease_s", 30, False, 1, 86_400, "seconds until a silent worker's job is taken back"),
        Key("grace_s", 10, False, 0, 86_400, "seconds between TERM and KILL"),
        Key("output_limit_bytes", 10 << 20, True, 0, 1 << 40, "output kept of one attempt, in bytes"),
        Key("snapshot_events", 50_000, True, 0, 1_000_000_000, "events from one snapshot to the next; 0 makes none"),
        Key("overtake_s", 60, False, 0, _YEAR_S, "seconds for which others may overtake a job that waits for a limit"),
        Key("retention_s", 0, False, 0, 100 * _YEAR_S, "seconds ended jobs are kept; 0 is for ever"),
        Key("retention_keep_dead", 1, True, 0, 1, "1: retention_s leaves dead jobs where they are; 0: they go too"),
        _text("shell", SHELL, check_shell, "what runs a command line: a program and its options"),
        _text("inherit_env", "PATH,VIRTUAL_ENV", check_choice, "what jobs take along from where they are typed"),
    )
}

VARIABLES: Final[Mapping[str, str]] = {name: f"QUEUECTL_{name.upper()}" for name in KEYS}
"""Key -> the environment's variable that counts before the store, in the process that has it."""

FORMER: Final[Mapping[str, str]] = {"job_timeout_sec": "job_timeout_s"}
"""What older releases called a key, in events and in variables -> the key."""

_FORMER_VARIABLES: Final[Mapping[str, str]] = {name: f"QUEUECTL_{old.upper()}" for old, name in FORMER.items()}

ALL_VARIABLES: Final = frozenset({*VARIABLES.values(), *_FORMER_VARIABLES.values()})

_ALIASES: Mapping[str, str] = {
    "max_retries_default": "max_retries",
    "timeout_ms": "job_timeout_s",
    **FORMER,
}


class Settings(Frozen):
    """Every setting, with the value that counts now."""

    max_retries: int = 3
    backoff_base: float = 2
    backoff_max_s: float = 3600
    backoff_jitter: float = 0
    job_timeout_s: float = 300
    lease_s: float = 30
    grace_s: float = 10
    output_limit_bytes: int = 10 << 20
    snapshot_events: int = 50_000
    overtake_s: float = 60
    retention_s: float = 0
    retention_keep_dead: int = 1
    shell: str = SHELL
    inherit_env: str = "PATH,VIRTUAL_ENV"

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> "Settings":
        """Build the settings from configured values over the defaults."""
        return cls(**{key: value for key, value in values.items() if key in KEYS})  # type: ignore[arg-type]


assert asdict(Settings()) == {key.name: key.default for key in KEYS.values()}


def canonical(name: str) -> str:
    """Return a key's own name, from any of its spellings.

    Raises InvalidInput with the list of keys.
    """
    plain = name.strip().lower().replace("-", "_")
    plain = _ALIASES.get(plain, plain)
    if plain not in KEYS:
        from difflib import get_close_matches  # only where something was mistyped: it costs a command its start

        near = get_close_matches(plain, KEYS, n=1)
        question = f"; did you mean {near[0]}?" if near else ""
        raise InvalidInput("configuration key", shown(name), f"one of {', '.join(KEYS)}{question}")
    return plain


def parse(name: str, text: str) -> tuple[str, Value]:
    """Read a key and its value from text; `timeout_ms` is taken in milliseconds.

    A key in seconds also takes a duration: `90s`, `1h30m`, `2d`. Raises InvalidInput.
    """
    key = KEYS[canonical(name)]
    return key.name, _parse_number(key, name, text) if key.check is None else key.check(text, key.name)


def check_value(name: str, value: Value) -> None:
    """Refuse a value that a key cannot have; raises InvalidInput. A key that only another release has may have any."""
    key = KEYS.get(name)
    if key is None:
        return
    if key.check is not None:
        if not isinstance(value, str):
            raise InvalidInput(name, shown(value), f"a text ({key.help})")
        key.check(value, name)
    elif isinstance(value, str) or not _is_in_range(key, value):
        raise _out_of_range(key, shown(value))


def _parse_number(key: Key, name: str, text: str) -> int | float:
    in_ms = name.strip().lower().replace("-", "_") == "timeout_ms"
    in_seconds = key.name.endswith("_s") and not in_ms
    number = _number(text, whole=key.whole, in_seconds=in_seconds)
    if in_ms:
        number /= 1000
    if not _is_in_range(key, number):
        raise _out_of_range(key, shown(text), in_seconds=in_seconds)
    return int(number) if number == int(number) else number


def _is_in_range(key: Key, number: float) -> bool:
    return key.minimum <= number <= key.maximum and not (key.whole and number != int(number))


def _out_of_range(key: Key, found: str, *, in_seconds: bool = False) -> InvalidInput:
    kind = "a whole number" if key.whole else "seconds, or for example 5m or 2d," if in_seconds else "a number"
    return InvalidInput(key.name, found, f"{kind} from {key.minimum:.15g} to {key.maximum:.15g} ({key.help})")


def _number(text: str, *, whole: bool, in_seconds: bool) -> float:
    if not math.isnan(found := number_in(text, whole=whole)):
        return found
    if in_seconds:
        from .times import parse_duration_s  # slow to import, for what is seldom set

        with suppress(InvalidInput):
            return parse_duration_s(text)
    return math.nan


def number_in(text: str, *, whole: bool = False) -> float:
    """Return the number that a text is, NaN if it is none in plain digits; `whole`: nor one with an exponent."""
    plain = text.strip()
    if not plain.isascii() or "_" in plain or (whole and "e" in plain.lower()):
        return math.nan
    try:
        return float(plain)
    except own(ValueError):
        return math.nan


def from_environment(environ: Mapping[str, str]) -> dict[str, Value]:
    """Return the keys that an environment has a value for; one that is empty says nothing.

    Raises InvalidInput that names the variable.
    """
    found: dict[str, Value] = {}
    for name in KEYS:
        variable = variable_of(name, environ)
        _check_former(name, environ)
        if text := environ.get(variable):
            try:
                found[name] = parse(name, text)[1]
            except InvalidInput as error:
                raise InvalidInput(f"environment variable {variable}", error.found, error.expected) from None
    return found


def _check_former(name: str, environ: Mapping[str, str]) -> None:
    """Refuse two names of one variable that say different things; raises InvalidInput."""
    variable, former = VARIABLES[name], _FORMER_VARIABLES.get(name, "")
    now, before = environ.get(variable), environ.get(former)
    if now and before and now != before:
        found = f"{shown(now)}, and {shown(before)} in {former}, its name in older releases"
        raise InvalidInput(f"environment variable {variable}", found, "the same in both, or one of them alone")


def variable_of(name: str, environ: Mapping[str, str]) -> str:
    """Return the variable that a key is set by: the one that it had in older releases if that alone is there."""
    variable, former = VARIABLES[name], _FORMER_VARIABLES.get(name)
    return former if former and former in environ and not environ.get(variable) else variable
