"""Writes to a stream that nodes share: what a unit decided is published, and read back from the node's own store.

A session decides on a snapshot. What it publishes says which message of its subject it has seen last, and the stream
takes it only if that still is the last one: so of two nodes that decide at once, one is too late, and decides again.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from time import sleep
from typing import Final, NamedTuple

from .. import hints
from ..core.evolve import evolve
from ..core.job import Job
from ..errors import Conflict, StoreError
from ..events.append import AFTER_PREVIOUS, Append, with_tokens
from ..events.event_stream import EventStream, Message, NoAnswer, Outrun, Published, subject_of, to_payload
from ..events.types import NEW_STREAM, Enqueued, Recorded
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

ANSWERS_AWAITED: Final = 25
"""How often a message is published again, under its id, for want of an answer: for some ten seconds."""

LONGEST_PAUSE_S: Final = 0.5

ASKED_EVERY_US: Final = 10_000_000
"""How often the stream's server is asked for its time."""


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
            session.open()
            yield session
        except BaseException as error:
            session.close(error)
            raise
        session.close()

    def catch_up(self) -> None:
        """Adopt what the stream has by now."""
        self.follower.catch_up()

    def publish(self, batch: Sequence[Message], *, whole: bool) -> list[Published | Outrun]:
        """Publish messages, again where no answer came; raises StoreError where none ever comes."""
        for attempt in range(ANSWERS_AWAITED):
            try:
                return self.stream.publish(batch, whole=whole)
            except NoAnswer as error:
                failed = error
                sleep(min(0.001 * 2**attempt, LONGEST_PAUSE_S))
        raise StoreError(
            f"cannot tell whether the shared log has taken what was asked: {failed}", hint=hints.SHARED_LOG_AWAY
        ) from failed


class _Sent(NamedTuple):
    """Appends on their way in one message, and the jobs that they were decided on."""

    appends: list[Append]
    jobs: list[Job | None]
    message: Message


