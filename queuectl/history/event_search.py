"""Which events of the log someone wants: by type, job, queue and actor, in short read transactions.

A job's events are found by following its stream, all others by reading the log.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from ..display import shown
from ..errors import InvalidInput
from ..events.codec import EVENT_NAMES, LAYOUTS, name_of
from ..events.types import Enqueued, JobSpec, Recorded, Stream
from ..queries.jobs import find_stream
from ..store.event_reader import EventReader
from ..store.store import Store, Transaction

EVENTS_AT_ONCE: Final = 10_000
"""A read transaction lives no longer than as many events: an old one keeps the file growing."""

KNOWN: Final = 10_000
"""Jobs whose queue is remembered while the log is read."""


class EventChoice(NamedTuple):
    """What an event must be; None asks for nothing. `job` is an id, or the name of a stream that is no job's."""

    types: Sequence[str] | None = None
    job: str | None = None
    queue: str | None = None
    actor: str | None = None


def type_names(types: Sequence[str]) -> list[str]:
    """Return the names of event types, each named as the log has it or as its class; raises InvalidInput."""
    by_class = {layout.type.__name__: layout.name for layout in LAYOUTS}
    names = [by_class.get(name, name) for name in types]
    check_types(names)
    return names


def check_types(types: Sequence[str]) -> None:
    """Raise InvalidInput for a name that is no event type's."""
    for name in types:
        if name not in EVENT_NAMES:
            raise InvalidInput("event type", shown(name), "one of " + ", ".join(EVENT_NAMES))


def in_order(store: Store, choice: EventChoice, after: int, until: int | None) -> Iterator[Recorded]:
    """Yield the events chosen after a position, up to and with `until`; raises JobNotFound."""
    fits = _Filter(choice)
    while True:
        with store.read() as txn:
            log = EventReader(txn)
            end = log.head() if until is None else min(until, log.head())
            if after >= end:
                return
            if choice.job is None:
                batch = list(log.read(after, EVENTS_AT_ONCE, until=end))
                last = batch[-1].position if batch else end
            else:
                its = log.read_stream(find_stream(txn, choice.job), after=after)
                batch = [each for each in its if each.position <= end]
                last = end
            chosen = [each for each in batch if fits(txn, each)]
        yield from chosen
        after = last


def newest(store: Store, choice: EventChoice, count: int, after: int, until: int | None) -> list[Recorded]:
    """Return the last `count` of the events chosen, in order; raises JobNotFound."""
    if choice.job is not None:
        found = list(in_order(store, choice, after, until))
        return found[len(found) - min(count, len(found)) :]
    fits = _Filter(choice)
    below, found, size = until, [], max(count, 100)
    while len(found) < count:
        with store.read() as txn:
            log = EventReader(txn)
            below = log.head() if below is None else min(below, log.head())
            batch = list(islice(log.read_back(below + 1), min(EVENTS_AT_ONCE, size)))
            chosen = [each for each in batch if each.position > after and fits(txn, each)]
        found += chosen[: count - len(found)]
        if not batch or batch[-1].position <= after + 1:
            break
        below, size = batch[-1].position - 1, size * 4
    return found[::-1]


class _Filter:
    """Return whether an event is one of those chosen, given the transaction it was read in."""

    def __init__(self, choice: EventChoice) -> None:
        self._choice = choice
        self._queues: dict[Stream, str | None] = {}

    def __call__(self, txn: Transaction, recorded: Recorded) -> bool:
        types, _, queue, actor = self._choice
        return (
            (types is None or name_of(recorded.event) in types)
            and actor in (None, recorded.actor)
            and (queue is None or self._queue_of(txn, recorded) == queue)
        )

    def _queue_of(self, txn: Transaction, recorded: Recorded) -> str | None:
        stream = recorded.stream
        if stream not in self._queues:
            if len(self._queues) >= KNOWN:
                self._queues.clear()
            spec = recorded.event.spec if isinstance(recorded.event, Enqueued) else spec_of(txn, stream)
            self._queues[stream] = spec.queue if spec else None
        return self._queues[stream]


def spec_of(txn: Transaction, stream: Stream) -> JobSpec | None:
    """Return what was asked for in the job that a stream is of; None for a named stream, or a job that is gone."""
    log = EventReader(txn)
    if not isinstance(stream, int) or log.is_gone(stream):
        return None
    event = log.at(stream).event
    return event.spec if isinstance(event, Enqueued) else None
