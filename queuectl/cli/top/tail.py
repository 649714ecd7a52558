"""What happened of late, from the log's last events: how many a second, and which attempts failed."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from ...events.types import Cancelled, Completed, Dead, Enqueued, Failed, Recorded

if TYPE_CHECKING:
    from ...queue import Queue

WINDOW_S: Final = 60
MOST_EVENTS: Final = 20_000
"""Events read at one look: where more happened, those before are not counted."""

PAST_EVENTS: Final = 2_000
"""Events looked at when it begins, however long ago they were."""

_SECOND_US: Final = 1_000_000
_KINDS: Final = {Enqueued: 0, Completed: 1, Failed: 2}
COUNTED_EVENTS: Final = ("enqueued", "completed", "failed")


class FailedRun(NamedTuple):
    """An attempt that failed."""

    at_us: int
    job_id: str
    error: str
    retry_at_us: int | None


class Tail:
    """Follows the log from a minute ago on."""

    def __init__(self) -> None:
        self._position: int | None = None
        self._seconds: dict[int, list[int]] = {}
        self._partial_until = 0
        self.failures: deque[FailedRun] = deque(maxlen=50)
        self.ended: deque[int] = deque(maxlen=100)

    def step(self, queue: "Queue", now_us: int) -> None:
        """Read what is new."""
        head = queue.log.head()
        if self._position is None:
            # From a minute ago on, and further back where little happened: failures are of interest for longer.
            before = queue.log.position_at(at_us=now_us - WINDOW_S * _SECOND_US)
            self._position = max(0, min(before, head - PAST_EVENTS))
        if head - self._position > MOST_EVENTS:
            self._position = head - MOST_EVENTS
            self._partial_until = now_us // _SECOND_US + WINDOW_S
        for recorded in queue.events(after=self._position, until=head):
            self._take(queue, recorded)
        self._position = head
        for second in [each for each in self._seconds if each <= now_us // _SECOND_US - WINDOW_S]:
            del self._seconds[second]

    def _take(self, queue: "Queue", recorded: Recorded) -> None:
        event, stream = recorded.event, recorded.stream
        kind = _KINDS.get(type(event))
        if kind is not None:
            self._seconds.setdefault(recorded.at_us // _SECOND_US, [0, 0, 0])[kind] += 1
        if isinstance(event, Failed):
            job_id = queue.log.job_id_of(stream) or str(stream)
            self.failures.appendleft(FailedRun(recorded.at_us, job_id, event.error, event.retry_at_us))
        if isinstance(event, Completed | Cancelled | Dead) and isinstance(stream, int):
            self.ended.append(stream)

    def rates(self, now_us: int) -> Iterator[tuple[str, float, bool, list[int]]]:
        """Yield each kind: its name, how many a second, whether there were more, and how many in each second."""
        last = now_us // _SECOND_US
        seconds = range(last - WINDOW_S + 1, last + 1)
        for kind, name in enumerate(COUNTED_EVENTS):
            counts = [self._seconds.get(second, (0, 0, 0))[kind] for second in seconds]
            yield name, sum(counts) / WINDOW_S, last < self._partial_until, counts