class StreamedSession:
    """Snapshots of the node's store, a newer one after each append."""

    is_shared = True

    def __init__(self, writer: StreamedWriter) -> None:
        self._writer = writer
        self._last: dict[str, int] = {}
        self._reading: AbstractContextManager[Transaction] | None = None
        self.is_kept = False
        """Whether what it was last asked to append is in the stream."""

    def open(self) -> None:
        """Read what the store has by now."""
        self._reading = self._writer.store.read()
        self.txn = self._reading.__enter__()
        self.log = EventReader(self.txn)
        self.views = Views(self.txn)

    def close(self, error: BaseException | None = None) -> None:
        """End the snapshot, if one is open: none may outlive a wait for the stream, nor a write of this thread."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)

    def now_us(self) -> int:
        """Return the log's time now; where it would stand still, as another node's clock is ahead, it is anchored."""
        clock, latest_us = self._writer.clock, max(self.log.last_at_us, self.views.promoted_us)
        if clock.now_us() < latest_us:
            self.local(lambda txn: anchored_us(txn, clock, latest_us))
        return now_us(self.txn, clock, latest_us)

    def append(self, batch: Sequence[Append], *, at_us: int, actor: str, cause: int, whole: bool) -> Appended:
        """Publish a batch, and wait until the store has what became of it."""
        self.is_kept = False
        sent: list[_Sent] = []
        for append in batch:
            before = sent.pop().appends if append.expected == AFTER_PREVIOUS else []
            sent.append(self._sent([*before, append], at_us=at_us, actor=actor, cause=cause))
        if whole and len(sent) > self._writer.jobs_at_once:
            raise StoreError(
                f"cannot change {len(sent):,} jobs at once: a shared log takes {self._writer.jobs_at_once:,} as a whole"
                "; name fewer"
            )
        known = adopted.last(self.txn)
        self.close()
        try:
            told = self._writer.publish([each.message for each in sent], whole=whole)
            if any(isinstance(each, Published) and each.sequence <= known for each in told):
                raise StoreError(
                    f"cannot write to the shared log: the queue at {self._writer.store.path} has {known:,} messages of "
                    "another one; give it the stream that it follows"
                )
            self.is_kept = True
            self._writer.follower.catch_up(max(each[0] for each in told))
        finally:
            self.open()
        jobs: list[Job] = []
        lost: list[tuple[Append, Conflict]] = []
        for each, answer in zip(sent, told, strict=True):
            if isinstance(answer, Published):
                jobs += self._after(each, answer.sequence, at_us=at_us, actor=actor)
                continue
            if answer.actual:
                self._last[each.message.subject] = answer.actual
            conflict = Conflict(each.appends[0].stream, each.message.expected, answer.actual)
            lost += [(append, conflict) for append in each.appends]
        return Appended(jobs, lost)

    def let_go(self, batch: Sequence[Append], going: Sequence[LeavingStream], *, at_us: int, actor: str) -> Appended:
        """Publish what retention says as a whole with the guards; the follower drops what goes, here as elsewhere."""
        return self.append(batch, at_us=at_us, actor=actor, cause=0, whole=True)

    def _sent(self, appends: list[Append], *, at_us: int, actor: str, cause: int) -> _Sent:
        jobs = [
            self.views.job(each.stream) if isinstance(each.stream, int) and each.stream != NEW_STREAM else None
            for each in appends
        ]
        first = appends[0].events[0] if appends[0].events else None
        job_id = first.spec.id if isinstance(first, Enqueued) else jobs[0].id if jobs[0] is not None else ""
        subject, expected = subject_of(appends[0].stream, job_id), appends[0].expected
        payload = to_payload(appends, at_us=at_us, actor=actor, cause=cause)
        seen = adopted.sequence_at(self.txn, expected) if expected else 0
        # What this store has forgotten of a subject, the stream has said, and it has been adopted since.
        seen = max(seen, self._last.get(subject, 0))
        return _Sent(appends, jobs, Message(subject, seen, os.urandom(12).hex(), payload))

    def _after(self, sent: _Sent, sequence: int, *, at_us: int, actor: str) -> Iterator[Job]:
        """Yield the jobs of a message as they were after it, whatever came since."""
        position = adopted.position_of(self.txn, sequence) - sum(len(each.events) for each in sent.appends)
        for append, job in zip(sent.appends, sent.jobs, strict=True):
            for event in with_tokens(append.events, position):
                position += 1
                if isinstance(append.stream, int):
                    number = append.stream or position
                    told = Recorded(position, at_us, number, 0, actor, event)
                    job = evolve(job, told if self.log.is_gone(position) else self.log.at(position))
            if job is not None and append.events:
                yield job

    def catch_up(self) -> bool:
        """Adopt what the stream has by now; returns whether there was more than this session has read."""
        before = adopted.last(self.txn)
        self.close()
        try:
            return self._writer.follower.catch_up() > before
        finally:
            self.open()

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
            self.open()


class StreamClock:
    """A node's clock: the time of the stream's server, carried on by a clock that nobody sets.

    So nodes whose clocks differ are of one mind on whether a lease is over.
    """

    def __init__(self, clock: Clock, stream: EventStream) -> None:
        self._clock = clock
        self._stream = stream
        self._asked_at_us = -ASKED_EVERY_US
        self._ahead_us = 0
        self.steady_us, self.boot = clock.steady_us, clock.boot
        self.job_ids, self.roll = clock.job_ids, clock.roll

    def now_us(self) -> int:
        """Return the time in microseconds since the epoch, UTC, as the stream's server has it."""
        steady_us = self._clock.steady_us()
        if steady_us - self._asked_at_us >= ASKED_EVERY_US:
            with suppress(NoAnswer):  # out of reach it goes on as it went
                self._ahead_us, self._asked_at_us = self._stream.now_us() - steady_us, steady_us
        if self._asked_at_us < 0:
            return self._clock.now_us()
        return steady_us + self._ahead_us


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
