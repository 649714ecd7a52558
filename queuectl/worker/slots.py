"""The commands that a worker runs at one time: started, moved on, renewed and stopped together.

Knows nothing of transactions: it takes claimed jobs and gives results.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from ..answers import Result
from ..events.types import Reason
from ..job import Job
from ..leftovers import MARK, mark_of
from ..lockfile import LockFile
from ..settings import VARIABLES
from .attempt import GROUP_POLL_S, LINGER_S, NEVER, Attempt
from .capture import Capture
from .process import Shortage, SpawnError
from .spawner import Landed, Order, Spawner
from .verdict import Stop
from .waiting import Waiting

RENEWALS_A_LEASE: Final = 3
SHORTAGE_PAUSE_S: Final = 1.0
"""How long no more commands run than did when means ran out; then a few more are tried each time."""


class Slots:
    """Up to `count` attempts side by side."""

    def __init__(
        self,
        count: int,
        waiting: Waiting,
        lock: LockFile,
        *,
        worker: str,
        db_path: Path,
        output_path: Callable[[Job], Path],
        lease_s: float,
        grace_s: float,
        output_limit_bytes: int,
    ) -> None:
        self._count = count
        self._waiting = waiting
        self._lock = lock
        self._worker = worker
        self._db_path = str(db_path)
        self._output_path = output_path
        self._renew_every_s = lease_s / RENEWALS_A_LEASE
        self._grace_s = grace_s
        self._spawner = Spawner(_without_settings(os.environb), slots=count)
        self._waiting.add_source(self._spawner)
        self._runs: dict[int, Attempt] = {}
        self._places: dict[int, int] = {}  # token -> its place in the lock file
        self._free_places = list(range(count))
        self._ended: dict[int, Attempt] = {}
        self._cap = count  # how many may run as far as means go
        self._ease_at = NEVER
        self._look_at = NEVER  # no run has to be looked at before
        self.output_limit_bytes = output_limit_bytes
        self.failure: BaseException | None = None
        """What went wrong that is no fault of a command's, nor a lack of means; for the caller to raise."""

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def free(self) -> int:
        """Tell how many more commands may run."""
        return max(0, self._cap - len(self._runs))

    @property
    def is_short(self) -> bool:
        """Tell whether means do not go as far as they should."""
        return self._cap < self._count

    def jobs(self) -> list[Job]:
        """Give the jobs whose commands run, or are being started."""
        return [run.job for run in self._runs.values()]

    def wake_at(self) -> float:
        """Give the moment at which a run wants to be looked at, or its lease renewed, or more may run again."""
        return min(self._look_at, self._ease_at)

    def launch(self, job: Job, *, now: float) -> None:
        """Have a claimed job's command started; where that fails, step() gives the result."""
        token = _token(job)
        run = self._runs[token] = Attempt(job, partial(self._capture, job), now=now, grace_s=self._grace_s)
        run.renew_at = now + self._renew_every_s
        self._watch(run)
        place = self._places[token] = self._free_places.pop()
        self._lock.launching(place, token)
        self._spawner.order(Order(job, self._environment(job), partial(self._lock.running, place, token)))

    def step(self, moved: Iterable[Attempt], *, now: float) -> list[Result]:
        """Move on the runs that something happened to, and those whose moment has come; gives what ended."""
        if now >= self._ease_at:
            self._ease(now)
        results = [result for landed in self._spawner.take() if (result := self._land(landed, now)) is not None]
        for run in dict.fromkeys([*moved, *self._due(now)]):
            if run.step(now=now):
                results += self._end(run)
            else:
                self._watch_exit(run, now)
                self._watch(run)
        return results

    def due_renewals(self, *, now: float) -> list[Job]:
        """Give the jobs whose leases are to be renewed, and those that would follow soon; none where none is due."""
        if now < self._look_at or all(run.renew_at > now for run in self._runs.values()):
            return []
        soon = now + self._renew_every_s / 4
        return [run.job for run in self._runs.values() if run.renew_at <= soon]

    def renewed(self, jobs: Iterable[Job], *, now: float) -> None:
        """Take note of leases made longer."""
        for job in jobs:
            if (run := self._runs.get(_token(job))) is not None:
                run.job = job
                run.renew_at = now + self._renew_every_s
                self._watch(run)

    def recorded(self, results: Iterable[Result]) -> None:
        """Clean up behind runs whose end is recorded, and let go of those whose end was refused."""
        for result in results:
            if (run := self._ended.pop(_token(result.job), None)) is not None:
                run.recorded()
        self._ended.clear()

    def stop(self, job: Job, cause: Stop, *, now: float) -> bool:
        """Stop one run; tell whether there is one under the job's token to which that was news."""
        run = self._runs.get(_token(job))
        if run is None or not run.stop(cause, now=now):
            return False
        self._watch(run)
        return True

    def stop_all(self, cause: Stop, *, now: float) -> None:
        """Stop every run, each with its grace."""
        for run in self._runs.values():
            run.stop(cause, now=now)
            self._watch(run)

    def kill_all(self, *, now: float) -> None:
        """Kill every run that is being stopped, at once."""
        for run in self._runs.values():
            run.kill(now=now)
            self._watch(run)

    def abandon_all(self) -> list[Job]:
        """Kill everything and wait until it is gone, a few seconds at the most; gives the jobs."""
        jobs = self.jobs()
        now = time.monotonic()
        give_up_at = now + 2 * LINGER_S
        self.stop_all(Stop.ABANDONED, now=now)
        while self._runs and now < give_up_at:
            with suppress(Exception):  # one run's trouble must not keep the others from ending
                self.step(list(self._runs.values()), now=now)
            time.sleep(GROUP_POLL_S if self._runs else 0)
            now = time.monotonic()
        return jobs

    def close(self) -> None:
        """Let go of what all commands share."""
        self._spawner.close()

    def _capture(self, job: Job) -> Capture:
        return Capture(self._output_path(job), limit_bytes=self.output_limit_bytes)

    def _land(self, landed: Landed, now: float) -> Result | None:
        run = self._runs[_token(landed.job)]
        if landed.process is not None:
            run.begin(landed.process, now=landed.begun_at)
            self._waiting.add(run)
            self._watch(run)
            return None
        self._forget(run)
        if run.is_abandoned:
            return None
        if isinstance(landed.error, Shortage):
            self._cap, self._ease_at = len(self._runs), now + SHORTAGE_PAUSE_S
            return Result(run.job, "released", error=str(landed.error))
        if isinstance(landed.error, SpawnError):
            return Result(run.job, "failed", reason=Reason.SPAWN_ERROR, error=str(landed.error), duration_ms=0)
        self.failure = self.failure or landed.error
        return Result(run.job, "released", error=f"its worker failed: {landed.error}")

    def _ease(self, now: float) -> None:
        self._cap = min(self._count, self._cap + self._cap // 8 + 1)
        self._ease_at = now + SHORTAGE_PAUSE_S if self._cap < self._count else NEVER

    def _watch_exit(self, run: Attempt, now: float) -> None:
        if run.is_running:
            try:
                is_watched = self._waiting.add_exit(run)
            except OSError:  # no descriptor left
                is_watched = False
            if not is_watched:
                run.look_again(now=now)

    def _watch(self, run: Attempt) -> None:
        self._look_at = min(self._look_at, run.wake_at(), run.renew_at)

    def _due(self, now: float) -> list[Attempt]:
        """Give the runs whose moment has come; looking through all of them is for when one's may have."""
        if now < self._look_at:
            return []
        due: list[Attempt] = []
        self._look_at = NEVER
        for run in self._runs.values():
            if run.wake_at() <= now:
                due.append(run)  # watched again once it was looked at
                self._look_at = min(self._look_at, run.renew_at)
            else:
                self._watch(run)
        return due

    def _end(self, run: Attempt) -> list[Result]:
        self._waiting.remove(run)
        self._forget(run)
        result = run.finish()
        if run.is_abandoned:
            return []
        self._ended[_token(run.job)] = run
        return [result]

    def _forget(self, run: Attempt) -> None:
        token = _token(run.job)
        del self._runs[token]
        place = self._places.pop(token)
        self._lock.clear(place)
        self._free_places.append(place)

    def _environment(self, job: Job) -> dict[str, str]:
        return {
            **(job.spec.env or {}),
            "QUEUECTL_JOB_ID": job.id,
            "QUEUECTL_ATTEMPT": str(job.attempts),
            "QUEUECTL_QUEUE": job.spec.queue,
            "QUEUECTL_DB": self._db_path,
            MARK: mark_of(self._worker, _token(job)),
        }


def _without_settings(environ: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    # What a job enqueues is not to depend on which worker happened to run it.
    own = {os.fsencode(variable) for variable in VARIABLES.values()}
    return {name: value for name, value in environ.items() if name not in own}


def _token(job: Job) -> int:
    assert job.lease is not None, "a job that runs has a lease"
    return job.lease.token
