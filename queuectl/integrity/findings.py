"""What `queuectl verify` finds, as the messages that its processes say it with."""

import time
from collections.abc import Iterator

from ..errors import NewerFormat, QueuectlError, WriteFailed
from ..events.audit import Problem, Problems
from ..system.shortage import hindrance, unseen, words
from ..system.subprocess_task import Message


def problems(part: str, found: Problems) -> Iterator[Message]:
    """Return the messages of a part's problems: each, and how many more there are."""
    yield from (problem(part, each) for each in found)
    if found.more:
        yield {"is": "more", "problems": found.more}


def problem(part: str, found: Problem) -> Message:
    """Return the message of a problem."""
    return {"is": "problem", "part": part, **found._asdict()}


def of_error(error: QueuectlError, position: int = 0, where: str = "") -> Problem:
    """Return what to tell of an error that was met: it may be of this process or this release, and not of the queue."""
    if isinstance(error, NewerFormat):
        return Problem(position, str(error), is_damage=False)
    if isinstance(error, WriteFailed):  # which says what to do
        return Problem(position, f"could not be looked at: {error}", is_damage=False)
    if number := hindrance(error):
        return Problem(position, unseen(words(number), number), is_damage=False)
    return Problem(position, f"{where}{error}")


def seconds_since(begun: float) -> float:
    """Return how long ago a moment of the monotonic clock is, to the microsecond."""
    return round(time.monotonic() - begun, 6)
