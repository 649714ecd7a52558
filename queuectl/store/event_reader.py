"""The event log, read in one transaction of the store: the only door to it for all that do not append.

Two tables: `log` (position -> stored event, appended only) and `streams` (stream -> position of its
last event). A stream is read by following each event's `prev` back from there. Up to the `cut`, a row
of `meta`, events may be missing: retention let them go.
"""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import CorruptLog
from ..events.codec import decode, header_of
from ..events.types import RETENTION_STREAM, Claimed, Enqueued, Recorded, Removed, RetentionApplied, Stream
from ..system.lazy import Later
from .store import Row, Transaction, key_of
from .tables import CUT, LOG, META, ORIGIN, STREAMS

if TYPE_CHECKING:
    from ..events import hash_chain
else:
    hash_chain = Later("events.hash_chain")  # for who appends, or asks for a digest

NAMED_STREAM = b"\xff"
"""The first byte of the keys of streams that are not jobs'."""


class EventReader:
    """The log as one transaction sees it: events by position, in order, or by stream."""

    def __init__(self, txn: Transaction) -> None:
        self._txn = txn
        last = txn.last(LOG)
        self._head = int.from_bytes(last[0], "big") if last else 0
        self.last_at_us = header_of(*last).t if last else 0

    def head(self) -> int:
        """Return the position of the last event."""
        return self._head

    def version(self, stream: Stream) -> int:
        """Return the position of a stream's last event, 0 if it has none.

        Raises CorruptLog if the event there belongs to another stream.
        """
        found = self._txn.get(STREAMS, stream_key(stream))
        position = int.from_bytes(found, "big") if found else 0
        if position and self.at(position).stream != stream:
            raise CorruptLog(position, f"`streams` has it as the last event of stream {stream}")
        return position

    def digest(self, position: int | None = None) -> bytes:
        """Return the chain's digest at a position, or at the head; at the cut where that is beyond it.

        Raises CorruptLog where an event is missing that it takes, or the one that keeps a digest is damaged.
        """
        cut, end = self.cut(), self._head if position is None else position
        first = max(end - end % hash_chain.KEPT_EVERY, cut + 1)
        rows = self.stored(first - 1, max(end - first + 1, 0))
        digest = hash_chain.kept_by(*rows[0]) if rows else None
        if digest is None and first > cut + 1:
            return self._digest_by_batch(end, cut)
        return hash_chain.link_all(digest or self._digest_at(cut), [value for _, value in rows])

    def _digest_by_batch(self, end: int, cut: int) -> bytes:
        """Return digest() of events that an earlier release wrote: the last of each batch keeps one, or none does."""
        behind: list[bytes] = []
        for key, value in islice(self._txn.scan_back(LOG, key_of(end + 1)), end - cut):
            behind.append(value)
            if (digest := hash_chain.kept_by(key, value)) is not None:
                break
        else:
            digest = self._digest_at(cut)
        return hash_chain.link_all(digest, reversed(behind))

    def _digest_at(self, cut: int) -> bytes:
        """Return the chain's digest at the cut, which the last retention event has."""
        if not cut:
            return hash_chain.GENESIS
        last = self.version(RETENTION_STREAM)
        applied = self.at(last).event if last else None
        if not isinstance(applied, RetentionApplied):
            raise CorruptLog(cut, "events up to here may be missing, but no retention event says so")
        return applied.chain

    def is_claim(self, position: int) -> bool:
        """Return whether the event at a position is a claim."""
        value = self._txn.get(LOG, key_of(position)) if position else None
        return value is not None and type(decode(key_of(position), value).event) is Claimed

    def read(self, after: int = 0, limit: int | None = None, *, until: int | None = None) -> Iterator[Recorded]:
        """Yield the events after a position; raises CorruptLog at a damaged event, or where one is missing.

        Up to the cut events may be missing, as long as LMDB counts as many rows as are found there.
        """
        reached = after
        stop = None if until is None else key_of(until + 1)
        left = -1 if limit is None else limit
        for key, value in islice(self._txn.scan(LOG, key_of(after + 1), stop), limit):
            recorded = decode(key, value)
            self._check_next(recorded.position, reached + 1)
            reached = recorded.position
            left -= 1
            yield recorded
        if left:
            self._check_end(reached, self._head if until is None else min(until, self._head))

    def stored(self, after: int, limit: int | None = None, *, until: int | None = None) -> list[Row]:
        """Return the events after a position as they are stored; raises CorruptLog as read() does."""
        stop = None if until is None else key_of(until + 1)
        rows = list(islice(self._txn.scan(LOG, key_of(after + 1), stop), limit))
        for position in [int.from_bytes(key, "big") for key, _ in rows]:
            if position != after + 1:
                self._check_next(position, after + 1)
            after = position
        if limit is None or len(rows) < limit:
            self._check_end(after, self._head if until is None else min(until, self._head))
        return rows

    def _check_next(self, position: int, expected: int) -> None:
        if position < expected:
            raise CorruptLog(expected, f"an earlier event, that at {position}, stands in its place")
        if position != expected:
            missing = max(expected, self.cut() + 1)
            if missing < position:
                raise CorruptLog(missing, f"it is missing; the next event is at {position}")
            self._check_kept(expected)

    def _check_end(self, reached: int, end: int) -> None:
        """Refuse rows that end too early: a damaged page of the file can hide those after it."""
        if reached < end and (missing := max(reached, self.cut()) + 1) <= end:
            raise CorruptLog(missing, f"it is missing, and so are those after it, up to {end}")
        if reached < end:
            self._check_kept(reached + 1)

    def _check_kept(self, missing: int) -> None:
        """Refuse a gap below the cut if fewer rows are found than LMDB counts: then it may not be retention's doing."""
        cut = self.cut()
        kept = self._txn.count(LOG) - (self._head - cut)
        if not self._txn.has_all(LOG, kept, below=key_of(cut + 1)):
            raise CorruptLog(missing, f"it may be lost: not all of the {kept:,} events up to position {cut} are found")

    def cut(self) -> int:
        """Return the position up to which events may be missing, 0 where all are there."""
        return cut_of(self._txn)

    def origin(self) -> bytes:
        """Return what tells this log from others: the chain's digest at position 1, kept once events may be missing."""
        return self._txn.get(META, ORIGIN) or self.digest(1)

    def read_back(self, below: int) -> Iterator[Recorded]:
        """Yield the events below a position, last first; raises CorruptLog as read() does."""
        expected = min(below - 1, self._head)
        for key, value in self._txn.scan_back(LOG, key_of(below)):
            recorded = decode(key, value)
            if recorded.position != expected:
                self._check_next(expected + 1, recorded.position + 1)
            expected = recorded.position - 1
            yield recorded
        if expected > 0:
            self._check_next(expected + 1, 1)

    def read_stream(self, stream: Stream, *, after: int = 0) -> list[Recorded]:
        """Return the events of one stream after a position, by following `prev` back from its last.

        What retention let go of (an earlier job of the same id, old events of a named stream) is left out. Raises
        CorruptLog where `prev` leads into another stream, or past the beginning of a job's.
        """
        found: list[Recorded] = []
        position = self.version(stream)
        if not position and isinstance(stream, int) and self._has_begun(stream):
            raise CorruptLog(stream, "`streams` lacks the stream that begins with it")
        while position > after and not (self._may_lack(stream, found) and self.is_gone(position)):
            before = self.at(position)
            if found:
                check_follows(found[-1], before)
            found.append(before)
            position = before.prev
        if found and isinstance(found[-1].stream, int) and found[-1].position > found[-1].stream > after:
            raise CorruptLog(
                found[-1].position, f"nothing leads from it back to {found[-1].stream}, where its stream began"
            )
        return found[::-1]

    def _has_begun(self, stream: int) -> bool:
        """Whether the event that a job's stream begins with is in the log."""
        value = self._txn.get(LOG, key_of(stream))
        return value is not None and decode(key_of(stream), value).stream == stream

    @staticmethod
    def _may_lack(stream: Stream, found: list[Recorded]) -> bool:
        """Return whether what stands before events found, last first, may be gone: of a job all stay or none."""
        return not isinstance(stream, int) or bool(found and type(found[-1].event) is Enqueued)

    def is_gone(self, position: int) -> bool:
        """Return whether retention let an event go."""
        return position <= self.cut() and self._txn.get(LOG, key_of(position)) is None

    def at(self, position: int) -> Recorded:
        """Return the event at a position; raises CorruptLog where there is none."""
        return decode(key_of(position), self._stored(position))

    def _stored(self, position: int) -> bytes:
        value = self._txn.get(LOG, key_of(position))
        if value is None:
            raise CorruptLog(position, "it is missing")
        return value


def check_follows(later: Recorded, before: Recorded) -> None:
    """Raise CorruptLog where an event names as the one before it what is not of its stream.

    A job's first event names the removal of an earlier job of its id.
    """
    is_first = later.stream == later.position
    is_fit = type(before.event) is Removed if is_first else before.stream == later.stream
    if not is_fit:
        found = f"it names {before.position} as the event of its stream before it, which is of stream {before.stream}"
        raise CorruptLog(later.position, found)


def cut_of(txn: Transaction) -> int:
    """Return the position up to which events may be missing, 0 where all are there; also of a damaged log."""
    return int.from_bytes(txn.get(META, CUT) or b"", "big")


def stream_key(stream: Stream) -> bytes:
    """Return a stream's key; named ones sort after every number, since no position reaches 0xff..."""
    return (
        stream.to_bytes(8, "big") if isinstance(stream, int) else NAMED_STREAM + stream.encode(errors="surrogatepass")
    )


def stream_of_key(key: bytes) -> Stream:
    """Return the stream of a key."""
    return key[1:].decode(errors="surrogatepass") if key[:1] == NAMED_STREAM else int.from_bytes(key, "big")
