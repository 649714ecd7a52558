"""Whether an event from a file that is not trusted is one that queuectl can have written; pure.

A checksum proves that its bytes are those which somebody wrote, and not who. That each field is of its declared type
is seen when it is decoded; this looks at the values: whether a field can have them, and whether they keep the limits
that intake and settings set. What goes beyond them would end whatever reads it later: views that cannot be made, times
that no calendar has, workers that cannot start. Never narrower than what any release wrote.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from ..errors import CorruptLog, InvalidInput
from ..events.types import (
    CONFIG_STREAM,
    ENVIRONMENT_STREAM,
    LIMIT_STREAM,
    NO_OPTIONS,
    QUEUE_STREAM,
    RETENTION_STREAM,
    WORKER_STREAM,
    Claimed,
    ConfigChanged,
    Dead,
    DependencyMet,
    Edited,
    Enqueued,
    EnvironmentKept,
    Failed,
    Failure,
    JobSpec,
    LimitRemoved,
    LimitSet,
    Paused,
    Recorded,
    Removed,
    Resumed,
    RetentionApplied,
    Snoozed,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
)
from .argument_kinds import LARGEST, MOST_PID, MOST_SLOTS, PATH_BYTES, is_finite
from .edited import asked_of
from .expiry import ENDINGS
from .inherited_env import digest_of
from .job import ENDED
from .limits import LONGEST_PERIOD_S, MOST_UNITS, Limit, check_limit, check_name
from .option_check import check_edited_options, check_options
from .request import check_queue, check_queues, check_spec, check_worker, known_here
from .settings import check_value
from .times import LATEST_US

_DIGEST_BYTES: Final = 32
_DIGESTS: Final = frozenset({"sha256", "chain"})

_COUNT: Final = (0, LARGEST)
_TIME: Final = (0, LATEST_US)
_WHOLE: Final = (-LARGEST - 1, LARGEST)

BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "position": (1, LARGEST),
    "prev": _COUNT,
    "cause": _COUNT,
    "token": _COUNT,
    "attempt": _COUNT,
    "attempts": _COUNT,
    "size_bytes": _COUNT,
    "duration_ms": _COUNT,
    "return_code": _WHOLE,
    "pid": (0, MOST_PID),
    "slots": (1, MOST_SLOTS),
    "at_us": _TIME,
    "expires_at_us": _TIME,
    "retry_at_us": _TIME,
    "until_us": _TIME,
    "unique_until_us": _TIME,
    "parent": (1, LARGEST),
    "running": (0, MOST_UNITS),
    "starts": (1, MOST_UNITS),
    "period_us": (1, LONGEST_PERIOD_S * 1_000_000),
    "burst": (1, MOST_UNITS),
    "upto": _COUNT,
    "after": _COUNT,
    "through": _COUNT,
    "removed": _COUNT,
}
"""A field that is a whole number -> the least and the most that it can be. Jobs' own fields are checked as intake's."""

TEXT_CHARS: Final = 1_000
"""How long a text of an event may be, unless it is in MOST_CHARS_OF: as whoever writes it is held to."""

MOST_CHARS_OF: Final[Mapping[str, int]] = {"stderr_tail": 2_000, "archive": PATH_BYTES}
"""A field that is a text -> how many characters it may have. Jobs' own fields are checked as intake's."""

_OF_A_JOB: Final = frozenset({JobSpec, Edited})

_WORDS: Final[Mapping[tuple[type, str], frozenset[str]]] = {
    (Failed, "failure"): frozenset(Failure),
    (Snoozed, "failure"): frozenset(Failure),
    (Dead, "failure"): frozenset((*Failure, *ENDINGS)),
    (DependencyMet, "how"): frozenset(ENDED),
}
"""A type and a field of it that is one of a few words -> those."""

_STREAMS: Final[dict[type, str]] = {
    LimitSet: LIMIT_STREAM,
    LimitRemoved: LIMIT_STREAM,
    ConfigChanged: CONFIG_STREAM,
    RetentionApplied: RETENTION_STREAM,
    EnvironmentKept: ENVIRONMENT_STREAM,
    WorkerStarted: WORKER_STREAM,
    WorkerStopping: WORKER_STREAM,
    WorkerStopped: WORKER_STREAM,
}
"""What named stream an event is of, or how its name begins; the others are jobs'."""

_OF_QUEUES: Final = frozenset({Paused, Resumed})
"""Events of jobs that are of queues' streams too."""


def check_event(recorded: Recorded, kept_at: Callable[[str], int]) -> None:
    """Refuse an event that queuectl cannot have written; raises CorruptLog, naming what is wrong with it.

    `kept_at` says where the last event of a stream is that lies before this one, 0 if there is none.
    """
    _check_values(recorded)
    try:
        _check_limits(recorded, kept_at)
    except InvalidInput as error:
        raise CorruptLog(recorded.position, f"its {error}") from None


