"""What Python programs hand in, held against the kinds that a method's signature names; pure.

A value of the wrong kind would come out far from here as an error of Python's, or go unchecked into
the log. What a value of the right kind may be (a queue's name, a known key) is for `request` to say.
"""

import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from functools import cache, wraps
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args

from ..display import shown, shown_with_kind
from ..errors import InvalidInput
from ..events.types import Frozen
from .comma_list import words_of

ImportFormat: TypeAlias = Literal["jobs-json", "sqlite-jobs"]
"""Where jobs of other queues can be taken in from: a jobs.json with its dlq.json, or tables of a SQLite file."""

IMPORT_FORMATS: Final[tuple[str, ...]] = get_args(ImportFormat)

LARGEST: Final = 2**63 - 1
"""Of a whole number: what the log and its keys have room for."""

MOST_SLOTS: Final = 10_000
SLOTS: Final = f"a whole number from 1 to {MOST_SLOTS:,}"
"""What a worker may have of slots."""

MOST_PID: Final = 2**31 - 1

PATH_BYTES: Final = 4_096
_NAME_BYTES: Final = 255

_SIGNED: Final = frozenset({"priority", "value"})
"""Parameters that may be less than 0."""

T = TypeVar("T")


class Kind(Frozen):
    """What a parameter takes: whether a value is such, and the words for it; `made` is what a method gets of it."""

    holds: Callable[[Any], bool]
    words: str
    made: Callable[[Any], Any] | None = None


IN_UTF8: Final = "text that UTF-8 can hold"
"""What is wanted where a text has bytes that are no UTF-8, or half characters."""


def is_text(value: object) -> bool:
    """Return whether a value is a text, and one that UTF-8 can write."""
    if not isinstance(value, str):
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def is_slots(value: object) -> bool:
    """Return whether a value is how many commands a worker may run at a time."""
    return is_whole(value) and 1 <= value <= MOST_SLOTS  # type: ignore[operator]  # it is one


def _is_named_text(value: object) -> bool:
    """Return whether a value is a text as the system has them: bytes that are not UTF-8 are told by surrogates."""
    return isinstance(value, str)


def is_whole(value: object) -> bool:
    """Return whether a value is a whole number that 64 bits hold; true and false are not."""
    return type(value) is int and -LARGEST - 1 <= value <= LARGEST


def is_count(value: object) -> bool:
    """Return whether a value is a whole number, 0 or more."""
    return type(value) is int and 0 <= value <= LARGEST


def is_finite(value: object) -> bool:
    """Return whether a value is a number, and no endless one."""
    return is_whole(value) or (type(value) is float and math.isfinite(value))


def _is_span(value: object) -> bool:
    return is_finite(value) and value >= 0  # type: ignore[operator]  # a number by then


