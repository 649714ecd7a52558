"""An event told in one line: what happened, in the words people use."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..events.codec import name_of
from ..events.types import (
    Cancelled,
    Claimed,
    Completed,
    ConfigChanged,
    Dead,
    Enqueued,
    Failed,
    Output,
    Recorded,
    Released,
    Removed,
    Renewed,
    Requeued,
    Started,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
)
from .render import Column, on_terminal
from .text import command_text, duration, escape, moment, plural

if TYPE_CHECKING:
    from ..queue import Queue

_COLOURS = {"completed": "green", "failed": "yellow", "dead": "red", "cancelled": "magenta", "removed": "magenta"}

COLUMNS = (
    Column("POS", right=True),
    Column("TIME"),
    Column("JOB"),
    Column("EVENT", paint=_COLOURS.get),
    Column("WHO"),
    Column("DETAILS", wide=True),
)


class Names:
    """The ids of the jobs that events are about; those met lately are remembered."""

    def __init__(self, queue: "Queue") -> None:
        self._queue = queue
        self._known: dict[int | str, str | None] = {}

    def job_of(self, recorded: Recorded) -> str | None:
        """Give the id of an event's job, None where it is about something else."""
        stream = recorded.stream
        if isinstance(recorded.event, Enqueued):
            self._known[stream] = recorded.event.spec.id
        elif stream not in self._known:
            self._known[stream] = self._queue.job_id_of(stream)
        found = self._known[stream]
        if len(self._known) > 10_000:
            self._known.clear()
        return found


def row(recorded: Recorded, job_id: str | None) -> tuple[str, ...]:
    """Give an event as a row of COLUMNS."""
    subject = str(recorded.stream) if job_id is None else job_id
    return (
        str(recorded.position),
        _at(recorded.at_us),
        escape(subject),
        name_of(recorded.event),
        escape(recorded.actor),
        details(recorded),
    )


def details(recorded: Recorded) -> str:
    """Tell what an event says, and the reason that was given for it."""
    tell = _TOLD.get(type(recorded.event))
    told = escape(tell(recorded.event)) if tell else ""
    why = f"because: {escape(recorded.reason)}" if recorded.reason else ""
    return "; ".join(filter(None, (told, why)))


def _enqueued(event: Enqueued) -> str:
    spec = event.spec
    due = f", not before {_at(spec.run_at_us)}" if spec.run_at_us else ""
    where = "" if spec.queue == "default" else f", queue {spec.queue}"
    first = f", priority {spec.priority}" if spec.priority else ""
    return f"{command_text(spec.command)}{where}{first}{due}"


def _completed(event: Completed) -> str:
    return f"attempt {event.attempt}{_took(event.duration_ms)}{_printed(event.stdout, event.stderr)}"


def _failed(event: Failed) -> str:
    then = f", retry {_at(event.retry_at_us)}" if event.retry_at_us else ", no retry left"
    printed = _printed(event.stdout, event.stderr)
    return f"attempt {event.attempt}{_took(event.duration_ms)}: {event.error}{then}{printed}"


def _cancelled(event: Cancelled) -> str:
    if event.attempt is None:
        return "before it ran"
    return f"attempt {event.attempt}{_took(event.duration_ms)}{_printed(event.stdout, event.stderr)}"


def _config(event: ConfigChanged) -> str:
    def value(number: int | float | None) -> str:
        return "default" if number is None else f"{number:g}"

    return f"{event.key}: {value(event.old)} -> {value(event.new)}"


def _worker(event: WorkerStarted) -> str:
    of = f", queues {', '.join(event.queues)}" if event.queues else ""
    return f"pid {event.pid} on {event.host}, slots {event.slots}{of}"


def _at(at_us: int | None) -> str:
    return moment(at_us, short=on_terminal())


def _took(duration_ms: int | None) -> str:
    return "" if duration_ms is None else f" in {duration(duration_ms / 1000)}"


def _printed(stdout: Output | None, stderr: Output | None) -> str:
    sizes = [f"{name} {each.size:,} B" for name, each in (("stdout", stdout), ("stderr", stderr)) if each]
    return f" ({', '.join(sizes)})" if sizes else ""


_TOLD: Mapping[type[Any], Callable[[Any], str]] = {
    Enqueued: _enqueued,
    Claimed: lambda event: f"until {_at(event.expires_at_us)}",
    Started: lambda event: f"attempt {event.attempt}, worker pid {event.pid} on {event.host}",
    Renewed: lambda event: f"until {_at(event.expires_at_us)}",
    Completed: _completed,
    Failed: _failed,
    Dead: lambda event: f"after {plural(event.attempts, 'attempt')}, the last: {event.reason}",
    Released: lambda event: event.cause,
    Cancelled: _cancelled,
    Requeued: lambda event: f"attempts {event.attempts}",
    Removed: lambda event: f"was {event.state}",
    ConfigChanged: _config,
    WorkerStarted: _worker,
    WorkerStopping: lambda event: "give back what runs" if event.now else "finish what runs",
    WorkerStopped: lambda event: event.cause,
}
