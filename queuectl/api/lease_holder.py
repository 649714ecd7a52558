"""Running a queue's jobs: what workers do, those of this package and others'."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

import os
from typing import TYPE_CHECKING, Literal

from .. import hints
from ..core.commands import CompleteJob, ReleaseJob, RenewLease
from ..core.request import check_line, check_queues, check_slots, check_text
from ..core.times import duration_s
from ..display import shown
from ..engine.unit_of_work import token_of
from ..errors import Unusable
from ..events.types import WORKER_STREAM, WorkerStarted, WorkerStopping
from ..projections import jobs as job_rows
from ..projections import workers
from ..queries import presence
from ..system import host as surroundings
from ..system.wakeup import ring
from .parts import exchange, expiry, jobs, recovery, storage
from .parts import results as answers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..core.job import Job
    from ..core.results import Captured, Exchange, Recovered, Result
    from ..core.times import Duration
    from ..engine.engine import Engine


from .base import Opened


class LeaseHolder(Opened, called="Queue.worker()"):
    """`queue.worker(id)`: the jobs that a worker takes, and what became of them, in that worker's name.

    Nothing is recorded of the worker itself unless `started` says that it is there.
    """

    def __init__(self, engine: Engine, id: str) -> None:
        super().__init__(engine)
        self.id = id

    def claim(
        self, count: int = 1, *, queues: Sequence[str] | None = None, lease_s: Duration | None = None
    ) -> list[Job]:
        """Lease the next `count` jobs, in order; fewer, or none, if fewer are ready.

        A lease holds for `lease_s` seconds, or until it is renewed. Raises InvalidInput.
        Each job's `lease.token` is what completing, failing, renewing or releasing it is checked by.
        """
        recovery.recover_jobs(self._engine, actor=self.id)
        with self._engine.unit(actor=self.id) as unit:
            hold_s = unit.settings().lease_s if lease_s is None else duration_s(lease_s, field="lease_s")
            return unit.claim(self.id, count, lease_s=hold_s, queues=queues)

    def start(self, job: Job, *, host: str | None = None, pid: int | None = None) -> Job:
        """Count an attempt of a claimed job, before its command is spawned; raises StaleLease.

        `host` and `pid` are where it runs: here, in this process, unless given.
        """
        with self._engine.unit(actor=self.id) as unit:
            return unit.start([job], host=host or surroundings.host(), pid=pid or os.getpid())[0]

    def complete(
        self, job: Job, *, return_code: int = 0, duration_ms: int | None = None, output: Captured | None = None
    ) -> Job:
        """Record that a claimed job's run ended well; raises StaleLease.

        `return_code`, `duration_ms` and `output` are what is kept of the run.
        """
        return self._settle(
            answers.Result(job, "completed", return_code, duration_ms=duration_ms, output=output or answers.Captured())
        )

    def complete_many(self, claimed: Sequence[Job]) -> list[Job]:
        """Record that the runs of claimed jobs ended well, all or none; raises StaleLease."""
        if not claimed:
            return []
        with self._engine.unit(actor=self.id) as unit:
            return unit.execute([(job.number, CompleteJob(token_of(job))) for job in claimed])

    def fail(
        self,
        job: Job,
        error: str,
        *,
        failure: str = "exit_code",
        return_code: int | None = None,
        signal: str | None = None,
        duration_ms: int | None = None,
        output: Captured | None = None,
    ) -> Job:
        """Record that a claimed job's run ended badly: it is retried after its delay, or dead.

        Args:
            job: The job, as `start` returned it.
            error: Why, in words.
            failure: Why, in one word: exit_code, signal, timeout, spawn_error or lost.
            return_code: What the command exited with, 0 to 255.
            signal: The name of the signal that ended it: SIGTERM.
            duration_ms: How long it ran, in milliseconds.
            output: What it printed.

        Raises StaleLease.
        """
        return self._settle(
            answers.Result(
                job, "failed", return_code, signal, failure, error, duration_ms, output or answers.Captured()
            )
        )

    def renew(self, job: Job, *, lease_s: Duration | None = None) -> Job:
        """Hold a claimed job for `lease_s` seconds from now; raises StaleLease."""
        with self._engine.unit(actor=self.id) as unit:
            hold_s = unit.settings().lease_s if lease_s is None else duration_s(lease_s, field="lease_s")
            until_us = unit.lease_until_us(hold_s)
            return unit.execute([(job.number, RenewLease(token_of(job), until_us))])[0]

    def release(self, job: Job, *, why: str = "released") -> Job:
        """Release a claimed job, `why` in a line; no attempt is used up. Raises StaleLease."""
        with self._engine.unit(actor=self.id, rings=True) as unit:
            return unit.execute([(job.number, ReleaseJob(token_of(job), check_line("why", why)))])[0]

    def refresh(self, claimed: Sequence[Job]) -> list[Job | None]:
        """Return claimed jobs as they stand now, in one read; None for each that is there no more."""
        with self._store.read() as txn:
            found = job_rows.get_many(txn, [job.number for job in claimed])
        return [found.get(job.number) for job in claimed]

    def recover(self) -> Recovered:
        """Recover the jobs of workers that are gone or let their lease expire; claim() does so too.

        What such a worker of this machine has left running is killed first. Slots of readers that were
        killed are freed.
        """
        self._store.free_readers()
        return recovery.recover_jobs(self._engine, actor=self.id)

    def expire(self) -> list[Job]:
        """End the waiting jobs whose time is over, and return them; claim() does so with those that it meets."""
        return expiry.expire_jobs(self._engine, actor=self.id)

    def tell_ends(self) -> None:
        """Tell jobs that waited for others how these have ended, as far as that was not done along with it."""
        expiry.tell_all(self._engine, actor=self.id)

    def exchange(
        self,
        results: Sequence[Result],
        *,
        want: int,
        free: int | None = None,
        lease_s: float,
        queues: Sequence[str] | None = None,
        hold: bool = False,
        held: Sequence[Job] = (),
    ) -> Exchange:
        """Hand in results and take out started jobs, in one transaction.

        What is refused is collected rather than raised, so that one lost lease costs nothing else.

        Args:
            results: How runs ended.
            want: How many jobs at the most to take.
            free: How many of them run at once, None is all: of those that use limits no more are taken.
            lease_s: How long the leases of those taken hold, in seconds.
            queues: The names of the queues to take from; None is all.
            hold: Let all its leases hold for `lease_s` seconds from now, by its presence, without an event.
            held: The jobs that it has, where several nodes share the log: `hold` renews their leases, by events.
        """
        with self._engine.unit(actor=self.id) as unit:
            return exchange.exchange(
                unit,
                self.id,
                results,
                want=want,
                free=want if free is None else free,
                queues=queues,
                lease_s=lease_s,
                hold=hold,
                held=held,
                host=surroundings.host(),
                pid=os.getpid(),
            )

    def started(
        self,
        *,
        host: str,
        pid: int,
        slots: int,
        queues: Sequence[str] | None = None,
        reason: str | None = None,
    ) -> None:
        """Record that the worker takes jobs from now on.

        Args:
            host: The name of the machine that it runs on.
            pid: Its process id there.
            slots: How many jobs it runs at a time.
            queues: The names of the queues it takes from; None is all.
            reason: Kept in the log with its start.
        """
        node = self._engine.writer.node
        event = WorkerStarted(check_text("host", host), pid, check_slots(slots), check_queues(queues), node)
        with self._engine.unit(actor=self.id, reason=reason) as unit:
            unit.append_named(WORKER_STREAM + self.id, lambda: (event,))
            heard = presence.Presence(self._clock.now_us())
            unit.local(lambda txn: presence.put(txn, self.id, heard, now_us=unit.now_us))

    def stop(self, *, now: bool = False, reason: str | None = None, actor: str | None = None) -> None:
        """Ask the worker to take no more jobs; `now`: also to give back those it runs.

        `actor` is who asks, this queue's actor unless given. Raises InvalidInput if no such worker runs.
        """
        if not self._is_there():
            self._engine.writer.catch_up()  # it may have started on another node
        if not self._is_there():
            raise Unusable("worker", shown(self.id), "a worker that has not stopped", hint=hints.A_WORKER)
        with self._engine.unit(reason=reason, actor=actor, rings=True) as unit:
            unit.append_named(WORKER_STREAM + self.id, lambda: (WorkerStopping(now),))

    def _is_there(self) -> bool:
        with self._store.read() as txn:
            there = jobs.list_workers(txn, self._store.path, self._clock.now_us())
        return self.id in [info.id for info in there]

    def stop_requested(self) -> Literal["", "finish", "now"]:
        """Return what the worker was asked to do: nothing, to finish what it runs, or to give it back now."""
        with self._store.read() as txn:
            row = workers.get(txn, self.id)
        if row is None or not row.stopping:
            return ""
        return "now" if row.stop_now else "finish"

    def stopped(self, why: str, *, actor: str | None = None, reason: str | None = None) -> None:
        """Record that the worker ended, `why` in a line; `actor` says so where it is not the worker itself."""
        check_line("why", why)
        with self._engine.unit(actor=actor or self.id, reason=reason) as unit:
            unit.end_worker(self.id, why)

    def heartbeat(self) -> None:
        """Note that the worker, which holds no lock file, is alive: presence, not history."""
        with self._store.write() as txn:
            now_us = self._clock.now_us()
            heard = presence.Presence(now_us, presence.get(txn, self.id).holds_until_us)
            presence.put(txn, self.id, heard, now_us=now_us)

    def output_path(self, job: Job) -> Path:
        """Return where a claimed job's output lies while it runs, and after when it is large."""
        return storage.file_of(self._store.path, job.number, token_of(job))

    def _settle(self, result: Result) -> Job:
        with self._engine.unit(actor=self.id) as unit:
            settled, refused = exchange.settle(unit, [result])
            if refused:
                raise refused[0][1]
            frees = exchange.frees_room(unit.txn, settled)
        if frees:
            ring(self._store.path)
        return settled[0]
