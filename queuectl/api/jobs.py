"""Jobs enqueued, and acted on: cancelled, retried, edited, removed."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

import os
from typing import TYPE_CHECKING, Any

from ..core.commands import CancelJob, PauseJob, RemoveJob, RequeueJob, ResumeJob
from ..core.job import JobState, id_of
from ..core.job_request import by_one_name, request_of_fields
from ..errors import InvalidInput
from ..system.lazy import Later
from .base import cut_us, ids_of
from .parts import enqueue, job_actions, job_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..core.job import Job
    from ..core.job_request import Ends, JobRequest
    from ..core.results import Bulk
    from ..core.times import Duration, When
    from ..events.types import Command
    from . import admin, dlq, limits, queues
    from .admin import Admin
    from .dlq import DeadLetters
    from .limits import Limits
    from .queues import Queues
else:
    admin = Later("api.admin")
    dlq = Later("api.dlq")
    limits = Later("api.limits")
    queues = Later("api.queues")


from .reads import Reads


class Actions(Reads):
    """What users change in a queue: its jobs."""

    @property
    def admin(self) -> Admin:
        """What keeps the queue in order."""
        return admin.Admin(self._engine)

    @property
    def dlq(self) -> DeadLetters:
        """The dead letter queue."""
        return dlq.DeadLetters(self._engine, self.ui)

    @property
    def queues(self) -> Queues:
        """The queues by their names."""
        return queues.Queues(self._engine)

    @property
    def limits(self) -> Limits:
        """What jobs share."""
        return limits.Limits(self._engine)

    def enqueue(
        self,
        command: str | Sequence[str | os.PathLike[str]],
        *,
        id: str | None = None,
        queue: str = "default",
        priority: int = 0,
        max_retries: int | None = None,
        timeout: Duration | None = None,
        backoff_base: float | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | os.PathLike[str]] | None = None,
        run_at: When | None = None,
        delay: Duration | None = None,
        replace: bool = False,
        shell: str | None = None,
        inherit_env: str | Sequence[str] | None = None,
        merge: bool = False,
        paused: bool = False,
        labels: Mapping[str, str] | None = None,
        meta: Mapping[str, Any] | None = None,
        ok_on: Ends | None = None,
        dead_on: Ends | None = None,
        snooze_on: Ends | None = None,
        retry_on: Ends | None = None,
        snooze: Duration | None = None,
        max_snoozes: int | None = None,
        backoff: str | None = None,
        backoff_max: Duration | None = None,
        expire_in: Duration | None = None,
        expire_at: When | None = None,
        if_expired: str | None = None,
        max_time: Duration | None = None,
        use: str | Sequence[str] | None = None,
        mutex: str | None = None,
        unique: str | None = None,
        unique_for: Duration | None = None,
        if_exists: str | None = None,
        after: Job | str | Sequence[Job | str] | None = None,
        if_parent_fails: str | None = None,
        reason: str | None = None,
        timeout_s: Duration | None = None,
        delay_s: Duration | None = None,
        at: When | None = None,
        run_at_us: int | None = None,
    ) -> Job:
        """Enqueue one command; when it returns the job is on disk.

        Args:
            command: A shell line, or a list of words that runs without a shell; a word may be a Path.
            id: 1 to 120 printable characters; None is a generated one.
            queue: The name of its queue.
            priority: A higher one runs first.
            max_retries: Attempts after the first; None is as configured.
            timeout: Seconds that a run may take, 0 for ever; None is as configured.
            backoff_base: A retry waits `backoff_base ** attempt` seconds; None is as configured.
            cwd: The directory it runs in, an absolute path; None is this process's.
            env: What is added to the worker's environment.
            run_at: Not before this time.
            delay: Not before so many seconds have passed.
            replace: Remove an ended job of this id first; its history stays.
            shell: What runs a shell line: a program and its options; None is as configured.
            inherit_env: What of this process's environment it takes along: names, `all`, or `configured`, what
                the setting says; None is nothing.
            merge: Send stderr into the pipe of stdout, for the exact order of both: all of it counts as stdout.
            paused: Let it wait until it is resumed.
            labels: What it is found by: at most 16 texts of up to 63 characters, each under a key.
            meta: What is kept and shown with it: an object as in JSON, at most 1 KiB.
            ok_on: Ends that count as completed: exit codes, ranges, signals, `signal`, `timeout`, `lost`, `spawn`,
                as `1,64-68,SIGTERM`, a number, or a list of these.
            dead_on: Ends after which no attempt follows.
            snooze_on: Ends after which it tries again and no attempt is used up.
            retry_on: The only ends after which it is tried again. The lists are looked at in this order.
            snooze: How long a snooze is; None is as long as a retry would wait.
            max_snoozes: After so many a run counts as failed instead; None is 100.
            backoff: What retries wait: `exp:2`, as `backoff_base`, or `fixed:30s`, or one by one `list:1s,10s,1m`.
            backoff_max: The longest wait before a retry.
            expire_in: No attempt starts later than so many seconds from now.
            expire_at: No attempt starts later than this time.
            if_expired: What becomes of it then: `dead`, or `cancel`.
            max_time: How many seconds all attempts together have, from now on.
            use: What it uses of limits while it runs: `api`, `gpu=2`, `user:42`; several as a list.
            mutex: A name that one job at a time uses.
            unique: A key that no other job holds at the same time, 1 to 120 printable characters; the job holds it
                until it has ended.
            unique_for: How many seconds from now it holds the key in any case.
            if_exists: What to do where a job holds the key: `return` that job, which is so unless told otherwise,
                `refuse`, or `replace` what it waits to do by what is asked here; it keeps its id.
            after: Jobs, or their ids, that are to complete first; `ID:any` is to end, `ID:notok` not to complete.
            if_parent_fails: What becomes of it where one does not: `hold`, it waits on, or `cancel`.
            reason: Kept in the log with the change.
            timeout_s: The same as `timeout`.
            delay_s: The same as `delay`.
            at: The same as `run_at`.
            run_at_us: The same as `run_at`, in microseconds since the epoch.

        Raises InvalidInput, DuplicateJob for an id that is taken, KeyTaken for a key that is, or StoreError where it
        could not be written.
        """
        words: Command = (
            tuple(os.fspath(word) if isinstance(word, os.PathLike) else word for word in command)
            if isinstance(command, list)
            else command  # type: ignore[assignment]
        )
        times: dict[str, Any] = {"timeout": timeout, "delay": delay, "run_at": run_at}
        if (timeout_s, delay_s, at, run_at_us) != (None,) * 4:
            times = by_one_name({**times, "timeout_s": timeout_s, "delay_s": delay_s, "at": at, "run_at_us": run_at_us})
        request = request_of_fields(
            *(words, id, queue, priority, max_retries),
            backoff_base=backoff_base,
            cwd=cwd,
            env=env,
            replace=replace,
            shell=shell,
            inherit_env=inherit_env,
            merge=merge,
            paused=paused,
            labels=labels,
            meta=meta,
            ok_on=ok_on,
            dead_on=dead_on,
            snooze_on=snooze_on,
            retry_on=retry_on,
            snooze=snooze,
            max_snoozes=max_snoozes,
            backoff=backoff,
            backoff_max=backoff_max,
            expire_in=expire_in,
            expire_at=expire_at,
            if_expired=if_expired,
            max_time=max_time,
            use=use,
            mutex=mutex,
            unique=unique,
            unique_for=unique_for,
            if_exists=if_exists,
            after=after,
            if_parent_fails=if_parent_fails,
            **times,
        )
        return self.ui.enqueue_request(request, reason=reason)

    def enqueue_many(
        self,
        requests: Iterable[JobRequest | Mapping[str, Any] | str],
        *,
        skip_existing: bool = False,
        progress: Callable[[int], None] | None = None,
        reason: str | None = None,
    ) -> Bulk:
        """Enqueue many: all are checked before the first is enqueued, 10,000 go in a transaction.

        Args:
            requests: Each a JobRequest, a mapping with the keys of the JSON form, or a shell line.
            skip_existing: Leave out those whose id is taken, which else refuse all; where one says `replace`, its id
                is taken only by a job that has not ended.
            progress: Called with the number done after each transaction.
            reason: Kept in the log with each.

        Where a job holds a request's unique key, it is as with `enqueue`, also within the batch. Raises InvalidLine,
        with the request's number from 1, and nothing enqueued; BulkStopped where the store failed later.
        """
        return enqueue.enqueue_all(
            self._engine,
            requests,
            settings=self.admin.settings(),
            skip_existing=skip_existing,
            progress=progress,
            reason=reason,
        )

    def cancel(self, job_id: Job | str, *, reason: str | None = None) -> Job:
        """Keep a waiting job from running; ask a running one's worker to stop it.

        Raises JobNotFound, or WrongState when it has ended.
        """
        return job_actions.act(self._engine, [id_of(job_id)], CancelJob(), reason=reason)[0]

    def pause(self, job_id: Job | str, *, reason: str | None = None) -> Job:
        """Keep a waiting job from running until it is resumed; have a running one stand still, and its time limit too.

        Raises JobNotFound, or WrongState when it has ended.
        """
        return job_actions.act(self._engine, [id_of(job_id)], PauseJob(), reason=reason)[0]

    def resume(self, job_id: Job | str, *, reason: str | None = None) -> Job:
        """Let a paused job go on, in the place that it had; raises JobNotFound."""
        return job_actions.act(self._engine, [id_of(job_id)], ResumeJob(), reason=reason)[0]

    def retry(self, job_id: Job | str, *, reason: str | None = None) -> Job:
        """Run a job again now that failed, completed, died or was cancelled.

        Raises JobNotFound, WrongState, or KeyTaken where another job holds its unique key.
        """
        return job_actions.act(self._engine, [id_of(job_id)], RequeueJob(), reason=reason)[0]

    def edit(self, job_id: Job | str, *, again: bool = False, reason: str | None = None, **changes: Any) -> Job:
        """Change what a job is to do, of one that runs its timeout, labels and meta; `again` lets one run again, now.

        `changes` are what `enqueue` takes but for id, replace, inherit_env, merge and paused. None is no timeout,
        directory, environment, time, labels, meta, list of ends or backoff of its own, and the usual shell. Labels and
        meta take the place of all that it had. It keeps its id and its
        history. Raises JobNotFound, WrongState or InvalidInput.
        """
        return job_actions.edit(self._engine, id_of(job_id), changes, again=again, reason=reason)

    def remove(self, job_ids: Job | str | Iterable[Job | str], *, reason: str | None = None) -> list[str]:
        """Remove ended jobs from the views, all or none of those named; their history stays, their ids are free.

        What they printed goes. Returns their ids. Raises JobNotFound or WrongState.
        """
        return job_actions.act_on_named(self._engine, ids_of(job_ids), RemoveJob(), reason=reason)

    def clear(
        self,
        *,
        state: JobState | str = JobState.COMPLETED,
        older_than: Duration | None = None,
        all: bool = False,
        reason: str | None = None,
        older_than_s: Duration | None = None,
    ) -> int:
        """Remove ended jobs of a state from the views; their history stays. Returns how many.

        Args:
            state: In which they ended.
            older_than: Leave those that ended, or were edited, in so many seconds.
            all: Whether every job of the state is meant.
            reason: Kept in the log with each.
            older_than_s: The same as `older_than`.

        Raises InvalidInput for a state that is no end, and for neither an age nor `all`, or both.
        """
        until_us = cut_us(older_than, older_than_s, now_us=self._clock.now_us())
        if until_us is None and not all:
            raise InvalidInput("older_than", "none", "an age, or all=True for every job of the state")
        if until_us is not None and all:
            raise InvalidInput("all", "an age as well", "either an age or all=True")
        where = job_filter.filter_of(state=state, until_us=until_us)
        return len(self.ui.act_on_all(self.ui.choose("remove", where), reason=reason).ids)
