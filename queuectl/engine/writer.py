"""The one door for writing: what a unit of work reads, and where what it decides goes.

Whoever orders the events has a Writer, which opens a Session for each unit. Embedded, that is this store: a session is
its write transaction, events and views are written in it, and no race can be lost. Where another orders them (a stream
that nodes share), a session reads snapshots of the node's own store, and what was decided on one may come too late.
So no unit may take for granted that what it appends is taken: what is not is in `Appended.lost`, and decided again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from msgspec import Struct

from .. import hints
from ..core.job import Job
from ..errors import Conflict, StoreError
from ..events.append import Append
from ..events.types import RetentionApplied
from ..projections.views import Views
from ..store.event_reader import EventReader
from ..store.store import Store, Transaction
from ..system.clock import Clock
from ..system.lazy import Later
from ..system.scope import scope
from .log_clock import anchored_us

if TYPE_CHECKING:
    from ..store import event_writer
    from . import leaving_streams
    from .leaving_streams import LeavingStream
else:
    event_writer = Later("store.event_writer")  # not for who only reads
    leaving_streams = Later("engine.leaving_streams")  # for retention alone

JOBS_AT_ONCE: Final = 10_000
"""Jobs in a transaction."""

WORKS_AT_ONCE: Final = 200
"""Pieces of work in a transaction: more would keep other processes waiting."""


class Appended(Struct, frozen=True):
    """What became of a batch."""

    jobs: list[Job]
    """Those that the appends which were taken are about, as they are afterwards, in the batch's order."""

    lost: Sequence[tuple[Append, Conflict]] = ()
    """The appends that came too late, and what was there in place of what they expect."""


class Session(Protocol):
    """One unit's reads, and its way to the log."""

    @property
    def txn(self) -> Transaction:
        """What it reads: another one after each append, where the log is shared."""

    @property
    def log(self) -> EventReader:
        """The log as `txn` has it."""

    @property
    def views(self) -> Views:
        """The views as `txn` has them, with what this session has applied."""

    @property
    def is_kept(self) -> bool:
        """Whether what it has appended is on disk for good."""

    @property
    def is_shared(self) -> bool:
        """Whether other stores have the same log: they know its events, and nothing of what is local."""

    def now_us(self) -> int:
        """Return the log's time now, not before its last event's."""

    def append(self, batch: Sequence[Append], *, at_us: int, actor: str, cause: int, whole: bool) -> Appended:
        """Append to several streams and apply it; `whole`: all of it or none."""

    def let_go(self, batch: Sequence[Append], going: "Sequence[LeavingStream]", *, at_us: int, actor: str) -> Appended:
        """Append what retention says, first in a batch that also guards each job that goes, and drop what goes."""

    def catch_up(self) -> bool:
        """Read what others have appended by now; returns whether that was more than was read before."""

    def promote(self, now_us: int) -> None:
        """Make the jobs due by now ready; each node does so for itself, since no event says it."""

    def local(self, write: Callable[[Transaction], object]) -> None:
        """Write what is this store's alone, beside the log: outputs, presence."""


class Writer(Protocol):
    """Orders the events of a queue, or reaches who does."""

    node: str | None
    """The name of this store among those that share the log."""

    jobs_at_once: int
    """How many jobs a unit may enqueue: they are taken as a whole."""

    works_at_once: int
    """How many threads' pieces of work a unit may do: more than one where a piece that fails takes all back."""

    def session(self) -> AbstractContextManager[Session]:
        """Open a session; what it appended is kept at its end, at the latest."""

    def catch_up(self) -> None:
        """Have in the store what others have appended by now."""


class EmbeddedSession:
    """All in one write transaction of the store."""

    is_shared = False

    def __init__(self, txn: Transaction, clock: Clock) -> None:
        self.txn = txn
        self.log = event_writer.EventWriter(txn)
        self.views = Views(txn)
        self._clock = clock

    @property
    def is_kept(self) -> bool:
        """Whether the transaction was committed."""
        return self.txn.is_committed

    def now_us(self) -> int:
        """Return the log's time now; where it would stand still it is anchored."""
        return anchored_us(self.txn, self._clock, max(self.log.last_at_us, self.views.promoted_us))

    def append(self, batch: Sequence[Append], *, at_us: int, actor: str, cause: int, whole: bool) -> Appended:
        """Append to the log and apply to the views; raises StoreError where those two are not of one mind."""
        try:
            recorded = self.log.append(batch, at_us=at_us, actor=actor, cause=cause)
        except Conflict as error:  # within one transaction nobody was quicker
            raise StoreError(
                f"cannot append to stream {error.stream}: its last event is at position {error.expected} by the views, "
                f"at {error.actual} by the table `streams`: one is damaged",
                hint=hints.TYPE_VERIFY_FOR_WHICH,
            ) from error
        return Appended(self.views.apply(recorded))

    def let_go(self, batch: Sequence[Append], going: "Sequence[LeavingStream]", *, at_us: int, actor: str) -> Appended:
        """Append what retention says, and drop what goes, in the same transaction."""
        appended = self.append(batch, at_us=at_us, actor=actor, cause=0, whole=True)
        [event] = batch[0].events
        assert isinstance(event, RetentionApplied), "retention says what goes"
        leaving_streams.expunge(self.txn, self.views, going, event.upto)
        return appended

    def catch_up(self) -> bool:
        """Return False: nobody else writes meanwhile."""
        return False

    def promote(self, now_us: int) -> None:
        """Make the jobs due by now ready."""
        self.views.promote(now_us)

    def local(self, write: Callable[[Transaction], object]) -> None:
        """Write in the same transaction."""
        write(self.txn)


class DetachedWriter:
    """A node without the stream that orders its log: what it has adopted is read, and nothing is appended."""

    jobs_at_once = JOBS_AT_ONCE
    works_at_once = 1

    def __init__(self, store: Store, node: str) -> None:
        self._store = store
        self.node: str | None = node

    def catch_up(self) -> None:
        """Do nothing: what others append is not within reach."""

    def session(self) -> NoReturn:
        """Raise StoreError: what was appended here alone would be in no other node's log."""
        raise StoreError(
            f"cannot change the queue at {self._store.path}: it is a node of several that share a log, and was opened "
            "without the stream that orders it; in Python, Queue.open(stream=...) names that"
        )


class EmbeddedWriter:
    """The store orders the events itself: whoever has its write transaction appends."""

    node: str | None = None
    jobs_at_once = JOBS_AT_ONCE
    works_at_once = WORKS_AT_ONCE

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def catch_up(self) -> None:
        """Do nothing: what others append is in the store with their commit."""

    @scope
    def session(self) -> Iterator[EmbeddedSession]:
        """Open a session, which is on disk at its end, or leaves no trace."""
        with self._store.write() as txn:
            session = EmbeddedSession(txn, self._clock)
            yield session
            session.views.flush()
