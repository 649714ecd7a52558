"""Adopts the messages of a shared stream into this node's own store: events, views and place in one transaction.

So whatever reads a queue reads here, locally, also while the stream is out of reach. Any process of the node may
follow: they take turns by the store's write lock, and what one has adopted the others find.
"""

from collections.abc import Sequence
from itertools import groupby
from time import monotonic, sleep
from typing import Final

from .. import hints
from ..errors import CorruptLog, IllegalTransition, NewerFormat, StoreError
from ..events.append import AFTER_PREVIOUS, Append
from ..events.event_stream import EventStream, NoAnswer, from_payload
from ..events.types import Enqueued, Recorded, Removed, RetentionApplied
from ..outputs import storage
from ..store import adopted
from ..store.store import Store
from ..system import wakeup
from ..system.clock import Clock
from .leaving_streams import meant_by
from .writer import EmbeddedSession, EmbeddedWriter

MESSAGES_AT_ONCE: Final = 1_000
"""Messages in a transaction."""

PATIENCE_S: Final = 30.0
"""How long a stream may take to show what it said that it has."""

PAUSE_S: Final = 0.002


class Follower:
    """A node's way along the stream."""

    def __init__(self, store: Store, clock: Clock, stream: EventStream) -> None:
        self._store = store
        self._writer = EmbeddedWriter(store, clock)
        self._stream = stream

    def reached(self) -> int:
        """Return the sequence of the last message adopted."""
        with self._store.read() as txn:
            return adopted.last(txn)

    def catch_up(self, until: int | None = None, *, limit: int = MESSAGES_AT_ONCE) -> int:
        """Adopt messages until one, or all that the stream has by now; returns the sequence of the last one adopted.

        `limit` is how many a transaction has at the most. Raises StoreError where the stream does not show them.
        """
        ends_at = monotonic() + PATIENCE_S
        reached, refusal = self.reached(), "it shows no more"
        while until is None or reached < until:
            messages: list[tuple[int, bytes]] = []
            try:
                until = self._stream.last() if until is None else until
                messages = self._stream.read(reached, limit) if reached < until else []
            except NoAnswer as error:
                refusal = str(error)
            if messages:
                reached, ends_at = self._adopt(messages), monotonic() + PATIENCE_S
            elif until is not None and reached >= until:
                break
            elif monotonic() > ends_at:
                raise StoreError(
                    f"cannot follow the shared log beyond message {reached:,} for {PATIENCE_S:.0f} s: {refusal}",
                    hint=hints.SHARED_LOG_AWAY,
                )
            else:
                sleep(PAUSE_S)
                reached = self.reached()  # another process may have been quicker
        return reached

    def _adopt(self, messages: list[tuple[int, bytes]]) -> int:
        removed: list[int] = []
        with self._writer.session() as session:
            reached, before = adopted.last(session.txn), 0
            for sequence, payload in messages:
                if sequence <= before:
                    raise StoreError(f"cannot follow the shared log: it shows message {sequence:,} after {before:,}")
                before = sequence
                if sequence > reached:  # another process may have adopted some meanwhile
                    try:
                        events = from_payload(payload)
                        self._append(session, events)
                    except (CorruptLog, IllegalTransition, NewerFormat) as error:
                        raise StoreError(
                            f"cannot follow the shared log beyond message {reached:,}: the next cannot be what a node "
                            f"wrote ({error.message})",
                            hint=hints.SHARED_LOG_BAD,
                        ) from error
                    reached = sequence
                    adopted.note(session.txn, sequence, session.log.head(), has_events=bool(events))
                    removed += [int(each.stream) for each in events if isinstance(each.event, Removed)]
            storage.forget(session.txn, removed)
        storage.remove_files(self._store.path, removed)
        wakeup.ring(self._store.path)
        return reached

    @staticmethod
    def _append(session: EmbeddedSession, events: Sequence[Recorded]) -> None:
        if not events:  # a guard: it moves its subject on, so that nobody adds to a job that retention lets go
            return
        first = events[0]
        batch: list[Append] = []
        for _, each in groupby(events, key=lambda each: each.stream):
            batch.append(_as_append(session, list(each), is_next=bool(batch)))
        if isinstance(first.event, RetentionApplied):
            session.views.flush()
            going = meant_by(session.txn, first.event)
            session.let_go(batch, going, at_us=first.at_us, actor=first.actor)
            adopted.forget(session.txn, [key for each in going for key, _ in each.rows])
        else:
            session.append(batch, at_us=first.at_us, actor=first.actor, cause=first.cause, whole=True)


def _as_append(session: EmbeddedSession, events: Sequence[Recorded], *, is_next: bool) -> Append:
    """Return events of one stream as they are appended here: linked to what this node's log has before them.

    `is_next`: they are taken together with those before them in their message.
    """
    stream, first = events[0].stream, events[0].event
    if is_next:
        expected = AFTER_PREVIOUS
    elif isinstance(first, Enqueued):
        number = session.views.removed(first.spec.id)
        expected = 0 if number is None else session.log.version(number)
    else:
        expected = session.log.version(stream)
    return Append(stream, expected, tuple(each.event for each in events), events[0].reason)
