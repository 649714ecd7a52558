"""Waits until jobs have ended: those named, or those that a filter meant when the waiting began.

Those named are read again at each change of the log. Those that a filter meant may be many: they are
read once, and then only where an event is about one of them. Changes nothing.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Final, Protocol, TypeAlias

from .. import hints
from ..core.job import ENDED, WAITING, Job, JobState
from ..core.job_filter import Filter
from ..core.results import Waited
from ..errors import WaitTimeout, WrongState
from ..events.types import Enqueued, Recorded, Removed, RetentionApplied
from ..projections import jobs
from ..store.event_reader import EventReader
from ..store.store import Transaction
from . import job_list
from .ancestors import failed_above

LOOK_EVERY_S: Final = 5.0
"""How often it is asked what holds the jobs up."""

EVENTS_AT_ONCE: Final = 10_000
"""Events to a read transaction."""

FOR_EVER_S: Final = 10 * 366 * 86_400.0

OnLook: TypeAlias = Callable[[Collection[str]], None]
"""Called with the queues of the jobs that have not ended, at once and every few seconds."""


class Awaited(Protocol):
    """Jobs that somebody waits for."""

    def are_over(self) -> bool:
        """Whether all have ended, by a look at them."""

    def queues(self) -> Collection[str]:
        """Return the queues of those that have not."""

    def ids(self) -> list[str]:
        """Return the ids of some of those that have not."""


def until_over(
    awaited: Awaited,
    head: Callable[[], int],
    change: Callable[[int, float], bool],
    *,
    timeout_s: float | None,
    on_look: OnLook | None,
) -> None:
    """Wait until all have ended; raises WaitTimeout after `timeout_s`, None being never.

    `head` returns the log's last position, `change` waits for one after it, for so many seconds at the most.
    """
    deadline = time.monotonic() + (FOR_EVER_S if timeout_s is None else timeout_s)
    look_at = 0.0
    while True:
        seen = head()
        if awaited.are_over():
            return
        now = time.monotonic()
        if now >= deadline:
            raise WaitTimeout(awaited.ids(), timeout_s or 0)
        if on_look is not None and now >= look_at:
            on_look(awaited.queues())
            look_at = now + LOOK_EVERY_S
        change(seen, min(deadline - now, LOOK_EVERY_S))


class Named:
    """Jobs by their ids, as they were at the last look."""

    def __init__(self, find: Callable[[str], Job], job_ids: Sequence[str], read: job_list.Read) -> None:
        self.found: list[Job] = []
        self._find = find
        self._job_ids = job_ids
        self._read = read

    def are_over(self) -> bool:
        """Whether all have ended, by a look at them; raises JobNotFound.

        Raises WrongState where those that have not wait for jobs that ended otherwise: they may never end.
        """
        self.found = [self._find(job_id) for job_id in self._job_ids]
        left = [job for job in self.found if job.state not in ENDED]
        if left and all(job.unmet for job in left):
            self._check_held_back(left)
        return not left

    def _check_held_back(self, left: Sequence[Job]) -> None:
        with self._read() as txn:
            held = [(job, failed_above(txn, job)) for job in left]
        if None not in [parent for _, parent in held]:
            job, parent = held[0]
            assert parent is not None, "each is held back"
            raise WrongState(
                "wait for", job.id, f"held back by {parent.id}, which is {parent.state}", hints.RETRY_PARENT
            )

    def queues(self) -> Collection[str]:
        """Return the queues of those that wait to run."""
        return {job.spec.queue for job in self.found if job.state in WAITING}

    def ids(self) -> list[str]:
        """Return the ids of those that have not ended."""
        return [job.id for job in self.found if job.state not in ENDED]


class Meant:
    """The unfinished jobs that a filter means now, whatever they become."""

    def __init__(self, read: job_list.Read, where: Filter) -> None:
        self._read = read
        with read() as txn:
            self._after = EventReader(txn).head()  # before the jobs are read: what happens meanwhile is looked at again
        where = where._replace(states=frozenset(JobState) - ENDED if where.states is None else where.states)
        names: dict[str, str] = {}
        self._open = {
            job.number: names.setdefault(job.spec.queue, job.spec.queue) for job in job_list.each(read, where)
        }
        self._ended: dict[int, JobState | None] = {}

    def are_over(self) -> bool:
        """Whether all have ended, by a look at what happened to them since the last one."""
        while self._open and self._step():
            pass
        return not self._open

    def queues(self) -> Collection[str]:
        """Return the queues of those that have not ended."""
        return set(self._open.values())

    def ids(self) -> list[str]:
        """Return the ids of a few of those that have not ended."""
        with self._read() as txn:
            return [self._id(txn, number) for number in islice(self._open, 10)]

    def result(self) -> Waited:
        """Return how they ended."""
        found = Counter(self._ended.values())
        counts = {state: found[state] for state in JobState if state in ENDED}
        others = [(number, state) for number, state in self._ended.items() if state not in (None, JobState.COMPLETED)]
        named: list[tuple[str, JobState]] = []
        for start in range(0, len(others), EVENTS_AT_ONCE):
            with self._read() as txn:
                named += [
                    (self._id(txn, number), state) for number, state in others[start : start + EVENTS_AT_ONCE] if state
                ]
        return Waited(counts, named, found[None])

    def _step(self) -> bool:
        """Take in what a batch of events changed, and return whether there may be more."""
        with self._read() as txn:
            batch = list(EventReader(txn).read(self._after, EVENTS_AT_ONCE))
            removed = {each.stream: each.event.state for each in batch if isinstance(each.event, Removed)}
            for number in self._touched(batch):
                self._take(jobs.get(txn, number), number, removed.get(number))
        if batch:
            self._after = batch[-1].position
        return len(batch) == EVENTS_AT_ONCE

    def _touched(self, batch: Sequence[Recorded]) -> list[int]:
        if any(isinstance(each.event, RetentionApplied) for each in batch):
            return [*self._open, *self._ended]  # events about them may be gone
        streams = dict.fromkeys(each.stream for each in batch if isinstance(each.stream, int))
        return [
            number for number in streams if isinstance(number, int) and (number in self._open or number in self._ended)
        ]

    def _take(self, job: Job | None, number: int, removed: str | None) -> None:
        if job is not None and job.state not in ENDED:  # it still goes on, or was retried
            self._ended.pop(number, None)
            self._open[number] = job.spec.queue
            return
        self._open.pop(number, None)
        if job is not None:
            self._ended[number] = job.state
        else:
            self._ended[number] = JobState(removed) if removed else self._ended.get(number)

    @staticmethod
    def _id(txn: Transaction, number: int) -> str:
        log = EventReader(txn)
        event = None if log.is_gone(number) else log.at(number).event
        return event.spec.id if isinstance(event, Enqueued) else f"number {number}"
