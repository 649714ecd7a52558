"""Adopts the messages of a shared stream into this node's own store: events, views and place in one transaction.

So whatever reads a queue reads here, locally, also while the stream is out of reach. Any process of the node may
follow: they take turns by the store's write lock, and what one has adopted the others find.
"""

from collections.abc import Sequence
from time import monotonic, sleep
from typing import Final

from ..errors import StoreError
from ..events.append import Append
from ..events.event_stream import EventStream, from_payload
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
        until = self._stream.last() if until is None else until
        ends_at = monotonic() + PATIENCE_S
        reached = self.reached()
        while reached < until:
            messages = self._stream.read(reached, limit)
            if messages:
                reached = self._adopt(messages)
                ends_at = monotonic() + PATIENCE_S
            elif monotonic() > ends_at:
                raise StoreError(
                    f"cannot follow the stream: it has {until:,} messages and shows none after {reached:,} for "
                    f"{PATIENCE_S:.0f} s; check its server, then try again"
                )
            else:
                sleep(PAUSE_S)
                reached = self.reached()  # another process may have been quicker
        return reached

    def _adopt(self, messages: list[tuple[int, bytes]]) -> int:
        removed: list[int] = []
        with self._writer.session() as session:
            reached = adopted.last(session.txn)
            for sequence, payload in messages:
                if sequence > reached:  # another process may have adopted some meanwhile
                    events = from_payload(payload)
                    self._append(session, events)
                    reached = sequence
                    adopted.note(session.txn, sequence, session.log.head())
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
        stream = first.stream
        before = session.views.removed(first.event.spec.id) if isinstance(first.event, Enqueued) else stream
        expected = 0 if before is None else session.log.version(before)
        batch = [Append(stream, expected, tuple(each.event for each in events), first.reason)]
        if isinstance(first.event, RetentionApplied):
            session.views.flush()
            session.let_go(batch, meant_by(session.txn, first.event), at_us=first.at_us, actor=first.actor)
        else:
            session.append(batch, at_us=first.at_us, actor=first.actor, cause=first.cause, whole=True)
