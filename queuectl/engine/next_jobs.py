"""Which jobs run next: those that are ready and those that use limits, by rank, each where there is room for it.

What is chosen counts as running from then on. Nothing frees room meanwhile: a class whose first job does not fit is
done with. A job that has waited for room for too long reserves it: whoever comes after it and needs the same waits.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from heapq import heappop, heappush
from typing import Final

from ..core.job import WAITING, Job, JobState
from ..core.limits import QUEUE, Limit, LimitClass, cap_of, may_start_us, next_tat_us
from ..core.settings import Settings
from ..projections import counts, jobs, lanes, limits, queues, ready
from ..queries import rates
from ..store.store import Transaction

_LAST: Final = b"\xff" * (ready.RANK_BYTES + 1)
"""A rank after all."""

_Waiting = tuple[bytes, lanes.LaneKey, str | None]
"""The rank of a job, its lane, and the value that it uses, if any."""


class NextJobs:
    """The jobs to run next as a transaction has them, of some queues or all, without those `tried`."""

    def __init__(
        self,
        txn: Transaction,
        served: Sequence[str] | None,
        *,
        now_us: int,
        settings: Callable[[], Settings],
        tried: Container[int] = (),
    ) -> None:
        self._txn = txn
        self._served = None if served is None else frozenset(served)
        self._now_us = now_us
        self._settings = settings
        self._tried = tried
        self._limits = limits.caps(txn)
        self._closed = {row.name for row in queues.paused(txn, now_us)}
        self._used: dict[str, int] = {}  # as it was when it was first asked for
        self._taken: Counter[str] = Counter()  # units, and jobs of queues that have a limit, since it began
        self._reserved: set[str] = set()
        self.blocked_before: dict[int, int] = {}
        """The same as it was noted before."""
        self.blocked: dict[int, int] = {}
        """The first jobs of classes that wait for room, by their numbers, and since when they were seen to."""
        self.tats_us: dict[str, int] = {}
        """When the next starts are due, by limits with a rate, after those that were chosen."""
        self.next_start_us: int | None = None
        """When the first of those may start that wait for a rate alone."""

    def numbers(self, free: int) -> Iterator[int]:
        """Yield the numbers of jobs in order; after `free` of them none that uses a limit, nor what comes after one."""
        if not self._limits and not self._txn.count(lanes.LANES):
            rows = ready.rows(self._txn, self._in_order(), but=self._closed)
            return (number for key, _ in rows if (number := _number(key)) not in self._tried)
        return self._merged(free)

    @property
    def has_notes(self) -> bool:
        """Whether there is something to remember of what was chosen."""
        return bool(self.tats_us or self.blocked or self.blocked_before)

    def note(self, txn: Transaction) -> None:
        """Remember when next starts are due, and since when jobs have waited for room."""
        rates.put(txn, self.tats_us)
        fresh = {number: at_us for number, at_us in self.blocked.items() if number not in self.blocked_before}
        left = [number for number in self.blocked_before if number not in self.blocked]
        gone = [n for n, job in zip(left, jobs.get_many(txn, left).values(), strict=True) if not _waits(job)]
        rates.note_blocked(txn, fresh, gone)

    def _in_order(self) -> list[str] | None:
        return None if self._served is None else sorted(self._served)

    def _merged(self, free: int) -> Iterator[int]:
        self.blocked_before = rates.blocked_since_us(self._txn)
        heads = [_Head(self, *found) for found in lanes.classes(self._txn, lanes.ACTIVE)]
        heads = [head for head in heads if self._serves(head.of.queue)]
        after = b""
        rows = self._ready_after(after)
        plain = next(rows, None)
        given = 0
        while True:
            rank = _LAST if plain is None else plain[0][-ready.RANK_BYTES :]
            head = min(heads, key=lambda each: each.rank(), default=None)
            if head is not None and head.rank() < min(rank, _LAST):
                if not head.has_room():  # another class has taken the last unit of its value
                    head.advance()
                    continue
                if not self._fits(head):
                    heads.remove(head)
                    continue
                if given >= free:
                    return
                number = head.take()
            elif plain is not None:
                queue, number = ready.queue_of(plain[0]), _number(plain[0])
                if not self._queue_has_room(queue):
                    self._closed.update(self._full_queues())
                    rows = self._ready_after(rank)
                    plain = next(rows, None)
                    continue
                if given >= free and f"{QUEUE}:{queue}" in self._limits:
                    return
                plain = next(rows, None)
                if number not in self._tried:
                    self._take_of_queue(queue)
            else:
                return
            if number not in self._tried:
                given += 1
                yield number

    def _full_queues(self) -> Iterator[str]:
        """Yield the queues whose own limits leave no room: all at once, since what is ready is sought anew after it."""
        named = (name.partition(":") for name in self._limits)
        return (queue for kind, _, queue in named if kind == QUEUE and queue and not self._queue_has_room(queue))

    def _ready_after(self, rank: bytes) -> Iterator[tuple[bytes, bytes]]:
        after = rank + b"\0" if rank else b""
        return ready.rows(self._txn, self._in_order(), after=after, but=self._closed)

    def _serves(self, queue: str) -> bool:
        return self._served is None or queue in self._served

    def _fits(self, head: "_Head") -> bool:
        """Whether a class's first job may start; where it waits for room, note it, and reserve that after a while."""
        of = head.of
        if of.queue in self._closed or not self._queue_has_room(of.queue):
            return False
        if any(self._is_late(name) for name in of.rated):
            return False
        if any(name in self._reserved for name, _ in of.plain):
            return False
        lacking = [name for name, units in of.plain if not self._has_room(name, units)]
        if not lacking:
            return True
        if all(self._could_fit(name, units) for name, units in of.plain):
            number = head.number()
            since_us = self.blocked[number] = self.blocked_before.get(number, self._now_us)
            if self._now_us - since_us >= self._settings().overtake_s * 1_000_000:
                self._reserved.update(name for name, _ in of.plain)
        return False

    def _has_room(self, name: str, units: int = 1) -> bool:
        cap = cap_of(name, self._limits)
        if cap is None:
            return True
        if name not in self._used:
            self._used[name] = lanes.used(self._txn, name)
        return self._used[name] + self._taken[name] + units <= cap

    def _could_fit(self, name: str, units: int) -> bool:
        cap = cap_of(name, self._limits)
        return cap is None or units <= cap

    def _queue_has_room(self, queue: str) -> bool:
        name = f"{QUEUE}:{queue}"
        limit = self._limits.get(name)
        if limit is None:
            return True
        if self._is_late(name):
            return False
        running = counts.get(self._txn, queue)[JobState.PROCESSING] + self._taken[name]
        return limit.running is None or running < limit.running

    def _is_late(self, name: str) -> bool:
        """Whether a limit's rate lets nothing start yet."""
        limit = self._limits.get(name)
        if limit is None or limit.starts is None:
            return False
        at_us = may_start_us(limit, self._tat_us(name))
        if at_us <= self._now_us:
            return False
        self.next_start_us = at_us if self.next_start_us is None else min(self.next_start_us, at_us)
        return True

    def _tat_us(self, name: str) -> int:
        return self.tats_us[name] if name in self.tats_us else rates.tat_us(self._txn, name)

    def _take_of_queue(self, queue: str) -> None:
        name = f"{QUEUE}:{queue}"
        if (limit := self._limits.get(name)) is not None:
            self._taken[name] += 1
            self._start(name, limit)

    def _start(self, name: str, limit: Limit) -> None:
        if limit.starts is not None:
            self.tats_us[name] = next_tat_us(limit, self._tat_us(name), self._now_us)

    def take(self, of: LimitClass, value: str | None) -> None:
        """Count a job of a class, and of a value, as running."""
        self._take_of_queue(of.queue)
        for name, units in of.plain:
            self._taken[name] += units
        for name in of.rated:
            if (limit := self._limits.get(name)) is not None:
                self._start(name, limit)
        if value is not None:
            self._taken[value] += 1

    def is_shut(self, of: LimitClass) -> bool:
        """Whether no value of a class may have any job run, which costs no look at each of them."""
        if of.keyed is None or cap_of(of.keyed, self._limits) != 0:
            return False
        return not any(name.startswith(f"{of.keyed}:") for name in self._limits)

    def value_has_room(self, value: str | None) -> bool:
        """Whether one more of a value may run, of a lane that is active or one of whose jobs was taken."""
        if value is None:
            return True
        if self._taken[value]:
            return self._has_room(value)
        return cap_of(value, self._limits) != 0  # beside a limit of 0 a lane is active only where there is room


