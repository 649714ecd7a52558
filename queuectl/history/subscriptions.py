"""Subscriptions: names under which other programs read the log on, durably, at least once, batch by batch.

A subscription's position is up to where its reader has acknowledged events. It is not history: moving it is a write
flushed to disk, and no event. Table `subscriptions`: name -> position, when it was moved, how often, and the
CRC-32 of all that, which a row of an older release lacks.
"""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Literal, NamedTuple
from zlib import crc32

from .. import hints
from ..core.request import check_subscription
from ..core.results import Subscriber
from ..display import shown
from ..errors import CheckpointMoved, InvalidInput, StoreError, Unusable
from ..events.types import Recorded
from ..store.event_reader import EventReader
from ..store.store import Store, Transaction, key_of
from ..system.clock import Clock

TABLE: Final = "subscriptions"

EVENTS_AT_ONCE: Final = 1_000
"""Events in a batch, at the most."""

LOOK_EVERY_S: Final = 0.05

_NUMBERS_BYTES: Final = 24

Start = Literal["beginning", "now"] | int


class SubscriptionPosition(NamedTuple):
    """Up to where a name has acknowledged events; `moves` counts the writes, so that none goes unseen."""

    position: int
    moved_at_us: int
    moves: int


class Subscription:
    """The events after a subscription's position, in batches: an iterator, read by one program at a time.

    Asking for the next batch acknowledges the one before; what was not acknowledged comes again after
    a crash. A batch is a list of 1 to 1,000 events, in order, and holds no transaction open.

    >>> for batch in queue.subscribe("mailer"):
    ...     send(batch)
    """

    def __init__(self, store: Store, clock: Clock, name: str, *, start: Start, follow: bool) -> None:
        self.name = check_subscription(name)
        self.gone = 0
        """How many events retention had let go before they were read here."""
        self._store = store
        self._clock = clock
        self._follow = follow
        self._is_open = True
        self._at = _opened(store, clock.now_us(), name, start)
        self._moving = self._at
        """Where it was last set to: a signal's handler may raise once that is on disk, before anybody is told."""
        self._given = self._at.position

    @property
    def position(self) -> int:
        """The position up to which events are acknowledged."""
        return self._at.position

    def __iter__(self) -> "Subscription":
        return self

    def __next__(self) -> list[Recorded]:
        """Acknowledge the batch before and give the next, waiting for it where the subscription follows the log.

        Raises CheckpointMoved where another reader, a rewind or a removal came between.
        """
        self.ack()  # also where it was closed meanwhile: the batch before is done with
        while self._is_open:
            with self._store.read() as txn:
                batch = list(EventReader(txn).read(self._given, EVENTS_AT_ONCE))
            if batch:
                last = batch[-1].position
                self.gone += last - self._given - len(batch)
                # No call comes after this, at which a signal's handler could raise: a batch given is one returned.
                self._given = last
                return batch
            if not self._follow:
                break
            time.sleep(LOOK_EVERY_S)
        raise StopIteration

    def ack(self, position: int | None = None) -> None:
        """Acknowledge the events given so far, or those up to a position among them: on disk when it returns.

        Raises InvalidInput or CheckpointMoved.
        """
        to = self._given if position is None else position
        if type(to) is not int or not self._at.position <= to <= self._given:
            expected = f"from {self._at.position} to {self._given}, as far as events were given"
            raise InvalidInput("position", shown(position), expected)
        if to != self._at.position:
            self._at = self._moved(to, self._clock.now_us())

    def close(self) -> None:
        """Stop: no more batches come, also where one is waited for; what is not acknowledged comes again."""
        self._is_open = False

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _moved(self, position: int, now_us: int) -> SubscriptionPosition:
        with self._store.write() as txn:
            found = _get(txn, self.name)
            if found is None or found not in (self._at, self._moving):
                raise CheckpointMoved(self.name, self._at.position, None if found is None else found.position)
            self._at = found
            self._moving = SubscriptionPosition(position, now_us, found.moves + 1)
            _put(txn, self.name, self._moving)
        return self._moving


