"""Writes to a stream that nodes share: what a unit decided is published, and read back from the node's own store.

A session decides on a snapshot. What it publishes says which message of its subject it has seen last, and the stream
takes it only if that still is the last one: so of two nodes that decide at once, one is too late, and decides again.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

from ..core.job import Job, evolve
from ..errors import Conflict, StoreError
from ..events.append import Append
from ..events.event_stream import EventStream, Message, NoAnswer, Outrun, Published, subject_of, to_payload
from ..events.types import NEW_STREAM, Enqueued
from ..projections import scheduled
from ..projections.views import Views
from ..store import adopted
from ..store.event_reader import EventReader
from ..store.store import Store, Transaction
from ..system.clock import Clock
from ..system.scope import scope
from .follower import Follower
from .leaving_streams import LeavingStream
from .log_clock import anchored_us, now_us
from .writer import Appended

ANSWERS_AWAITED: Final = 100
"""How often a message is published again, under its id, for want of an answer."""


class StreamedWriter:
    """A node: its store follows the stream, and what its units decide goes to the stream."""

    jobs_at_once = 1_000
    works_at_once = 1

    def __init__(self, store: Store, clock: Clock, stream: EventStream) -> None:
        self.store = store
        self.clock = clock
        self.stream = stream
        self.follower = Follower(store, clock, stream)
        self.node: str | None = _node(store)

    @scope
    def session(self) -> Iterator["StreamedSession"]:
        """Open a session; each append in it is kept, or is not, by itself."""
        session = StreamedSession(self)
        try:
            yield session
        finally:
            session.close()

    def catch_up(self) -> None:
        """Adopt what the stream has by now."""
        self.follower.catch_up()

    def publish(self, batch: Sequence[Message], *, whole: bool) -> list[Published | Outrun]:
        """Publish messages, again where no answer came; raises StoreError where none ever comes."""
        for _ in range(ANSWERS_AWAITED):
            try:
                return self.stream.publish(batch, whole=whole)
            except NoAnswer as error:
                failed = error
        raise StoreError(f"cannot write to the shared log: {failed}; check its server, then try again") from failed


class _Sent(NamedTuple):
    """An append on its way, and the job that it was decided on."""

    append: Append
    message: Message
    job: Job | None


class StreamedSession:
    """Snapshots of the node's store, a newer one after each append."""

    is_kept = True
    """What was appended is in the stream."""

    is_shared = True

    def __init__(self, writer: StreamedWriter) -> None:
        self._writer = writer
        self._last: dict[str, int] = {}
        self._reading: AbstractContextManager[Transaction] | None = None
        self._open()

    def _open(self) -> None:
        reading = self._writer.store.read()
        self.txn = reading.__enter__()
        self._reading = reading
        self.log = EventReader(self.txn)
        self.views = Views(self.txn)

    def close(self) -> None:
        """End the snapshot, if one is open: none may outlive a wait for the stream, nor a write of this thread."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.__exit__(None, None, None)

    def now_us(self) -> int:
        """Return the log's time now; where it would stand still, as another node's clock is ahead, it is anchored."""
        clock, latest_us = self._writer.clock, max(self.log.last_at_us, self.views.promoted_us)
        if clock.now_us() < latest_us:
            self.local(lambda txn: anchored_us(txn, clock, latest_us))
        return now_us(self.txn, clock, latest_us)

    def append(self, batch: Sequence[Append], *, at_us: int, actor: str, cause: int, whole: bool) -> Appended:
        """Publish a batch, and wait until the store has what became of it."""
        if whole and len(batch) > self._writer.jobs_at_once:
            raise StoreError(
                f"cannot change {len(batch):,} jobs at once where the log is shared: {self._writer.jobs_at_once:,} at "
                "most; name fewer"
            )
        sent = [self._message(append, at_us=at_us, actor=actor, cause=cause) for append in batch]
        self.close()
        try:
            told = self._writer.publish([each.message for each in sent], whole=whole)
            self._writer.follower.catch_up(max(_reaches(each) for each in told))
        finally:
            self._open()
        jobs: list[Job] = []
        lost: list[tuple[Append, Conflict]] = []
        for each, answer in zip(sent, told, strict=True):
            if isinstance(answer, Published):
                job = self._after(each, answer.sequence)
                if job is not None:
                    jobs.append(job)
                continue
            if answer.actual:
                self._last[each.message.subject] = answer.actual
            lost.append((each.append, Conflict(each.append.stream, each.message.expected, answer.actual)))
        return Appended(jobs, lost)

    def let_go(self, batch: Sequence[Append], going: Sequence[LeavingStream], *, at_us: int, actor: str) -> Appended:
        """Publish what retention says as a whole with the guards; the follower drops what goes, here as elsewhere."""
        return self.append(batch, at_us=at_us, actor=actor, cause=0, whole=True)

    def _message(self, append: Append, *, at_us: int, actor: str, cause: int) -> _Sent:
        stream, expected, events, reason = append
        job = self.views.job(stream) if isinstance(stream, int) and stream != NEW_STREAM else None
        first = events[0] if events else None
        job_id = first.spec.id if isinstance(first, Enqueued) else job.id if job is not None else ""
        subject = subject_of(stream, job_id)
        payload = to_payload(stream, events, at_us=at_us, actor=actor, reason=reason, cause=cause)
        seen = adopted.sequence_at(self.txn, expected) if expected else 0
        # What the store has forgotten of a subject, the stream has said: it is no newer than this snapshot.
        return _Sent(
            append, Message(subject, max(seen, self._last.get(subject, 0)), os.urandom(12).hex(), payload), job
        )

    def _after(self, sent: _Sent, sequence: int) -> Job | None:
        """Return a job as it was after an append, whatever came since."""
        end, job = adopted.position_of(self.txn, sequence), sent.job
        if not isinstance(sent.append.stream, int) or not sent.append.events:
            return None
        for position in range(end - len(sent.append.events) + 1, end + 1):
            job = evolve(job, self.log.at(position))
        return job

    def catch_up(self) -> bool:
        """Adopt what the stream has by now; returns whether there was more than this session has read."""
        before = adopted.last(self.txn)
        self.close()
        try:
            return self._writer.follower.catch_up() > before
        finally:
            self._open()

    def promote(self, now_us: int) -> None:
        """Make the jobs due by now ready, in this store."""
        if next(scheduled.due(self.txn, now_us, 1), None) is not None:
            self.local(lambda txn: Views(txn).promote(now_us))

    def local(self, write: Callable[[Transaction], object]) -> None:
        """Write in a transaction of the store's own."""
        self.close()
        try:
            with self._writer.store.write() as txn:
                write(txn)
        finally:
            self._open()


def _node(store: Store) -> str:
    """Return the name of a store among those that share a log, which it is given once.

    Raises StoreError where it has a log of its own.
    """
    with store.read() as txn:
        name, head = adopted.node(txn), EventReader(txn).head()
    if name is None and head:
        raise StoreError(
            f"cannot make the queue at {store.path} a node of several that share a log: it has {head:,} events of its "
            "own; name a new directory"
        )
    if name is None:
        with store.write() as txn:
            name = adopted.node(txn) or os.urandom(8).hex()
            adopted.name_node(txn, name)
    return name


def _reaches(answer: Published | Outrun) -> int:
    return answer.sequence if isinstance(answer, Published) else answer.actual