def _check_limits(recorded: Recorded, kept_at: Callable[[str], int]) -> None:
    position, event = recorded.position, recorded.event
    _check_stream(recorded)
    if isinstance(recorded.stream, str) and recorded.stream.startswith(WORKER_STREAM):
        check_worker(known_here(recorded.stream.removeprefix(WORKER_STREAM)))
    if isinstance(recorded.stream, str) and recorded.stream.startswith(QUEUE_STREAM):
        check_queue(recorded.stream.removeprefix(QUEUE_STREAM))
    if isinstance(recorded.stream, str) and recorded.stream.startswith(LIMIT_STREAM):
        check_name(recorded.stream.removeprefix(LIMIT_STREAM))
    if isinstance(event, Claimed):
        check_worker(known_here(event.worker))
    elif isinstance(event, Enqueued):
        check_spec(event.spec)
        check_options(event.options or NO_OPTIONS, position)
        _check_inherited(position, event.spec, kept_at)
    elif isinstance(event, Edited):
        after = _spec_of(event)
        check_spec(after)
        check_edited_options(event.options or NO_OPTIONS)
        _check_inherited(position, after, kept_at)
    elif isinstance(event, ConfigChanged) and event.new is not None:
        check_value(event.key, event.new)
    elif isinstance(event, WorkerStarted):
        check_queues(event.queues or None)
    elif isinstance(event, LimitSet):
        limit = Limit(event.running, event.starts, event.period_us, event.burst)
        check_limit(str(recorded.stream).removeprefix(LIMIT_STREAM), limit)
    elif isinstance(event, DependencyMet) and not (isinstance(recorded.stream, int) and event.parent < recorded.stream):
        raise CorruptLog(position, f"its parent is {event.parent}, which is not before the job that it is told of")
    elif isinstance(event, Removed) and event.state not in ENDED:
        raise CorruptLog(position, f"it removes a job that is {event.state[:60]!r}, which none is that has ended")
    elif isinstance(event, EnvironmentKept):
        _check_environment(recorded, event)
    elif isinstance(event, RetentionApplied) and "\0" in event.archive:
        raise CorruptLog(position, f"its archive {event.archive[:60]!r} is none that a directory can have")


def _check_inherited(position: int, spec: JobSpec, kept_at: Callable[[str], int]) -> None:
    digest = spec.inherited
    if digest is not None and not 0 < kept_at(ENVIRONMENT_STREAM + digest.hex()) < position:
        raise CorruptLog(position, f"it takes along environment {digest.hex()}, which is not kept before it")


def _check_stream(recorded: Recorded) -> None:
    stream, begin = recorded.stream, _STREAMS.get(type(recorded.event))
    if isinstance(stream, int):
        fits = begin is None
    elif type(recorded.event) in _OF_QUEUES:
        fits = stream.startswith(QUEUE_STREAM)
    else:
        fits = begin is not None and (stream.startswith(begin) if begin.endswith(":") else stream == begin)
    if not fits:
        name = type(recorded.event).__name__
        raise CorruptLog(recorded.position, f"it is a {name} in stream {str(stream)[:60]!r}, where none can be")


def _spec_of(edited: Edited) -> JobSpec:
    """Return what an edit says as a job's: an empty directory, shell or digest is none."""
    said = {name: value for name, value in asked_of(edited).items() if value not in ("", b"")}
    return JobSpec(**{"id": "x", "command": "true"} | said)


def _check_environment(recorded: Recorded, event: EnvironmentKept) -> None:
    for name, value in event.entries.items():
        if "=" in name or "\0" in name or "\0" in (value or ""):
            raise CorruptLog(recorded.position, f"its entry {name[:60]!r} is none that an environment can have")
    if recorded.stream != ENVIRONMENT_STREAM + digest_of(event.entries).hex():
        raise CorruptLog(recorded.position, "its entries are not those whose digest its stream is named after")


def _check_values(recorded: Recorded) -> None:
    """Refuse an event with a field that cannot have its value; raises CorruptLog, naming the field."""
    position, event = recorded.position, recorded.event
    _check_fields(position, recorded)
    if isinstance(recorded.stream, int) and not 0 < recorded.stream <= position:
        raise CorruptLog(position, f"it is of stream {recorded.stream}, which begins later")
    if isinstance(event, RetentionApplied):
        _check_retention(position, event)


def _check_fields(position: int, fields: Struct) -> None:
    kind = type(fields)
    for name in kind.__struct_fields__:
        value = getattr(fields, name)
        if isinstance(value, Struct):
            _check_fields(position, value)
        elif not _fits(kind, name, value):
            raise CorruptLog(position, f"its field {name} is {repr(value)[:60]}, which it cannot be")


def _fits(kind: type, name: str, value: Any) -> bool:
    if type(value) is int:
        least, most = BOUNDS.get(name, _WHOLE)
        return least <= value <= most
    if isinstance(value, float):
        return is_finite(value)
    if isinstance(value, bytes):
        return name not in _DIGESTS or len(value) == _DIGEST_BYTES
    if isinstance(value, str) and kind not in _OF_A_JOB and len(value) > MOST_CHARS_OF.get(name, TEXT_CHARS):
        return False
    words = _WORDS.get((kind, name))
    return words is None or value in words


def _check_retention(position: int, event: RetentionApplied) -> None:
    word = event.archive.rpartition("/")[2].partition("-")[0]
    is_named = word.isascii() and word.isdigit() and len(word) <= 18 and 0 < int(word) <= position
    if odd := [name for name in event.names if name != RETENTION_STREAM and not name.startswith(WORKER_STREAM)]:
        raise CorruptLog(position, f"it lets stream {odd[0][:60]!r} go, which always stays")
    if not is_named or event.upto > position:
        raise CorruptLog(position, f"it names {event.archive[:60]!r}, up to {event.upto}, as an archive segment")
