"""An event told in one line: what happened, in the words people use."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ...core.dependencies import text_of
from ...core.edited import asked_of, options_of
from ...core.expiry import ENDINGS, expiry_form
from ...core.labels import json_text
from ...core.policy import policy_form
from ...core.shells import DEFAULT as DEFAULT_SHELL
from ...events.codec import name_of
from ...events.types import (
    NO_OPTIONS,
    Cancelled,
    Claimed,
    Completed,
    ConfigChanged,
    Dead,
    DependencyMet,
    Edited,
    Enqueued,
    EnvironmentKept,
    Expiry,
    Failed,
    LimitSet,
    Paused,
    Policy,
    Recorded,
    Released,
    Removed,
    Renewed,
    Requeued,
    RetentionApplied,
    Snoozed,
    Started,
    Value,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
)
from .format import command_text, duration, escape, labels_text, moment, plural
from .table import Column, on_terminal

if TYPE_CHECKING:
    from ...core.results import Cause
    from ...queue import Queue

_COLOURS = {"completed": "green", "failed": "yellow", "dead": "red", "cancelled": "magenta", "removed": "magenta"}
_COLOURS |= {"snoozed": "yellow"}

COLUMNS = (
    Column("POS", right=True),
    Column("TIME", spare=1),
    Column("JOB"),
    Column("EVENT", paint=_COLOURS.get),
    Column("WHO", spare=2),
    Column("DETAILS", wide=True),
)
TIMELINE = (
    Column("POS", right=True),
    Column("TIME", spare=1),
    Column("GAP", right=True, spare=3),
    Column("EVENT", paint=_COLOURS.get),
    Column("WHO", spare=2),
    Column("DETAILS", wide=True),
)
_REMEMBERED = 10_000


class Names:
    """The jobs that events are about, and the runs that caused them; those met lately are remembered."""

    def __init__(self, queue: "Queue") -> None:
        self._queue = queue
        self._known: dict[int | str, str | None] = {}
        self._causes: dict[int, Cause | None] = {}

    def job_of(self, recorded: Recorded) -> str | None:
        """Return the id of an event's job, None where it is about something else."""
        stream = recorded.stream
        if isinstance(recorded.event, Enqueued):
            self._known[stream] = recorded.event.spec.id
        elif stream not in self._known:
            self._known[stream] = self._queue.log.job_id_of(stream)
        found = self._known[stream]
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        return found

    def cause_of(self, recorded: Recorded) -> "Cause | None":
        """Return the run whose command caused an event, None where it was no job's."""
        token = recorded.cause
        if not token:
            return None
        if token not in self._causes:
            if len(self._causes) >= _REMEMBERED:
                self._causes.clear()
            self._causes[token] = self._queue.log.cause_of(recorded.position)
        return self._causes[token]


def timeline(events: Iterable[Recorded], names: Names) -> Iterator[tuple[str, ...]]:
    """Yield a stream's events as rows of TIMELINE, each with the time since the one before.

    Renewals that follow each other, of which long runs had thousands, are one row: that of the last.
    """
    before_us: int | None = None
    for recorded, times in _folded(events):
        position, at, _, what, who, told = event_row(recorded, "", names.cause_of(recorded))
        told = f"{times:,} times, {told}" if times > 1 else told
        yield position, at, "" if before_us is None else gap(recorded.at_us - before_us), what, who, told
        before_us = recorded.at_us


def _folded(events: Iterable[Recorded]) -> Iterator[tuple[Recorded, int]]:
    """Yield each event and for how many it stands: the last of some renewals for all of them."""
    for is_renewal, some in groupby(events, lambda each: type(each.event) is Renewed):
        if is_renewal:
            *earlier, last = some
            yield last, len(earlier) + 1
        else:
            yield from ((each, 1) for each in some)


def gap(us: int) -> str:
    """Return the time between two events: `+2.0s`."""
    seconds = us / 1_000_000
    return f"+{seconds:.1f}s" if 1 <= seconds < 60 else f"+{duration(seconds)}"


def event_row(recorded: Recorded, job_id: str | None, cause: "Cause | None" = None) -> tuple[str, ...]:
    """Return an event as a row of COLUMNS."""
    subject = str(recorded.stream) if job_id is None else job_id
    return (
        str(recorded.position),
        _at(recorded.at_us),
        escape(subject),
        name_of(recorded.event),
        escape(recorded.actor),
        event_details(recorded, cause),
    )


