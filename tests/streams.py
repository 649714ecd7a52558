"""An ordered stream in memory that several nodes share, with the faults of a real one, by a seed."""

from collections.abc import Sequence
from random import Random
from threading import Lock

from queuectl.events.event_stream import Message, NoAnswer, Outrun, Published
from queuectl.system.clock import Clock, SystemClock


class MemoryStream:
    """Messages in a list; compare-and-set by subject, each message once by its id.

    `chaos` lets answers be lost after and before the messages are taken, and lets reads lag.
    """

    most_as_a_whole = 1_000

    def __init__(self, chaos: Random | None = None, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._messages: list[bytes] = []
        self._last: dict[str, int] = {}
        self._by_id: dict[str, int] = {}
        self._chaos = chaos
        self._lock = Lock()
        self.outrun = 0
        """How many messages came too late."""

    def publish(self, batch: Sequence[Message], *, whole: bool) -> list[Published | Outrun]:
        """Publish messages, each only if its subject is where it expects; `whole`: all or none."""
        with self._lock:
            if self._happens(0.05):
                raise NoAnswer("the request was lost")
            assert not whole or len(batch) <= self.most_as_a_whole
            told = self._taken(batch, whole=whole)
            if self._happens(0.1):
                raise NoAnswer("the answer was lost")
            return told

    def read(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the sequence and payload of the next messages, or of some of them."""
        with self._lock:
            if self._happens(0.2):
                limit = 0 if self._chaos is None else self._chaos.randrange(2)
            found = self._messages[after : after + limit]
        return list(enumerate(found, after + 1))

    def last(self) -> int:
        """Return the sequence of the last message."""
        with self._lock:
            return len(self._messages)

    def now_us(self) -> int:
        """Return the time of the clock that the stream goes by."""
        return self._clock.now_us()

    def be_quiet(self) -> None:
        """Have no more faults."""
        self._chaos = None

    def payloads(self) -> list[bytes]:
        """Return all messages, whatever the faults."""
        with self._lock:
            return list(self._messages)

    def _taken(self, batch: Sequence[Message], *, whole: bool) -> list[Published | Outrun]:
        late = [self._is_late(message) for message in batch]
        told: list[Published | Outrun] = []
        for message, is_late in zip(batch, late, strict=True):
            if self._seen(message):
                told.append(Published(self._by_id[message.id]))
            elif is_late or (not whole and self._is_late(message)):
                self.outrun += 1
                told.append(Outrun(self._last.get(message.subject, 0)))
            elif whole and any(late):
                told.append(Outrun(0))
            else:
                self._messages.append(message.payload)
                self._last[message.subject] = self._by_id[message.id] = len(self._messages)
                told.append(Published(len(self._messages)))
        return told

    def _is_late(self, message: Message) -> bool:
        return not self._seen(message) and self._last.get(message.subject, 0) != message.expected

    def _seen(self, message: Message) -> bool:
        return message.id in self._by_id

    def _happens(self, chance: float) -> bool:
        return self._chaos is not None and self._chaos.random() < chance
