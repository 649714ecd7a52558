"""An ordered stream that nodes share: what is published to it, and what it answers; pure.

A message has the events of one append to one stream of the log, so that nobody ever sees half of them, or of two that
are taken together: a job's removal and the next one's beginning. It has no
positions: those are counted by each node as it adopts messages in their order, and come out the same everywhere.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from msgspec import Raw
from msgspec.msgpack import Decoder, Encoder

from ..errors import CorruptLog, QueuectlError
from ..system.interrupts import own
from .append import Append
from .codec import decode, payloads_of, with_checksum
from .types import Recorded, Stream

_KEY: Final = bytes(8)
"""The key of an event that has no position yet."""

_array: Any = Encoder().encode
_split: Any = Decoder(list[Raw]).decode


class Message(NamedTuple):
    """What is to be published."""

    subject: str
    """What the expected sequence is compared under: `job.<id>`, or `named.<stream>`."""

    expected: int
    """The sequence of the subject's last message, as whoever decided has seen it; 0 for none."""

    id: str
    """Tells it from others: published twice, it is there once."""

    payload: bytes


class Published(NamedTuple):
    """Where a message stands."""

    sequence: int


class Outrun(NamedTuple):
    """A message that came too late, and so is not in the stream; `actual` is the sequence of its subject's last one.

    0 where the subject has none, and where that is not known: it was to be taken as a whole with another too late.
    """

    actual: int


class NoAnswer(QueuectlError):
    """The stream did not answer: what was published may be there, or not. Publish it again, under the same id."""


class EventStream(Protocol):
    """Orders messages, and keeps them; a promise of the suite in tests/contract."""

    def publish(self, batch: Sequence[Message], *, whole: bool) -> list[Published | Outrun]:
        """Publish messages, each only if its subject is where it expects; `whole`: all or none. Raises NoAnswer."""

    def read(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the sequence and payload of the next messages; what was published last may not be there yet.

        Raises NoAnswer.
        """

    def last(self) -> int:
        """Return the sequence of the last message that is known to be there. Raises NoAnswer."""

    def now_us(self) -> int:
        """Return the time of whoever keeps the stream, in microseconds since the epoch. Raises NoAnswer."""


def to_payload(appends: Sequence[Append], *, at_us: int, actor: str, cause: int) -> bytes:
    """Return the events of appends as a message has them: as the log stores them, without what needs a position."""
    recorded = [
        Recorded(0, at_us, append.stream, 0, actor, event, append.reason, cause)
        for append in appends
        for event in append.events
    ]
    payload: bytes = _array(list(map(Raw, payloads_of(recorded))))
    return payload


def from_payload(payload: bytes) -> list[Recorded]:
    """Return the events of a message: without positions, those that begin a job in stream NEW_STREAM.

    Raises CorruptLog or NewerFormat, as decoding the log does.
    """
    try:
        events = _split(payload)
    except own(ValueError) as error:  # MsgspecError among them
        raise CorruptLog(0, "a message of the shared log is no list of events") from error
    return [decode(_KEY, with_checksum(_KEY, bytes(each))) for each in events]


def subject_of(stream: Stream, job_id: str) -> str:
    """Return the subject of a stream of the log: that of a job is its id, since a new one has no number yet."""
    return f"job.{job_id}" if isinstance(stream, int) else f"named.{stream}"