def event_details(recorded: Recorded, cause: "Cause | None" = None) -> str:
    """Return what an event says, whose command caused it, and the reason that was given for it."""
    tell = _TOLD.get(type(recorded.event))
    told = escape(tell(recorded.event, recorded.at_us)) if tell else ""
    by = f"caused by {escape(cause_text(cause))}" if cause else ""
    why = f"because: {escape(recorded.reason)}" if recorded.reason else ""
    return "; ".join(filter(None, (told, by, why)))


def cause_text(cause: "Cause") -> str:
    """Name the run whose command caused something."""
    if cause.job_id is None:
        return f"a run that retention let go, claimed at {cause.token}"
    return f"job {cause.job_id}" + ("" if cause.attempt is None else f", attempt {cause.attempt}")


def _enqueued(event: Enqueued, at_us: int) -> str:
    spec = event.spec
    due = f", not before {_at(spec.run_at_us)}" if spec.run_at_us else ""
    first = f", priority {spec.priority}" if spec.priority else ""
    by = f", by {spec.shell}" if spec.shell else ""
    options = event.options or NO_OPTIONS
    paused = ", paused" if options.paused else ""
    labels = f", labels {labels_text(options.labels)}" if options.labels else ""
    meta = f", meta {json_text(options.meta)}" if options.meta else ""
    uses = f", uses {', '.join(options.use)}" if options.use else ""
    uses += f", after {', '.join(map(text_of, options.after))}" if options.after else ""
    unique = f", unique key {options.unique}" if options.unique else ""
    return f"{command_text(spec.command)}, queue {spec.queue}{first}{by}{due}{uses}{unique}{paused}{labels}{meta}"


def _leased(event: Claimed | Renewed, at_us: int) -> str:
    lease_s = max(0, event.expires_at_us - at_us) / 1_000_000
    return f"for {duration(lease_s)}, until {_at(event.expires_at_us)}"


def _completed(event: Completed, at_us: int) -> str:
    ended = event.signal if event.return_code is None else f"exit code {event.return_code}"
    by = "" if event.ended_by is None else f" [{event.ended_by}]"
    return f"attempt {event.attempt}{_took(event.duration_ms)}: {ended or 'no exit code'}{by}{_printed(event)}"


def _failed(event: Failed, at_us: int) -> str:
    then = ", no retry left"
    if event.retry_at_us is not None:
        then = f", retry in {duration(max(0, event.retry_at_us - at_us) / 1_000_000)} at {_at(event.retry_at_us)}"
    printed = _printed(event)
    # What the command said stands last: nobody could tell where it ends and what is said of it goes on.
    return f"attempt {event.attempt}{_took(event.duration_ms)}{then}{printed}: {event.error}"


def _snoozed(event: Snoozed, at_us: int) -> str:
    wait = duration(max(0, event.until_us - at_us) / 1_000_000)
    then = f" [{event.ended_by}], no attempt used up, again in {wait} at {_at(event.until_us)}"
    return f"attempt {event.attempt}{_took(event.duration_ms)}{then}{_printed(event)}: {event.error}"


def _dead(event: Dead, at_us: int) -> str:
    if event.failure in ENDINGS:
        ran = f"after {plural(event.attempts, 'attempt')}" if event.attempts else "before it ran"
        return f"{event.failure} {ran}"
    by = "" if event.ended_by is None else f" [{event.ended_by}]"
    return f"after {plural(event.attempts, 'attempt')}, the last: {event.failure}{by}"


def _cancelled(event: Cancelled, at_us: int) -> str:
    if event.ended_by is not None:
        return event.ended_by
    if event.attempt is None:
        return "before it ran"
    return f"attempt {event.attempt}{_took(event.duration_ms)}{_printed(event)}"


def _edited(event: Edited, at_us: int) -> str:
    told = {field: value for field, value in (asked_of(event) | options_of(event)).items() if field != "due_us"}
    shown = [f"{_FIELDS.get(field, field)} {_value(field, value)}" for field, value in told.items()]
    return ", ".join(shown)


