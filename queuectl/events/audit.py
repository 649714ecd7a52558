"""What can be proven of a log from its rows alone, read once and in order.

Positions, checksums, times, the hash chain, and each stream's way from event to event. Pure; the
rows may come from a store, from an archive, or from both merged. Holds a few numbers however long
the log is: whether the streams are whole is told by a sum, and only where that is not what it ought
to be need anybody look for what is wrong.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple
from zlib import crc32

from msgpack import UnpackException
from msgspec import convert

from ..errors import CorruptLog, NewerFormat
from ..system.interrupts import own
from ..system.packing import unpack as unpack_value
from .codec import Envelope, Outline, StoredEvent, decode, decoder, name_of_envelope, name_of_type, outline
from .hash_chain import GENESIS
from .types import Cancelled, Completed, Edited, Enqueued, EnvironmentKept, Failed, JobSpec, Removed, Snoozed, Stream

FindEvent = Callable[[int], bytes | None]
"""Returns the stored bytes of the event at a position, None if there is none."""

SPOILT_AT_MOST: Final = 10_000
PROBLEMS_AT_MOST: Final = 1_000

_CHECKSUM: Final = struct.Struct(">I")
_MASK: Final = (1 << 64) - 1


Said = JobSpec | Edited | EnvironmentKept | Completed | Failed | Snoozed | Cancelled
"""What an event can say of things outside the log."""

OnEvent = Callable[[int, Stream, Any], None]
"""Is given a position, a stream, and what the event there Said."""

_OUTSIDE: Final[Mapping[type[Any], Callable[[Any], bool]]] = {
    JobSpec: lambda spec: spec.inherited is not None,
    Edited: lambda edit: bool(edit.inherited),
    EnvironmentKept: lambda _: True,
    **dict.fromkeys(
        (Completed, Failed, Snoozed, Cancelled), lambda end: end.stdout is not None or end.stderr is not None
    ),
}
"""Type of what an event says -> whether that speaks of things outside the log."""


def _seen_slowly(key: bytes, value: bytes) -> tuple[Envelope, bool]:
    """Return an envelope that the quick decoder refused, and whether this release knows its type.

    It has a text that is not UTF-8 or is of another version. Raises ValueError or msgpack's errors for no event.
    """
    found = convert(unpack_value(value[4:]), Envelope)
    try:
        event = decode(key, value).event
    except NewerFormat:
        return found, False
    except CorruptLog as error:
        raise ValueError(str(error)) from error
    found.d = event.spec if isinstance(event, Enqueued) else event
    return found, True


class Problem(NamedTuple):
    """What is wrong at a position (0: at none), or somewhere from there up to and with `until`.

    `is_damage` is False where it only could not be looked at.
    """

    position: int
    what: str
    until: int = 0
    is_damage: bool = True


class Problems(list[Problem]):
    """The first problems found, and how many `more` there were: a damaged log can have one an event."""

    more = 0

    def append(self, problem: Problem) -> None:
        """Keep a problem, or count it."""
        if len(self) < PROBLEMS_AT_MOST:
            super().append(problem)
        else:
            self.more += 1

    def extend(self, problems: Iterable[Problem]) -> None:
        """Keep or count each problem."""
        self.more += problems.more if isinstance(problems, Problems) else 0
        for problem in problems:
            self.append(problem)


def weight(stream: Stream, position: int) -> int:
    """Return what an event adds to the sum while it is the last of its stream; the same within a process only."""
    return hash((stream, position))


def outline_of(position: int, value: bytes | None) -> Outline | None:
    """Return what stored bytes say of an event beside its data, None where they are not what was written."""
    try:
        return None if value is None else outline(position.to_bytes(8, "big"), value)
    except CorruptLog:
        return None


class Audit:
    """A check that goes through a log once. Rows are fed in order, in pieces of any length.

    `found` is called with each problem. `cut` is the position up to which events may be missing. `watched`
    has, for some positions, the digest that the chain ought to have there.
    """

    def __init__(
        self, found: Callable[[Problem], None], *, cut: int = 0, watched: Mapping[int, bytes] | None = None
    ) -> None:
        self.position = 0
        self.events = 0
        self.at_us = 0
        self.sum = 0
        self.digest: bytes | None = GENESIS
        """The chain's digest at the position; None where it cannot be known."""
        self.spoilt: set[int] = set()
        """Positions whose event is missing or not what was written, up to SPOILT_AT_MOST of them."""
        self.proven = 0
        self.unproven: list[int] = []
        """Of those watched: the last whose digest is as it ought to be, and those whose digest cannot be known."""
        self._found = found
        self._cut = cut
        self._watched = dict(sorted((watched or {}).items()))
        self._confirmed = 0  # the chain up to here is as a later event says

    def feed(self, rows: Iterable[StoredEvent], look: FindEvent, each: OnEvent | None = None) -> None:
        """Check rows; `each` is given every sound event that speaks of an output or of an environment."""
        position, digest, at_us, total, events = self.position, self.digest, self.at_us, self.sum, 0
        watch = min((each for each in self._watched if each > position), default=0)
        int_of, checksum_of, cut, outside, see = int.from_bytes, _CHECKSUM.unpack_from, self._cut, _OUTSIDE, decoder()
        for key, value in rows:
            position += 1
            if int_of(key, "big") != position:
                digest, position = None, self._jump(position, key, value)
            events += 1
            try:
                payload = value[4:]
                if crc32(payload, crc32(key)) != checksum_of(value)[0]:
                    raise CorruptLog(position, "")
                try:
                    seen, is_known = see(payload), True
                except own(ValueError):
                    seen, is_known = _seen_slowly(key, value)
                kept, prev, event_us, said = seen.h, seen.p, seen.t, seen.d
                stream = position if seen.s is None else seen.s
                is_in_time = event_us >= at_us
                total += hash((stream, position))
            except own(CorruptLog, ValueError, struct.error, TypeError, RecursionError, UnpackException) as error:
                digest = None
                self._spoil(position, error)
                continue
            if kept is not None:
                if kept != digest:
                    digest = self._break(position, digest, kept)
                self._confirmed = position - 1
            if digest is not None:
                digest = sha256(digest + value).digest()
            if not is_in_time or not is_known:
                self._complain(position, name_of_envelope(seen), is_known)
            at_us = event_us
            if stream == position:
                if prev:
                    self._check_reuse(position, prev, name_of_envelope(seen), look)
            elif 0 < prev < position:
                if prev > cut or type(stream) is int or look(prev) is not None:
                    total -= hash((stream, prev))
            elif prev or type(stream) is int:
                self._found(Problem(position, f"it names {prev} as the event of its stream before it"))
            if each is not None and said.__class__ in outside and outside[said.__class__](said):
                each(position, stream, said)
            if position == watch:
                watch = self._compare(position, digest)
        self.position, self.digest, self.at_us, self.sum = position, digest, at_us, total & _MASK
        self.events += events

    def skip_to(self, position: int) -> None:
        """Take it that no row is left up to a position."""
        if position > self.position:
            self.position, self.digest = position, None

    def anchor(self, digest: bytes) -> None:
        """Go on from the digest that a retention event has for the chain here."""
        if self.digest is not None and self.digest != digest:
            what = "the chain up to here is not the one that the retention event saw"
            self._found(Problem(self._confirmed + 1, what, self.position))
        self.digest = digest

    def finish(self) -> None:
        """End: there are no more rows."""
        for position in self._watched:
            if position > self.position:
                what = f"the log ends at {self.position}, and went on to {position} when the checkpoint was made"
                self._found(Problem(self.position + 1, what, position))
            elif position not in self.unproven and position > self.proven:
                self.unproven.append(position)

    def _jump(self, expected: int, key: bytes, value: bytes) -> int:
        """Report a row that is not the next one, and return the position that it counts as."""
        position = int.from_bytes(key, "big")
        if len(key) != 8 or position < expected or outline_of(expected, value) is not None:
            self._found(Problem(expected, f"the row that stands in its place has the key {key.hex()}"))
            is_sound = len(key) == 8 and outline_of(position, value) is not None
            return position if is_sound else expected
        first = max(expected, self._cut + 1)
        if first < position:
            what = (
                "it is missing" if first + 1 == position else f"the events from here up to {position - 1} are missing"
            )
            self._found(Problem(first, what, position - 1))
            self.spoilt.update(range(first, min(position, first + SPOILT_AT_MOST - len(self.spoilt))))
        return position

    def _spoil(self, position: int, error: Exception) -> None:
        is_damaged = isinstance(error, CorruptLog)
        self._found(Problem(position, "the checksum does not match" if is_damaged else "its bytes are no event"))
        if len(self.spoilt) < SPOILT_AT_MOST:
            self.spoilt.add(position)

    def _break(self, position: int, digest: bytes | None, kept: object) -> bytes | None:
        """Report a digest that is not the one an event keeps, and return the one to go on from."""
        if digest is None and type(kept) is bytes:
            return kept
        first = self._confirmed + 1
        span = f"the event at {first}" if first == position - 1 else f"one of the events from {first} to {position - 1}"
        what = f"the hash chain breaks: {span}, or the digest kept at {position}, is not what was written"
        self._found(Problem(first, what, position))
        return kept if type(kept) is bytes else None

    def _complain(self, position: int, kind: str, is_known: bool) -> None:
        if not is_known:
            what = f"a newer queuectl wrote its type, {kind!r}; upgrade this one"
            self._found(Problem(position, what, is_damage=False))
        else:
            self._found(Problem(position, "its time is before that of the event before it"))

    def _compare(self, position: int, digest: bytes | None) -> int:
        if digest is None:
            self.unproven.append(position)
        elif digest == self._watched[position]:
            self.proven = position
        else:
            what = f"an event from {self.proven + 1} to {position} was changed since the checkpoint was made"
            self._found(Problem(self.proven + 1, what, position))
            self.unproven.append(position)
        return min((each for each in self._watched if each > position), default=0)

    def _check_reuse(self, position: int, prev: int, kind: str, look: FindEvent) -> None:
        """Check that a new job whose id had been another's names that one's removal."""
        value = look(prev) if 0 < prev < position else None
        if prev in self.spoilt or (value is None and 0 < prev <= min(self._cut, position)):
            return
        before = outline_of(prev, value)
        if before is None or before.y != name_of_type(Removed) or kind != name_of_type(Enqueued):
            self._found(
                Problem(position, f"it names {prev} as the removal of an earlier job of its id, which it is not")
            )