def _are(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return whether a value is several of a kind; a text is one, not its letters."""
    return lambda value: (
        isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray) and all(map(holds, value))
    )


def _is_id(value: object) -> bool:
    """Return whether a value stands for a job: its id, as the system has texts, or a Job."""
    return _is_named_text(value) or is_job(value)


def _is_end(value: object) -> bool:
    return is_text(value) or is_count(value)


def _are_ids(value: object) -> bool:
    """Return whether a value is one job or several; what an iterator yields is looked at when it is asked."""
    if isinstance(value, Collection) and not isinstance(value, str | bytes | bytearray | Mapping):
        return all(map(_is_id, value))
    return _is_id(value) or isinstance(value, Iterator)


def _names(value: Any) -> Any:
    """Return one text as a list of names, with commas between them if there are several."""
    return words_of(value) if isinstance(value, str) else value


def _texts(value: Any) -> Any:
    """Return one text as a list of it."""
    return [value] if isinstance(value, str) else value


def _requests(value: Any) -> Any:
    """Return one request as a list of it."""
    return [value] if isinstance(value, str | Mapping) or _is_request(value) else value


def _may_be_one(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    several = _are(holds)
    return lambda value: holds(value) or several(value)


def _is_named(*names: str) -> Callable[[Any], bool]:
    """Return whether a value is of a class of one of these names: those classes are not known here."""
    return lambda value: type(value).__name__ in names or any(kind.__name__ in names for kind in type(value).__mro__)


def _has(*methods: str) -> Callable[[Any], bool]:
    return lambda value: all(callable(getattr(value, name, None)) for name in methods)


_is_request: Final = _is_named("JobRequest")


def is_job(value: object) -> bool:
    """Return whether a value is a job, whose number and token the log could have."""
    return _is_named_job(value) and _is_whole_job(value)


_is_named_job: Final = _is_named("Job")
_is_lease: Final = _is_named("Lease")


def _is_whole_job(job: Any) -> bool:
    lease = job.lease
    return is_count(job.number) and (lease is None or (_is_lease(lease) and is_count(lease.token)))


_FILTERED: Final[Mapping[str, Callable[[Any], bool]]] = {
    "queue": is_text,
    "match": is_text,
    "began": callable,
    "paused": lambda value: isinstance(value, bool),
    "labels": lambda labels: _are(_is_label)(labels),
}
"""What is not a time in a filter -> whether a value is of its kind."""


_ACTS: Final = ("cancel", "retry", "remove", "pause", "resume")


def _is_label(value: object) -> bool:
    """Return whether a value is what a filter asks of a label: its key, and its value or None."""
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    return is_text(value[0]) and (value[1] is None or is_text(value[1]))


def _is_filter(value: object) -> bool:
    return _is_named("Filter")(value) and _is_whole_filter(value)


def _is_whole_filter(where: Any) -> bool:
    asked = {name: value for name, value in where._asdict().items() if name != "states" and value is not None}
    return (where.states is None or isinstance(where.states, Set)) and all(
        _FILTERED.get(name, is_count)(value) for name, value in asked.items()
    )


def _is_chosen(value: object) -> bool:
    return _is_named("Chosen")(value) and _is_whole_chosen(value)


def _is_whole_chosen(chosen: Any) -> bool:
    return KINDS["Act"].holds(chosen.verb) and _is_filter(chosen.where) and _are(is_count)(chosen.numbers)


def _is_duration(value: object) -> bool:
    return _is_span(value) or is_text(value) or isinstance(value, timedelta)


def _is_when(value: object) -> bool:
    return _is_span(value) or is_text(value) or isinstance(value, datetime | timedelta)


def _is_path(value: object) -> bool:
    """Return whether a value is a path that the system could have; raises nothing."""
    if not isinstance(value, str | os.PathLike):
        return False
    try:
        name = os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return b"\0" not in name and len(name) <= PATH_BYTES and all(len(each) <= _NAME_BYTES for each in name.split(b"/"))


KINDS: Final[Mapping[str, Kind]] = {
    "str": Kind(is_text, "a text"),
    "int": Kind(is_count, "a whole number, 0 or more"),
    "float": Kind(_is_span, "a number, 0 or more"),
    "bool": Kind(lambda value: value is True or value is False, "True or False"),
    "Duration": Kind(_is_duration, "seconds, 0 or more, a text such as 10m, or a timedelta"),
    "When": Kind(_is_when, "a datetime, a text such as tomorrow 9am, a timedelta, or seconds since 1970"),
    "str | float | timedelta": Kind(
        lambda value: is_text(value) or is_finite(value) or isinstance(value, timedelta),
        "a text, a number or a timedelta",
    ),
    "Ends": Kind(lambda value: _is_end(value) or _are(_is_end)(value), "a text, a whole number, or a list of them"),
    "str | Sequence[str]": Kind(_may_be_one(is_text), "a text, or a list of texts"),
    "Act": Kind(lambda value: is_text(value) and value in _ACTS, f"{', '.join(_ACTS[:-1])} or {_ACTS[-1]}"),
    "ImportFormat": Kind(lambda value: is_text(value) and value in IMPORT_FORMATS, " or ".join(IMPORT_FORMATS)),
    "str | os.PathLike[str]": Kind(_is_path, "a path"),
    "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]": Kind(
        _may_be_one(_is_path), "a path, or a list of paths"
    ),
    "Sequence[str]": Kind(_may_be_one(is_text), "a text, or a list of texts", _texts),
    "Sequence[int]": Kind(_are(is_count), "a list of whole numbers"),
    "Sequence[Job]": Kind(_are(is_job), "a list of jobs"),
    "Sequence[Result]": Kind(_are(lambda result: True), "a list of results"),  # each is checked as it is recorded
    "list[Recorded]": Kind(_are(_is_named("Recorded")), "a list of events"),
    "Mapping[str, str]": Kind(lambda value: isinstance(value, Mapping), "a mapping of texts"),
    "Mapping[str, str | os.PathLike[str]]": Kind(lambda value: isinstance(value, Mapping), "a mapping of texts"),
    "Mapping[str, Any]": Kind(lambda value: isinstance(value, Mapping), "a mapping, an object in JSON"),
    "Mapping[str, str | None] | str | Iterable[str]": Kind(
        lambda value: is_text(value) or (isinstance(value, Iterable) and not isinstance(value, bytes | bytearray)),
        "a mapping of texts, a text such as team=a, or several",
    ),
    "Iterable[JobRequest | Mapping[str, Any] | str]": Kind(
        lambda value: isinstance(value, Iterable) and not isinstance(value, bytes), "a request, or several", _requests
    ),
    "JobState | str": Kind(is_text, "a state"),
    "JobState | str | Iterable[JobState | str]": Kind(
        lambda value: is_text(value) or (isinstance(value, Iterable) and not isinstance(value, bytes | Mapping)),
        "a state, or several",
    ),
    "Job": Kind(is_job, "a job"),
    "JobRequest": Kind(_is_request, "a JobRequest"),
    "Filter": Kind(_is_filter, "a Filter"),
    "Chosen": Kind(_is_chosen, "what choose() gave"),
    "Captured": Kind(_is_named("Captured"), "a Captured"),
    "Job | str": Kind(lambda value: is_text(value) or is_job(value), "a job's id, or a Job"),
    "Job | str | Run": Kind(
        lambda value: _is_id(value) or _is_named("Run")(value), "a job, its id, or a run, as runs() returns them"
    ),
    "Run": Kind(_is_named("Run"), "a run, as runs() gives them"),
    "Queue": Kind(_is_named("Queue"), "a Queue"),
    "Stream": Kind(lambda value: is_text(value) or is_count(value), "a job's number, or a stream's name"),
    "Clock": Kind(_has("now_us", "steady_us", "boot", "job_ids", "roll"), "a Clock"),
    "Notifier": Kind(_has("ready", "stopping"), "a Notifier"),
    "IO[bytes]": Kind(_has("readline"), "a file open for reading bytes"),
    "Any": Kind(lambda value: True, "anything"),
}
"""A parameter's annotation, without `| None`, -> what it takes."""

_AS_TYPED: Final[Mapping[str, Kind]] = {
    "command": Kind(
        lambda value: _is_named_text(value) or _are(lambda word: isinstance(word, str | os.PathLike))(value),
        "a text, or a list of texts",
    ),
    "cwd": Kind(lambda value: isinstance(value, str | os.PathLike), "a path"),
    "job_id": Kind(_is_id, "a job's id, or a Job"),
    "typed": Kind(_is_named_text, "a text"),
    "job_ids": Kind(_are_ids, "a job's id or a Job, or several"),
    "error": Kind(_is_named_text, "a text"),
    "slots": Kind(is_slots, SLOTS),
    **dict.fromkeys(("queues", "types"), Kind(_may_be_one(is_text), "a name, or a list of names", _names)),
    "pid": Kind(lambda value: is_count(value) and value <= MOST_PID, f"a whole number from 0 to {MOST_PID:,}"),
}
"""Parameters whose texts may hold what is not UTF-8: kept as it is, or made to fit; numbers that have a most; and names
that no comma may be in."""

_TOLD_BETTER: Final = frozenset({"start", "name"})
"""Parameters of which the method itself refuses every wrong value, in words that say what there is."""

_QUOTED: Final = r"['\"]([^'\"]*)['\"]"


def _one_of(names: tuple[str, ...], *, or_count: bool) -> Kind:
    words = " or ".join((*names, *(["a whole number"] if or_count else [])))
    return Kind(lambda value: (is_text(value) and value in names) or (or_count and is_count(value)), words)


_WHOLE: Final = Kind(is_whole, "a whole number of 64 bits")
_NOTHING: Final = " | None"


def kind_of(name: str, annotation: str) -> Kind:
    """Return what a parameter takes, from its name and its annotation as written."""
    plain = annotation.removesuffix(_NOTHING)
    if name in _TOLD_BETTER:
        return KINDS["Any"]
    if plain == "Report" or plain.startswith("Callable["):
        kind = Kind(callable, "something to call")
    elif plain.startswith("Literal["):
        kind = _one_of(tuple(re.findall(_QUOTED, plain)), or_count=plain.endswith("int"))
    elif name in _AS_TYPED:
        kind = _AS_TYPED[name]
    elif plain == "int" and name in _SIGNED:
        kind = _WHOLE
    else:
        kind = KINDS.get(plain, KINDS["Any"])  # a test sees to it that none is missing
    if plain == annotation:
        return kind
    return Kind(lambda value: value is None or kind.holds(value), f"{kind.words}, or None", kind.made)


def checked(function: Callable[..., T]) -> Callable[..., T]:
    """Return a function that refuses values of the wrong kind before anything else, and has one text for a list of it.

    It raises InvalidInput.
    """

    @cache  # at the first call: a command calls a few of all there are
    def looked_up() -> tuple[dict[str, Kind], list[tuple[str, Kind | None]], list[tuple[str, int, Callable[..., Any]]]]:
        code, annotations = function.__code__, function.__annotations__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        kinds = {name: kind_of(name, annotations[name]) for name in names if name in annotations}
        in_order = [(name, kinds.get(name)) for name in names[: code.co_argcount]]
        return kinds, in_order, [(name, names.index(name), kind.made) for name, kind in kinds.items() if kind.made]

    @wraps(function)
    def call(*given: Any, **named: Any) -> T:
        kinds, in_order, makers = looked_up()
        for value, (name, kind) in zip(given, in_order, strict=False):
            if kind is not None and not kind.holds(value):
                raise InvalidInput(name, _found(value), _wanted(kind, value))
        for name, value in named.items():
            if (kind := kinds.get(name)) is not None and not kind.holds(value):
                raise InvalidInput(name, _found(value), _wanted(kind, value))
        for name, place, make in makers:
            if name in named:
                named[name] = make(named[name])
            elif place < len(given):
                given = (*given[:place], make(given[place]), *given[place + 1 :])
        return function(*given, **named)

    return call


def check_methods(cls: type, called: str) -> None:
    """Make a class's own public methods refuse values of the wrong kind, and be `called` so in Python's errors."""
    for name, method in list(vars(cls).items()):
        if name.startswith("_"):
            continue
        if (function := getattr(method, "__func__", method)) is not None and hasattr(function, "__code__"):
            function.__qualname__ = f"{called}.{name}"  # the class that a program has, made of this one
        if isinstance(method, classmethod | staticmethod):
            setattr(cls, name, type(method)(checked(method.__func__)))
        elif hasattr(method, "__code__"):
            setattr(cls, name, checked(method))


def _wanted(kind: Kind, value: object) -> str:
    """Return what would do in place of a value; of a text that is refused for its characters alone, that."""
    return IN_UTF8 if isinstance(value, str) and kind.holds("") and not is_text(value) else kind.words


def _found(value: object) -> str:
    is_plain = value is None or type(value) in (str, int, float, bool)
    return shown(value) if is_plain else shown_with_kind(value)