_FIELDS = {"max_retries": "max retries", "timeout_ms": "timeout", "backoff_base": "backoff base", "cwd": "directory"}
_FIELDS |= {"env": "environment", "run_at_us": "not before", "unique_until_us": "key held until"}
_FIELDS |= {"inherited": "inherited environment", "merge": "stderr goes to stdout", "use": "uses"}


def _value(field: str, value: Any) -> str:
    if isinstance(value, Policy | Expiry):
        form = policy_form(value) if isinstance(value, Policy) else expiry_form(value)
        return " ".join(f"{name}={told}" for name, told in form.items()) or "none"
    if not value and field in ("timeout_ms", "cwd", "env", "run_at_us", "labels", "meta", "use"):
        return "none"
    if field == "inherited":
        return value.hex() or "none"
    if field == "merge":
        return "yes" if value else "no"
    if field == "unique_until_us":
        return _at(value) if value else "its end"
    if field == "shell":
        return value or DEFAULT_SHELL
    if field == "command":
        return command_text(value)
    if field == "timeout_ms":
        return duration(value / 1000)
    if field == "env":
        return " ".join(f"{name}={text}" for name, text in value.items())
    if field == "use":
        return ", ".join(value)
    if field == "labels":
        return labels_text(value)
    if field == "meta":
        return json_text(value)
    return _at(value) if field == "run_at_us" else str(value)


def _removed(event: Removed, at_us: int) -> str:
    return f"was {event.state}" + (", replaced by a new job" if event.replaced else "")


def _limit(event: LimitSet, at_us: int) -> str:
    running = "any number at once" if event.running is None else f"{event.running:,} at once"
    if event.starts is None or event.period_us is None:
        return running
    burst = f", {event.burst:,} together" if event.burst > 1 else ""
    return f"{running}, {event.starts:,} starts in {duration(event.period_us / 1_000_000)}{burst}"


def _config(event: ConfigChanged, at_us: int) -> str:
    def value(told: Value | None) -> str:
        return "default" if told is None else told if isinstance(told, str) else f"{told:g}"

    return f"{event.key}: {value(event.old)} -> {value(event.new)}"


def _worker(event: WorkerStarted, at_us: int) -> str:
    of = f", queues {', '.join(event.queues)}" if event.queues else ", all queues"
    return f"pid {event.pid} on {event.host}, slots {event.slots}{of}"


def _retention(event: RetentionApplied, at_us: int) -> str:
    dead = ", dead jobs kept" if event.keep_dead else ""
    return f"{plural(event.removed, 'event')} up to position {event.upto} to {event.archive}{dead}"


def _at(at_us: int | None) -> str:
    return moment(at_us, short=on_terminal())


def _took(duration_ms: int | None) -> str:
    return "" if duration_ms is None else f" in {duration(duration_ms / 1000)}"


def _printed(end: Completed | Failed | Snoozed | Cancelled) -> str:
    streams = (("stdout", end.stdout), ("stderr", end.stderr))
    told = [f"{name} {each.size_bytes:,} B" for name, each in streams if each]
    told += [f"not all kept: {end.output_error}"] if end.output_error else []
    return f" ({', '.join(told)})" if told else ""


_TOLD: Mapping[type[Any], Callable[[Any, int], str]] = {
    Enqueued: _enqueued,
    Claimed: _leased,
    Started: lambda event, at_us: f"attempt {event.attempt}, worker pid {event.pid} on {event.host}",
    Renewed: _leased,
    Completed: _completed,
    Failed: _failed,
    Snoozed: _snoozed,
    Dead: _dead,
    Released: lambda event, at_us: event.why,
    Cancelled: _cancelled,
    Requeued: lambda event, at_us: f"attempts {event.attempts}",
    Edited: _edited,
    Removed: _removed,
    DependencyMet: lambda event, at_us: f"the job at {event.parent} is {event.how}",
    LimitSet: _limit,
    Paused: lambda event, at_us: "" if event.until_us is None else f"until {_at(event.until_us)}",
    ConfigChanged: _config,
    EnvironmentKept: lambda event, at_us: " ".join(event.entries),
    RetentionApplied: _retention,
    WorkerStarted: _worker,
    WorkerStopping: lambda event, at_us: "give back what runs" if event.now else "finish what runs",
    WorkerStopped: lambda event, at_us: event.why,
}
