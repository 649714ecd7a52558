"""Jobs that a worker has claimed and not yet launched: those for its free slots, and, where runs are brief, a few more.

A slot that comes free then goes on without waiting for a commit, and a commit carries more results.
Knows nothing of the queue: what has to be given back is handed out as results.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..answers import Result
from ..job import Job

WAIT_S: Final = 0.05
"""How long a job claimed ahead of a free slot is expected to wait for one."""

GIVE_BACK_S: Final = 0.25
"""How long after the last were claimed those that still wait are given back."""

MOST: Final = 64


class Ahead:
    """Claimed jobs in the order of their tokens, and how many more are worth claiming."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._jobs: deque[Job] = deque()
        self._claimed_at = 0.0
        self._run_s: float | None = None  # how long runs take of late, once that is known

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs)

    def add(self, claimed: Sequence[Job], *, now: float) -> None:
        """Take in jobs just claimed."""
        if claimed:
            self._jobs.extend(claimed)
            self._claimed_at = now

    def take(self) -> Job:
        """Give the next one to be launched."""
        return self._jobs.popleft()

    def drop(self, job: Job) -> None:
        """Forget one that is no longer to be launched."""
        self._jobs.remove(job)

    def stale_at(self) -> float:
        """Give the moment from which on they have waited too long."""
        return self._claimed_at + GIVE_BACK_S

    def give_back(self, why: str) -> list[Result]:
        """Give all that wait as results that release them, and claim no more ahead until a run has ended."""
        results = [Result(job, "released", error=why) for job in self._jobs]
        self._jobs.clear()
        self._run_s = None
        return results

    def note(self, ended: Iterable[Result]) -> None:
        """Learn how long runs take."""
        for result in ended:
            run_s = (result.duration_ms or 0) / 1000
            self._run_s = run_s if self._run_s is None else self._run_s + (run_s - self._run_s) / 8

    def wanted(self, free: int) -> int:
        """Tell how many jobs to claim: one a free slot, and some for slots that are about to come free."""
        ahead = 0
        if self._run_s is not None:
            ahead = min(4 * self._slots + 24, MOST, int(self._slots * WAIT_S / max(self._run_s, 0.001)))
        return max(0, free + ahead - len(self._jobs))