def listed(txn: Transaction, now_us: int) -> list[Subscriber]:
    """Return all subscriptions by name, and how far each is behind."""
    log = EventReader(txn)
    head, cut = log.head(), log.cut()
    found = []
    for name, at in _all(txn):
        first = next(log.read(at.position, 1), None)
        lag_s = 0.0 if first is None else max(0, now_us - first.at_us) / 1_000_000
        lag = max(0, head - at.position)
        found.append(Subscriber(name, at.position, lag, lag_s, at.moved_at_us, at.position < cut))
    return found


def rewind(store: Store, name: str, position: int, now_us: int) -> None:
    """Set a subscription back: the next event it gives is the one after `position`; its reader is refused.

    Raises InvalidInput for a name that there is not, and for a position after its own.
    """
    with store.write() as txn:
        at = _found(txn, name)
        if type(position) is not int or not 0 <= position <= at.position:
            raise Unusable("position", shown(position), f"a whole number from 0 to {at.position}, where {name!r} is")
        _put(txn, name, SubscriptionPosition(position, now_us, at.moves + 1))


def remove(store: Store, name: str) -> None:
    """Forget a subscription; its reader is refused. Raises InvalidInput for a name that there is not."""
    with store.write() as txn:
        if not txn.delete(TABLE, check_subscription(name).encode()):  # one that is damaged goes as well
            _found(txn, name)


def names(txn: Transaction, start: str) -> Iterator[str]:
    """Return the names that begin so."""
    return (name for name, _ in _all(txn) if name.startswith(start))


def _opened(store: Store, now_us: int, name: str, start: Start) -> SubscriptionPosition:
    with store.read() as txn:
        known = _get(txn, name)
        _start(txn, start)
    if known is not None:
        return known
    with store.write() as txn:
        known = _get(txn, name)  # another may have been quicker
        if known is None:
            known = SubscriptionPosition(_start(txn, start), now_us, 1)
            _put(txn, name, known)
    return known


def _start(txn: Transaction, start: Start) -> int:
    head = EventReader(txn).head()
    if start == "beginning":
        return 0
    if start == "now":
        return head
    if type(start) is not int or not 0 <= start <= head:
        raise InvalidInput("start", shown(start), f"'beginning', 'now' or a position from 0 to {head}")
    return start


def _found(txn: Transaction, name: str) -> SubscriptionPosition:
    at = _get(txn, check_subscription(name))
    if at is None:
        there = [each for each, _ in _all(txn)]  # which also raises where it is there under a damaged name
        if len(there) != txn.count(TABLE) or name in there:  # a search may end early that a walk does not
            raise StoreError("subscriptions are missing: data.mdb is damaged", hint=hints.VERIFY_TELLS_WHERE)
        raise Unusable("subscription", shown(name), "the name of a subscription", hint=hints.A_SUBSCRIPTION)
    return at


def _all(txn: Transaction) -> Iterator[tuple[str, SubscriptionPosition]]:
    return ((key.decode(), _unpacked(key, row)) for key, row in txn.scan(TABLE))


def _get(txn: Transaction, name: str) -> SubscriptionPosition | None:
    row = txn.get(TABLE, name.encode())
    return None if row is None else _unpacked(name.encode(), row)


def _unpacked(key: bytes, row: bytes) -> SubscriptionPosition:
    if len(row) != _NUMBERS_BYTES and row[_NUMBERS_BYTES:] != _sum(key, row[:_NUMBERS_BYTES]):
        name = shown(key.decode(errors="replace"))
        raise StoreError(f"cannot read where subscription {name} is: its row is damaged", hint=hints.SUBSCRIBE_ANEW)
    return SubscriptionPosition(*(int.from_bytes(row[start : start + 8], "big") for start in (0, 8, 16)))


def _put(txn: Transaction, name: str, at: SubscriptionPosition) -> None:
    key, numbers = name.encode(), b"".join(map(key_of, at))
    txn.put(TABLE, key, numbers + _sum(key, numbers))


def _sum(key: bytes, numbers: bytes) -> bytes:
    return crc32(numbers, crc32(key)).to_bytes(4, "big")