class _Head:
    """The first job of a class that may run by its value, and those after it."""

    def __init__(self, chosen: NextJobs, class_digest: bytes, packed: bytes) -> None:
        self._chosen = chosen
        self._txn = chosen._txn
        self.of = lanes.names_of(packed).of
        self._active = self._found(class_digest)
        self._next = None if chosen.is_shut(self.of) else next(self._active, None)
        self._pushed: list[_Waiting] = []  # those after the ones that were taken
        self._first: _Waiting | None = None
        self.advance()

    def rank(self) -> bytes:
        """Return the rank of the first job, one after all where there is none."""
        return _LAST if self._first is None else self._first[0]

    def number(self) -> int:
        """Return the number of the first job."""
        return _number(self.rank())

    def has_room(self) -> bool:
        """Whether the value of the first job has room."""
        return self._first is None or self._chosen.value_has_room(self._first[2])

    def take(self) -> int:
        """Take the first job, and go on to the next whose value has room; returns its number."""
        assert self._first is not None, "there is a first job"
        rank, lane, value = self._first
        self._chosen.take(self.of, value)
        if (following := lanes.after(self._txn, lane, rank)) is not None:
            heappush(self._pushed, (following, lane, value))
        self.advance()
        return _number(rank)

    def advance(self) -> None:
        """Go on to the first job that has room by its value, of those active and those after one that was taken."""
        while True:
            if self._next is not None and (not self._pushed or self._next < self._pushed[0]):
                self._first, self._next = self._next, next(self._active, None)
            else:
                self._first = heappop(self._pushed) if self._pushed else None
            if self.has_room():
                return

    def _found(self, class_digest: bytes) -> "Iterator[_Waiting]":
        rows = lanes.active(self._txn, class_digest)
        return ((rank, lane, lanes.names_of(packed).value) for rank, lane, packed in rows)


def _waits(job: Job | None) -> bool:
    return job is not None and job.state in WAITING


def _number(key: bytes) -> int:
    return int.from_bytes(key[-8:], "big")
