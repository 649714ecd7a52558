"""Whether an event from a file that is not trusted keeps the limits that intake and settings set; pure.

What goes beyond them was never written by queuectl, and would end whatever reads it later: views that cannot be
made, times that no calendar has, workers that cannot start. Never narrower than what any release wrote.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import asdict

from ..errors import CorruptLog, InvalidInput
from ..events.types import (
    CONFIG_STREAM,
    ENVIRONMENT_STREAM,
    RETENTION_STREAM,
    WORKER_STREAM,
    Claimed,
    ConfigChanged,
    Edited,
    Enqueued,
    EnvironmentKept,
    JobSpec,
    Recorded,
    Removed,
    RetentionApplied,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
)
from .event_validity import check as check_kinds
from .inherited_env import digest_of
from .job import ENDED
from .request import check_queues, check_spec, check_worker, known_here
from .settings import check_value

_STREAMS: Final[dict[type, str]] = {
    ConfigChanged: CONFIG_STREAM,
    RetentionApplied: RETENTION_STREAM,
    EnvironmentKept: ENVIRONMENT_STREAM,
    WorkerStarted: WORKER_STREAM,
    WorkerStopping: WORKER_STREAM,
    WorkerStopped: WORKER_STREAM,
}
"""What named stream an event is of, or how its name begins; the others are jobs'."""


def check(recorded: Recorded, kept_at: Callable[[str], int]) -> None:
    """Refuse an event that queuectl cannot have written; raises CorruptLog, naming what is wrong with it.

    `kept_at` says where the last event of a stream is that lies before this one, 0 if there is none.
    """
    check_kinds(recorded)
    try:
        _check(recorded, kept_at)
    except InvalidInput as error:
        raise CorruptLog(recorded.position, f"its {error}") from None


def _check(recorded: Recorded, kept_at: Callable[[str], int]) -> None:
    position, event = recorded.position, recorded.event
    _check_stream(recorded)
    if isinstance(recorded.stream, str) and recorded.stream.startswith(WORKER_STREAM):
        check_worker(known_here(recorded.stream.removeprefix(WORKER_STREAM)))
    if isinstance(event, Claimed):
        check_worker(known_here(event.worker))
    elif isinstance(event, Enqueued):
        check_spec(event.spec)
        digest = event.spec.inherited
        if digest is not None and not 0 < kept_at(ENVIRONMENT_STREAM + digest.hex()) < position:
            raise CorruptLog(position, f"it takes along environment {digest.hex()}, which is not kept before it")
    elif isinstance(event, Edited):
        check_spec(_spec_of(event))
    elif isinstance(event, ConfigChanged) and event.new is not None:
        check_value(event.key, event.new)
    elif isinstance(event, WorkerStarted):
        check_queues(event.queues or None)
    elif isinstance(event, Removed) and event.state not in ENDED:
        raise CorruptLog(position, f"it removes a job that is {event.state[:60]!r}, which none is that has ended")
    elif isinstance(event, EnvironmentKept):
        _check_environment(recorded, event)
    elif isinstance(event, RetentionApplied) and "\0" in event.archive:
        raise CorruptLog(position, f"its archive {event.archive[:60]!r} is none that a directory can have")


def _check_stream(recorded: Recorded) -> None:
    stream, begin = recorded.stream, _STREAMS.get(type(recorded.event))
    if isinstance(stream, int):
        fits = begin is None
    else:
        fits = begin is not None and (stream.startswith(begin) if begin.endswith(":") else stream == begin)
    if not fits:
        name = type(recorded.event).__name__
        raise CorruptLog(recorded.position, f"it is a {name} in stream {str(stream)[:60]!r}, where none can be")


def _spec_of(edited: Edited) -> JobSpec:
    """Return what an edit says as a job's: an empty directory or shell is none."""
    said = {name: value for name, value in asdict(edited).items() if value not in (None, "")}
    return JobSpec(**{"id": "x", "command": "true"} | said)


def _check_environment(recorded: Recorded, event: EnvironmentKept) -> None:
    for name, value in event.entries.items():
        if "=" in name or "\0" in name or "\0" in (value or ""):
            raise CorruptLog(recorded.position, f"its entry {name[:60]!r} is none that an environment can have")
    if recorded.stream != ENVIRONMENT_STREAM + digest_of(event.entries).hex():
        raise CorruptLog(recorded.position, "its entries are not those whose digest its stream is named after")
