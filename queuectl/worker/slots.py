"""The commands that a worker runs at one time: lined up, started, moved on and stopped together.

Knows nothing of transactions: it takes claimed jobs and gives results.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ..core.job import Job
from ..core.results import Result
from ..events.types import Failure
from ..liveness.lock_file import LockFile
from ..system.run_mark import mark_of
from .attempt import GROUP_LOOK_S, LINGER_S, NEVER, Attempt, lease_token
from .capture import Capture
from .finished import Finished
from .invocations import Invocations, without_settings
from .launcher import Launcher
from .leftovers import Leftovers
from .means import Means
from .outcome import Stop
from .prefetch import MOST_AHEAD
from .slot_threads import Begun, RunOrder, SlotThreads
from .start_errors import Shortage, SpawnError
from .waiter import Waiter

FLOOD_S: Final = 1.0
"""How long after a run that filled a pipe no run is left alone: others like it would wait to be read."""


class StepOutcome(NamedTuple):
    """What a step brought: the jobs whose runs have begun, and how runs ended."""

    begun: list[Job]
    ended: list[Result]


def entries_for(count: int) -> int:
    """Return how many runs at most so many slots have to do with at one time: those lined up are among them."""
    return count + MOST_AHEAD


class Slots:
    """Up to `count` attempts side by side."""

    def __init__(
        self,
        count: int,
        waiter: Waiter,
        lock: LockFile,
        *,
        worker: str,
        db_path: Path,
        output_path: Callable[[Job], Path],
        inherited_env: Callable[[Job], Mapping[str, str | None]],
        grace_s: float,
        output_limit_bytes: int,
        is_sole: bool = False,
    ) -> None:
        self._waiter = waiter
        self._worker = worker
        self._output_path = output_path
        self._grace_s = grace_s
        self._launcher = Launcher(without_settings(os.environb), is_sole=is_sole)
        self._invocations = Invocations(self._launcher, db_path=db_path, inherited_env=inherited_env)
        try:
            self._threads = SlotThreads(self._launcher, lock, slots=count, entries=entries_for(count))
        except BaseException:
            self._launcher.close()
            raise
        self._means = Means(self._threads, count)
        self._leftovers = Leftovers(self._commands, is_sole=is_sole)
        self._waiter.add_source(self._threads)
        self._attempts: dict[int, Attempt] = {}
        self._unsaid: dict[Attempt, None] = {}  # in the order in which they were lined up
        self._fresh: dict[Attempt, float] = {}  # begun at that moment, and not watched yet
        self._look_at = NEVER  # no run has to be looked at before
        self._flooded_until = -NEVER
        self.finished = Finished()
        """The runs that are over, until that is recorded."""
        self.output_limit_bytes = output_limit_bytes
        self.patience_s = 0.0
        """How long a run is left alone where there are more to go on with: most are over by then."""
        self.error: BaseException | None = None
        """What went wrong that is no fault of a command's, nor a lack of means; for the caller to raise."""

    def __len__(self) -> int:
        return len(self._attempts)

    @property
    def running(self) -> int:
        """Return how many commands run, or are being started."""
        return len(self._attempts) - self.lined_up

    @property
    def lined_up(self) -> int:
        """Return how many jobs wait for a slot."""
        return self._threads.lined_up

    @property
    def are_starting(self) -> bool:
        """Whether a slot is free for a job that waits for one: its thread has yet to get its turn."""
        return self.lined_up > 0 and self.free > 0

    @property
    def has_backlog(self) -> bool:
        """Whether slots have jobs to go on with, so that they need not tell at once how one ended."""
        return self._threads.has_backlog

    @property
    def valid_until(self) -> float:
        """Return the moment after which the first of those that wait is not started any more."""
        return self._threads.valid_until

    @property
    def free(self) -> int:
        """Return how many slots are."""
        return max(0, self._threads.cap - self._threads.busy)

    @property
    def cap(self) -> int:
        """Return how many slots may be taken, as far as means go."""
        return self._threads.cap

    @property
    def is_short(self) -> bool:
        """Return whether means do not go as far as they should."""
        return self._means.are_short

    def jobs(self) -> list[Job]:
        """Return the jobs whose commands run, are being started, or wait for a slot."""
        return [attempt.job for attempt in self._attempts.values()]

    def wake_at(self) -> float:
        """Return the moment at which a run wants to be looked at, or more may run again."""
        return min(self._look_at, self._means.ease_at)

    def fit(self, *, now: float) -> None:
        """Take no more slots than there are means for, before there are jobs; raises OSError where that is none."""
        self._means.fit(now=now)

    def line_up(self, jobs: Iterable[Job], *, now: float, until: float = NEVER) -> None:
        """Have claimed jobs' commands started, each once a slot is free, but none after `until`.

        Where one cannot be started, step() gives the result.
        """
        orders = []
        for job in jobs:
            token = lease_token(job)
            mark = mark_of(self._worker, token)
            find_processes = self._leftovers.finder(mark)
            attempt = Attempt(job, partial(self._capture, job), find_processes, now=now, grace_s=self._grace_s)
            self._attempts[token] = attempt
            self._watch(attempt)
            orders.append(RunOrder(attempt, token, self._invocations.of(job, mark=mark), until))
            self._unsaid[attempt] = None
        if orders:
            self._threads.line_up(orders)

    def withdraw(self, job: Job | None = None) -> list[Job]:
        """Take back a job that waits for a slot, or all that do; returns those that were not taken meanwhile."""
        if job is None:
            attempts = self._threads.withdraw()
        else:
            attempt = self._attempts.get(lease_token(job))
            attempts = [] if attempt is None else self._threads.withdraw([attempt])
        for attempt in attempts:
            del self._attempts[lease_token(attempt.job)], self._unsaid[attempt]
        return [attempt.job for attempt in attempts]

    def pause(self, pause_s: float) -> None:
        """Let the slots go on with what is lined up for so long, or until they need more, or much has happened."""
        self._threads.pause(pause_s)

    def step(self, moved: Iterable[Attempt], *, now: float) -> StepOutcome:
        """Move on the runs that something happened to, and those whose moment has come."""
        if now >= self._means.ease_at:
            why = self._means.ease(now)
            self.error = self.error or why
        begun: list[Job] = []
        ended: list[Result] = []
        touched = dict.fromkeys(moved)
        for news in self._threads.take():
            if isinstance(news, Begun):
                begun += self._up_to(news.attempt)
                ended += self._begin(news, now)
            elif self._is_ours(news.attempt):
                news.attempt.ended(news.at)
                touched[news.attempt] = None
                self._fresh.pop(news.attempt, None)
            else:
                self._leftovers.exited(news.attempt)
        self._leftovers.tidy(now)
        self.error = self.error or self._threads.error
        if self._fresh:
            self._watch_pipes(now)
        self._threads.set_patient(self.patience_s > 0 and now >= self._flooded_until)
        for attempt in (touched | dict.fromkeys(self._due(now))) if now >= self._look_at else touched:
            if attempt.step(now=now):
                ended += self._end(attempt, now)
            else:
                self._watch(attempt)
        return StepOutcome(begun, ended)

    def edited(self, job: Job) -> None:
        """Go by what a job says now: its time limit, which counts from the start of its run, may be another."""
        if (attempt := self._attempts.get(lease_token(job))) is not None:
            attempt.job = job
            self._watch(attempt)

    def stop(self, job: Job, kind: Stop, *, now: float) -> bool:
        """Stop one run; tell whether there is one under the job's token to which that was news."""
        attempt = self._attempts.get(lease_token(job))
        if attempt is None or not attempt.stop(kind, now=now):
            return False
        self._watch(attempt)
        return True

    def freeze(self, job: Job, *, now: float) -> bool:
        """Have one run stand still; tell whether there is one under the job's token to which that was news."""
        attempt = self._attempts.get(lease_token(job))
        if attempt is None or not attempt.freeze(now=now):
            return False
        self._watch(attempt)
        return True

    def thaw(self, job: Job, *, now: float) -> bool:
        """Let one run go on; tell whether there is one under the job's token to which that was news."""
        attempt = self._attempts.get(lease_token(job))
        if attempt is None or not attempt.thaw(now=now):
            return False
        self._watch(attempt)
        return True

    def frozen(self) -> list[Job]:
        """Return the jobs whose runs stand still."""
        return [attempt.job for attempt in self._attempts.values() if attempt.is_frozen]

    def stop_all(self, kind: Stop, *, now: float) -> None:
        """Stop every run, each with its grace."""
        for attempt in self._attempts.values():
            attempt.stop(kind, now=now)
            self._watch(attempt)

    def kill_all(self, *, now: float) -> None:
        """Kill every run that is being stopped, at once."""
        for attempt in self._attempts.values():
            attempt.kill(now=now)
            self._watch(attempt)

    def abandon_all(self) -> list[Job]:
        """Kill everything and wait until it is gone, a few seconds at the most; returns all the jobs."""
        jobs = self.jobs()
        self.withdraw()
        now = time.monotonic()
        give_up_at = now + 2 * LINGER_S
        self.stop_all(Stop.ABANDONED, now=now)
        while self._attempts and now < give_up_at:
            with suppress(Exception):  # one run's trouble must not keep the others from ending
                self.step(list(self._attempts.values()), now=now)
            time.sleep(GROUP_LOOK_S if self._attempts else 0)
            now = time.monotonic()
        return jobs

    def close(self) -> None:
        """Let go of what all commands share."""
        self._leftovers.close()
        if self._threads.close():
            self._launcher.close()

    def _capture(self, job: Job) -> Capture:
        return Capture(self._output_path(job), limit_bytes=self.output_limit_bytes)

    def _up_to(self, attempt: Attempt) -> list[Job]:
        """Return the jobs not given yet up to this run's: slots take them in order, and may start them in another."""
        jobs = []
        while attempt in self._unsaid:
            first = next(iter(self._unsaid))
            del self._unsaid[first]
            jobs.append(first.job)
        return jobs

    def _begin(self, begun: Begun, now: float) -> list[Result]:
        attempt, error = begun.attempt, begun.error
        if begun.process is not None:
            self._means.sufficed()
            attempt.begin(begun.process, now=begun.at)
            self._fresh[attempt] = begun.at
            self._watch(attempt)
            return []
        self._forget(attempt)
        if attempt.is_abandoned:
            return []
        if isinstance(error, Shortage):
            why = self._means.take_fewer(error, now)
            self.error = self.error or why
            return [Result(attempt.job, "released", error=str(error))]
        if isinstance(error, SpawnError):
            failure, code = Failure.SPAWN_ERROR, error.code
            return [Result(attempt.job, "failed", return_code=code, failure=failure, error=str(error), duration_ms=0)]
        self.error = self.error or error
        return [Result(attempt.job, "released", error=f"its worker failed: {error}")]

    def _watch_pipes(self, now: float) -> None:
        """Have read what runs print as it comes, which is not worth it for those that will be over at the next look."""
        begun_by = now - self.patience_s if self.has_backlog else NEVER
        for attempt in [attempt for attempt, begun_at in self._fresh.items() if begun_at <= begun_by]:
            del self._fresh[attempt]
            self._waiter.add(attempt)

    def _watch(self, attempt: Attempt) -> None:
        self._look_at = min(self._look_at, attempt.wake_at())

    def _due(self, now: float) -> list[Attempt]:
        """Return the runs whose moment has come, which takes a look at all of them."""
        due: list[Attempt] = []
        self._look_at = NEVER
        for attempt in self._attempts.values():
            if attempt.wake_at() <= now:
                due.append(attempt)  # watched again once it was looked at
            else:
                self._watch(attempt)
        return due

    def _end(self, attempt: Attempt, now: float) -> list[Result]:
        self._waiter.remove(attempt)
        self._forget(attempt)
        result = attempt.finish()
        self._leftovers.take(attempt)
        if attempt.is_abandoned:
            return []
        if attempt.has_filled_a_pipe:
            self._flooded_until = now + FLOOD_S
        self.finished.add(attempt)
        return [result]

    def _forget(self, attempt: Attempt) -> None:
        del self._attempts[lease_token(attempt.job)]
        self._fresh.pop(attempt, None)
        self._threads.let_go(attempt, is_stuck=attempt.has_begun and not attempt.has_exited)

    def _commands(self) -> set[int]:
        """Return the ids of the commands that have begun."""
        return {attempt.process.pid for attempt in self._attempts.values() if attempt.has_begun}

    def _is_ours(self, attempt: Attempt) -> bool:
        """Return whether a run is not over yet: the loop may have noticed its end by itself."""
        return self._attempts.get(lease_token(attempt.job)) is attempt
