"""class Queue: what the command line, the worker and other programs use.

Each method is one transaction, or a few bounded ones; nothing it returns is still tied to the
store. What acknowledges a change has it on disk.
"""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

import os
import time
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from . import surroundings
from .clock import SystemClock
from .commands import CancelJob, CompleteJob, ReleaseJob, RemoveJob, RenewLease, RequeueJob
from .engine import Engine, settings_of, token_of
from .errors import CorruptLog, InvalidInput, JobNotFound, WaitTimeout
from .events.lmdb_log import LmdbLog
from .events.types import WORKER_STREAM, WorkerStarted, WorkerStopped, WorkerStopping
from .intake import JobRequest, check_count, check_queue, check_state, check_text, check_worker, ids_of
from .job import ENDED, JobState
from .later import Later
from .projections import workers
from .settings import VARIABLES, canonical, parse
from .store import Store, key_of
from .when import time_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import IO

    from . import (
        acting,
        adopting,
        answers,
        archived,
        asof,
        backup,
        branching,
        enqueuing,
        expiry,
        exporting,
        family,
        filtering,
        foreignfiles,
        importing,
        installing,
        listing,
        matching,
        migrating,
        outputs,
        reading,
        restore,
        retaining,
        retention,
        selecting,
        settling,
        shrinking,
        subscriptions,
        takeover,
        verification,
    )
    from . import overview as overviews
    from .answers import (
        Acted,
        Adopted,
        BackedUp,
        Branch,
        Bulk,
        Captured,
        Cause,
        Compacted,
        ConfigValue,
        Exchange,
        Exported,
        Family,
        Migrated,
        Overview,
        Recovered,
        ReplayReport,
        Restored,
        Result,
        Run,
        Shrunk,
        Status,
        Subscriber,
        WorkerInfo,
    )
    from .clock import Clock
    from .commands import JobCommand
    from .events.types import Command, Recorded, Stream
    from .filtering import Chosen, Filter, Verb
    from .job import Job
    from .projections import rebuild
    from .retaining import Retaining
    from .settings import Settings
    from .snapshots import Snapshot
    from .subscriptions import Subscription
    from .verification import Verified
    from .worker import output as frames
else:
    acting, answers, asof, enqueuing, outputs, reading, branching, settling, takeover = map(
        Later,
        ["acting", "answers", "asof", "enqueuing", "outputs", "reading", "branching", "settling", "takeover"],
    )
    family, matching, selecting, subscriptions = map(Later, ["family", "matching", "selecting", "subscriptions"])
    filtering, listing = map(Later, ["filtering", "listing"])
    rebuild = Later("projections.rebuild")
    verification = Later("verification")
    adopting, backup, exporting, foreignfiles, importing, installing, migrating, restore = map(
        Later,
        ["adopting", "backup", "exporting", "foreignfiles", "importing", "installing", "migrating", "restore"],
    )
    archived, expiry, retaining, retention, shrinking = map(
        Later, ["archived", "expiry", "retaining", "retention", "shrinking"]
    )
    overviews = Later("overview")
    frames = Later("worker.output")

OUTPUT_AT_ONCE: Final = 1 << 20

_POLL_S: Final = 0.05


class Queue:
    """A queue on disk. Open it, use it, close it; one Queue a store and process, and not across a fork.

    >>> with Queue.open("q") as queue:  # a directory, made on first use
    ...     job = queue.enqueue("echo hi", id="hi", max_retries=2)
    ...     print(job.id, job.state)
    ...     [claimed] = queue.claim("me")  # or leave that to `queuectl worker start`
    ...     done = queue.complete(queue.start(claimed))
    ...     [ended] = queue.wait(job.id)
    ...     print(ended.state, [type(each.event).__name__ for each in queue.history("hi")])
    hi pending
    completed ['Enqueued', 'Claimed', 'Started', 'Completed']

    What a word means in every method: `job_id` is a whole id (`match_id` gives it for its beginning),
    `job_ids` is one or several; `reason` is kept in the log with the change; `actor` is who the log names
    in place of this queue's; `worker` is a worker's id; `queue` and `queues` are names, None is all;
    `state` is a JobState or its name; `where` is a Filter, what a job must be; `limit` is how many at the
    most, `after` the id of the last of the page before, `order` one of the keys of `queuectl list --order`;
    `lease_s` None is as configured; `path` is the queue's directory, None as in `open`; `at_us` is a time
    in microseconds since the epoch; `progress` is called now and then, and what it raises stops the work
    where nothing is lost.
    """

    def __init__(
        self, store: Store, clock: Clock, actor: str, cause: int = 0, environ: Mapping[str, str] | None = None
    ) -> None:
        self.path = store.path
        self.actor = actor
        self._store = store
        self._clock = clock
        self._engine = Engine(store, clock, actor, cause, environ)
        self._printed: archived.Printed | None = None

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        create: bool = True,
        read_only: bool = False,
        actor: str | None = None,
        cause: int | None = None,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Queue:
        """Open the queue in a directory, made on first use unless `create` is False.

        `path` None: QUEUECTL_DB, else the user's data directory. `read_only`: what changes it is refused,
        and nothing waits for whoever writes. `actor` is who the log names: user@host unless given, and
        `clock` what tells the time. `cause` is the position of the claim that this process runs under: as
        its environment says, unless given. `environ` is where QUEUECTL_MAX_RETRIES and the like count: this
        process's environment unless given. Raises NoQueue, NotAQueue, NewerFormat or StoreError.
        """
        store = Store.open(_directory(path), create=create, read_only=read_only)
        try:
            if rebuild.is_outdated(store):
                store = store.reopened_for_writing()
                rebuild.bring_up_to_date(store)
            _refuse_newer(store)
        except BaseException:
            store.close()
            raise
        who = check_text("actor", actor or surroundings.user_at_host())
        cause = surroundings.run_of(store.path) if cause is None else cause
        return cls(store, clock or SystemClock(), who, cause, _settings_in(os.environ if environ is None else environ))

    def close(self) -> None:
        """Close the store; doing so twice is harmless."""
        self._store.close()

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # Enqueue

    def enqueue(
        self,
        command: str | Sequence[str],
        *,
        id: str | None = None,
        queue: str = "default",
        priority: int = 0,
        max_retries: int | None = None,
        timeout_s: float | None = None,
        backoff_base: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        run_at: datetime | None = None,
        delay_s: float | None = None,
        reason: str | None = None,
    ) -> Job:
        """Enqueue one command: a shell line, or a list of words that runs without a shell.

        `id` None is one of our making, `priority` higher runs first, `max_retries` are attempts after the
        first, `timeout_s` 0 is never, a retry waits `backoff_base ** attempt` seconds, and None of these is
        as configured. `cwd` None is this process's directory; `env` adds to the worker's environment.
        `run_at` or `delay_s`: not before. When it returns the job is on disk. Raises InvalidInput or
        DuplicateJob.
        """
        words: Command = tuple(command) if isinstance(command, list) else command  # type: ignore[assignment]
        due_us = None if run_at is None else time_us(run_at)
        request = JobRequest(
            words, id, queue, priority, max_retries, timeout_s, backoff_base, cwd, env, due_us, delay_s
        )
        return self.enqueue_request(request, reason=reason)

    def enqueue_request(self, request: JobRequest, *, reason: str | None = None) -> Job:
        """Enqueue one request; raises InvalidInput or DuplicateJob."""
        return enqueuing.enqueue_one(self._engine, request, reason=reason)

    def enqueue_many(
        self,
        requests: Iterable[JobRequest | Mapping[str, Any] | str],
        *,
        skip_existing: bool = False,
        progress: Callable[[int], None] | None = None,
        reason: str | None = None,
    ) -> Bulk:
        """Enqueue many: all are checked before the first is enqueued, 10,000 go in a transaction.

        Of `requests`, each may be a JobRequest, a mapping with the keys of the JSON form, or a shell line.
        `skip_existing` leaves out those whose id is taken, which else refuse all. `progress` is called
        with the number done behind each transaction. Raises InvalidLine, with
        the request's number from 1, and nothing enqueued; BulkStopped where the store failed later.
        """
        return enqueuing.enqueue_all(
            self._engine,
            requests,
            settings=self.settings(),
            skip_existing=skip_existing,
            progress=progress,
            reason=reason,
        )

    # Run jobs

    def claim(
        self, worker: str, count: int = 1, *, queues: Sequence[str] | None = None, lease_s: float | None = None
    ) -> list[Job]:
        """Lease the next `count` jobs to a worker, in order; fewer, or none, where fewer are ready.

        A lease holds for `lease_s` seconds, or until it is renewed. Raises InvalidInput.
        Each job's `lease.token` is what completing, failing, renewing or releasing it is checked by.
        """
        takeover.take_over(self._engine, actor=check_worker(worker))
        with self._engine.unit(actor=worker) as unit:
            lease_s = unit.settings().lease_s if lease_s is None else lease_s
            return unit.claim(worker, count, lease_s=lease_s, queues=queues)

    def start(self, job: Job, *, host: str | None = None, pid: int | None = None) -> Job:
        """Count an attempt of a claimed job, before its command is spawned; raises StaleLease.

        `host` and `pid` are where it runs: here, in this process, unless given.
        """
        with self._engine.unit(actor=_holder(job)) as unit:
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
        with self._engine.unit(actor=_holder(claimed[0])) as unit:
            return unit.execute([(job.number, CompleteJob(token_of(job))) for job in claimed])

    def fail(
        self,
        job: Job,
        error: str,
        *,
        reason: str = "exit_code",
        return_code: int | None = None,
        signal: str | None = None,
        duration_ms: int | None = None,
        output: Captured | None = None,
    ) -> Job:
        """Record that a claimed job's run ended badly: it is retried after its delay, or dead.

        `error` says why in words, `reason` in one: exit_code, signal, timeout, spawn_error or lost.
        `return_code` or the name of a `signal`, `duration_ms` and `output` are what is kept of the run.
        Raises StaleLease.
        """
        return self._settle(
            answers.Result(job, "failed", return_code, signal, reason, error, duration_ms, output or answers.Captured())
        )

    def renew(self, job: Job, *, lease_s: float | None = None) -> Job:
        """Hold a claimed job for `lease_s` seconds from now; raises StaleLease."""
        with self._engine.unit(actor=_holder(job)) as unit:
            until_us = unit.lease_until_us(unit.settings().lease_s if lease_s is None else lease_s)
            return unit.execute([(job.number, RenewLease(token_of(job), until_us))])[0]

    def release(self, job: Job, *, cause: str = "released") -> Job:
        """Give a claimed job back, `cause` telling why; no attempt is used up. Raises StaleLease."""
        with self._engine.unit(actor=_holder(job), rings=True) as unit:
            return unit.execute([(job.number, ReleaseJob(token_of(job), check_text("cause", cause)))])[0]

    def recover(self, *, actor: str | None = None) -> Recovered:
        """Take back the jobs of workers that are gone or let their lease expire; claim() does so too.

        What such a worker of this machine has left running is killed first. Slots of readers that were
        killed are freed.
        """
        self._store.free_readers()
        return takeover.take_over(self._engine, actor=actor)

    def exchange(
        self,
        worker: str,
        results: Sequence[Result],
        *,
        want: int,
        lease_s: float,
        queues: Sequence[str] | None = None,
        renew: Sequence[Job] = (),
    ) -> Exchange:
        """Hand in results and renewals and take out started jobs, in one transaction.

        `results` are how runs ended, `renew` the jobs whose leases are to go on. It gives `want` jobs at
        the most. What is refused is collected rather than raised, so that one lost lease costs nothing
        else.
        """
        with self._engine.unit(actor=worker) as unit:
            return settling.exchange(
                unit,
                worker,
                results,
                want=want,
                queues=queues,
                lease_s=lease_s,
                renew=renew,
                host=surroundings.host(),
                pid=os.getpid(),
            )

    def worker_started(
        self,
        worker: str,
        *,
        host: str,
        pid: int,
        slots: int,
        queues: Sequence[str] | None = None,
        reason: str | None = None,
    ) -> None:
        """Record that a worker began to take jobs: where it runs (`host`, `pid`), and how many at a time (`slots`)."""
        event = WorkerStarted(host, pid, slots, None if queues is None else tuple(queues))
        with self._engine.unit(actor=worker, reason=reason) as unit:
            unit.append_named(WORKER_STREAM + worker, (event,))
            unit.txn.put("presence", worker.encode(), key_of(self._clock.now_us()))

    def worker_stopping(
        self, worker: str, *, now: bool = False, reason: str | None = None, actor: str | None = None
    ) -> None:
        """Ask a worker to take no more jobs; `now`: also to give back those it runs."""
        if worker not in [info.id for info in self.workers()]:
            raise InvalidInput("worker", repr(worker), "one of `queuectl worker list`")
        with self._engine.unit(reason=reason, actor=actor, rings=True) as unit:
            unit.append_named(WORKER_STREAM + worker, (WorkerStopping(now),))

    def stop_requested(self, worker: str) -> Literal["", "finish", "now"]:
        """Tell what a worker was asked to do: nothing, to finish what it runs, or to give it back now."""
        with self._store.read() as txn:
            row = workers.get(txn, worker)
        if row is None or not row.stopping:
            return ""
        return "now" if row.stop_now else "finish"

    def worker_stopped(self, worker: str, cause: str, *, actor: str | None = None, reason: str | None = None) -> None:
        """Record that a worker ended, and by what `cause`; `actor` says so where it is not the worker itself."""
        with self._engine.unit(actor=actor or worker, reason=reason) as unit:
            if workers.get(unit.txn, worker) is not None:  # several may find the same worker gone
                unit.append_named(WORKER_STREAM + worker, (WorkerStopped(cause),))
            unit.txn.delete("presence", worker.encode())

    def heartbeat(self, worker: str) -> None:
        """Note that a worker which holds no lock file is alive: presence, not history."""
        with self._store.write() as txn:
            txn.put("presence", worker.encode(), key_of(self._clock.now_us()))

    # Act

    def cancel(self, job_id: str, *, reason: str | None = None) -> Job:
        """Keep a waiting job from running; ask a running one's worker to stop it.

        Raises JobNotFound, or WrongState when it has ended.
        """
        return acting.act(self._engine, ids_of(job_id), CancelJob(), reason=reason)[0]

    def retry(self, job_id: str, *, reason: str | None = None) -> Job:
        """Run a job again now that failed, completed, died or was cancelled.

        Raises JobNotFound or WrongState.
        """
        return acting.act(self._engine, ids_of(job_id), RequeueJob(), reason=reason)[0]

    def edit(self, job_id: str, *, again: bool = False, reason: str | None = None, **changes: Any) -> Job:
        """Change what a job is to do that waits or has ended; `again` also lets it run again, now.

        `changes` are command, queue, priority, max_retries, timeout_s, backoff_base, cwd, env, run_at or
        delay_s, as `enqueue` takes them; None is no timeout, directory, environment or time. It keeps its
        id and its history. Raises JobNotFound, WrongState or InvalidInput.
        """
        return acting.edit(self._engine, job_id, changes, again=again, reason=reason)

    def dlq_retry(self, job_ids: str | Sequence[str] | None = None, *, reason: str | None = None) -> list[str]:
        """Run dead jobs again with 0 attempts, all or none of those named; None is every dead job.

        Gives their ids. Raises JobNotFound or WrongState.
        """
        return self._act_on_dead(job_ids, RequeueJob(JobState.DEAD), reason)

    def dlq_purge(self, job_ids: str | Sequence[str] | None = None, *, reason: str | None = None) -> list[str]:
        """Remove dead jobs from the views, all or none of those named; None is every dead job.

        Their history stays. Gives their ids. Raises JobNotFound or WrongState.
        """
        return self._act_on_dead(job_ids, RemoveJob(JobState.DEAD), reason)

    def clear(
        self,
        *,
        state: JobState | str = JobState.COMPLETED,
        older_than_s: float | None = None,
        reason: str | None = None,
    ) -> int:
        """Remove ended jobs of a state from the views; their history stays. Gives how many.

        `older_than_s` leaves those that ended, or were edited, in so many seconds. Raises InvalidInput
        for a state that is no end.
        """
        before_us = None if older_than_s is None else self._clock.now_us() - int(older_than_s * 1_000_000)
        where = filtering.filter_of(state=state, until=before_us)
        return len(self.act_on_all(self.choose("remove", where), reason=reason).ids)

    def choose(self, verb: Verb, where: Filter) -> Chosen:
        """Find the jobs that a filter means and that can be cancelled, retried or removed; changes nothing.

        `verb` is cancel, retry or remove. Raises InvalidInput where the filter names a state in which they can not.
        """
        return acting.choose(self._store, verb, where)

    def act_on_all(
        self, chosen: Chosen, *, reason: str | None = None, progress: Callable[[int], None] | None = None
    ) -> Acted:
        """Cancel, retry or remove the jobs chosen, 1,000 to a transaction, leaving those the filter no longer means.

        `progress` is called with the number of jobs gone through behind each transaction.
        """
        return acting.act_on_all(self._engine, chosen, reason=reason, progress=progress)

    def config_set(self, key: str, value: str | int | float, *, reason: str | None = None) -> int | float:
        """Give a configuration key a value; raises InvalidInput with the list of good ones."""
        name, number = parse(key, str(value))
        with self._engine.unit(reason=reason) as unit:
            unit.configure(name, number)
        return number

    def config_unset(self, key: str, *, reason: str | None = None) -> None:
        """Let a configuration key have its default again; raises InvalidInput with the list of keys."""
        name = canonical(key)
        with self._engine.unit(reason=reason) as unit:
            unit.configure(name, None)

    # Look

    def job(self, job_id: str) -> Job:
        """Give a job by its id; raises JobNotFound, which says where it is archived if it is."""
        try:
            with self._store.read() as txn:
                return reading.find(txn, job_id)
        except JobNotFound as error:
            raise archived.refusal(self._store, error) from None

    def match_id(self, typed: str, *, or_removed: bool = False) -> str:
        """Give the id that is `typed`, or else the only one that begins so, of a job there is.

        Elsewhere ids are taken as they are. `or_removed`: also of one that left the views. Raises
        JobNotFound with those that come near, or with where the job of this very id is archived, or
        AmbiguousJob.
        """
        try:
            with self._store.read() as txn:
                found = matching.match(txn, typed, or_removed=or_removed)
        except JobNotFound as error:
            raise archived.refusal(self._store, error) from None
        if found != typed and (segment := archived.segment_of(self._store, typed)):
            raise JobNotFound(typed, archived_at=segment)
        return found

    def jobs(
        self,
        where: Filter | None = None,
        *,
        state: JobState | str | Iterable[JobState | str] | None = None,
        queue: str | None = None,
        since: datetime | int | None = None,
        until: datetime | int | None = None,
        match: str | None = None,
        order: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Job]:
        """Give jobs: waiting ones by when they run, ended ones by their last change, newest first, others by age.

        `since` and `until` speak of their last change, `match` is looked for in id and command. `order`
        is one of filtering.KEYS, with `-` before it for the largest first. `after` is the id of the last
        job of the page before. A Filter may stand for what says which. Raises InvalidInput and JobNotFound.
        """
        where = where or filtering.filter_of(state=state, queue=queue, since=since, until=until, match=match)
        return list(self.each_job(where, order=order, limit=limit, after=after))

    def each_job(
        self, where: Filter, *, order: str | None = None, limit: int | None = None, after: str | None = None
    ) -> Iterator[Job]:
        """Give the same one by one, in short read transactions, however many there are.

        Each is as it was when it was looked at. Raises as `jobs` does, before the first.
        """
        limit = None if limit is None else check_count("limit", limit)
        return listing.each(self._store.read, where, filtering.order_of(order), limit=limit, after=after)

    def count(self, where: Filter) -> int:
        """Count the jobs in the states and of the queue that a filter names, whatever else it asks for."""
        with self._store.read() as txn:
            return listing.count(txn, where)

    def dead(self, *, limit: int | None = None) -> list[Job]:
        """Give the dead letter queue, last to die first."""
        with self._store.read() as txn:
            return list(islice(reading.dead_jobs(txn), limit))

    def status(self) -> Status:
        """Give the queue at a glance."""
        with self._store.read() as txn:
            return reading.status(txn, self.path, self._clock.now_us())

    def overview(
        self,
        *,
        state: JobState | str | None = None,
        queue: str | None = None,
        limit: int = 100,
        lately: Sequence[int] = (),
    ) -> Overview:
        """Give what a live view shows, at a cost that does not grow with the queue.

        Jobs come in order: running, to run next, ended last; some are looked at, and at most `limit`
        that fit are given. `lately` are numbers of jobs to look at beside.
        """
        wanted = None if state is None else check_state(state)
        with self._store.read() as txn:
            return overviews.overview(
                txn, self.path, self._clock.now_us(), state=wanted, queue=queue, limit=limit, lately=lately
            )

    def now_us(self) -> int:
        """Give the time, in microseconds since the epoch."""
        return self._clock.now_us()

    def backlog(self, queues: Sequence[str] | None = None) -> int:
        """Count the jobs that have not ended, in these queues or in all."""
        with self._store.read() as txn:
            return reading.backlog(txn, queues)

    def workers(self) -> list[WorkerInfo]:
        """Give the workers that have not stopped, those found dead among them."""
        with self._store.read() as txn:
            return reading.list_workers(txn, self.path, self._clock.now_us())

    def runs(self, job_id: str) -> list[Run]:
        """Give a job's runs in order, those of an archived job too; raises JobNotFound."""
        try:
            with self._store.read() as txn:
                return reading.runs(txn, reading.find(txn, job_id))
        except JobNotFound as error:
            if error.removed:
                raise
        return archived.runs(self._store, job_id)

    def output(self, run: Run, start: int = 0, *, limit: int = OUTPUT_AT_ONCE) -> bytes:
        """Give what a run has printed so far, as frames: up to `limit` bytes from the offset `start` on.

        Nothing where there is no more. The last frame may be incomplete. Of an archived job it is read
        there. `printed` gives it in plain.
        """
        for _ in range(2):  # a run that ends in between takes its output from its file to the store
            with self._store.read() as txn:
                kept = outputs.kept(txn, run.number, run.token)
            if kept is not None:
                return kept[start : start + limit]
            piece = outputs.piece_of_file(self.path, run.number, run.token, start, limit)
            if piece is not None:
                return piece
        with self._store.read() as txn:
            if not LmdbLog(txn).is_gone(run.number):
                return b""
        self._printed = self._printed or archived.Printed(self._store)
        return self._printed.read(run.number, run.token, start, limit)

    def printed(self, run: Run, stream: Literal["stdout", "stderr"] | None = None) -> bytes:
        """Give all that a run has printed so far: to one stream, or to both in the order in which it came.

        Where output was cut, as `output_limit_bytes` says, there is a line with how much.
        """
        kind = None if stream is None else frames.STREAMS[stream]
        found = b""
        while piece := self.output(run, len(found)):
            found += piece
        return b"".join(frames.read_stream(found, kind))

    def output_path(self, job: Job) -> Path:
        """Give where a claimed job's output lies while it runs, and after when it is large."""
        return outputs.file_of(self.path, job.number, token_of(job))

    def history(self, job_id: str) -> list[Recorded]:
        """Give every event of a job, those of earlier jobs of its id before them; raises JobNotFound.

        Where no job ever had that id, it may name a stream: `config`, or `worker:` and a worker's id.
        What retention let go is read from the archive; BadSegment where that is damaged.
        """
        return archived.history(self._store, job_id)

    def untold(self, events: list[Recorded]) -> str | None:
        """Tell what the `events` of a history lack, archived in a place that is not there; None where nothing."""
        return archived.untold(self._store, events)

    def family(self, job_id: str, *, depth: int = 10, limit: int = 200) -> Family:
        """Give the jobs whose runs led to a job, and all that its own runs enqueued, and theirs; raises JobNotFound.

        `depth` generations either way, `limit` jobs at the most; what is left out is counted.
        """
        return family.family(self._store, job_id, depth=depth, limit=limit)

    def cause_of(self, position: int) -> Cause | None:
        """Tell by whose command the event at a position was caused, None where that was no job's."""
        with self._store.read() as txn:
            log = LmdbLog(txn)
            token = 0 if log.is_gone(position) else log.at(position).cause
            return family.cause_of(txn, token) if token else None

    def events(
        self,
        *,
        after: int = 0,
        until: int | None = None,
        types: Sequence[str] | None = None,
        job: str | None = None,
        queue: str | None = None,
        actor: str | None = None,
        limit: int | None = None,
        last: int | None = None,
    ) -> Iterator[Recorded]:
        """Give the events behind the position `after`, up to and with `until`, in short read transactions.

        `types` are names of event types, `job` is an id, `queue` means events of its jobs; `limit` is for
        the first so many of those chosen, `last` for the newest so many. Raises InvalidInput, and
        JobNotFound when the first is asked for.
        """
        selecting.check_types(types or ())
        limit = None if limit is None else check_count("limit", limit)
        choice = selecting.Choice(types, job, None if queue is None else check_queue(queue), actor)
        if last is None:
            return islice(selecting.in_order(self._store, choice, after, until), limit)
        return islice(selecting.newest(self._store, choice, check_count("last", last), after, until), limit)

    def subscribe(
        self, name: str, *, start: Literal["beginning", "now"] | int = "beginning", follow: bool = True
    ) -> Subscription:
        """Give the events behind a named checkpoint, batch by batch, each at least once and in order.

        A name that is new begins as `start` says: at the beginning, now, or behind a position. Asking for
        the next batch acknowledges the one before, on disk. `follow` False stops at the log's end. Raises
        InvalidInput.
        """
        return subscriptions.Subscription(self._store, self._clock, name, start=start, follow=follow)

    def subscriptions(self) -> list[Subscriber]:
        """Give the subscriptions by name, and how far each is behind the log."""
        now_us = self._clock.now_us()
        with self._store.read() as txn:
            return subscriptions.listed(txn, now_us)

    def rewind_subscription(self, name: str, position: int) -> None:
        """Set the subscription `name` back, so that it gives the events behind a position again.

        Raises InvalidInput for a name that there is not, and for a position behind its own.
        """
        subscriptions.rewind(self._store, name, position, self._clock.now_us())

    def remove_subscription(self, name: str) -> None:
        """Forget the subscription `name`; raises InvalidInput where there is none."""
        subscriptions.remove(self._store, name)

    def job_id_of(self, stream: Stream) -> str | None:
        """Give the id of the job that events of a stream are about, None for a named stream or a job that is gone."""
        with self._store.read() as txn:
            spec = selecting.spec_of(txn, stream)
        return spec.id if spec else None

    def head(self) -> int:
        """Give the position of the last event."""
        with self._store.read() as txn:
            last = txn.last("log")
            return int.from_bytes(last[0], "big") if last else 0

    def check_there(self) -> None:
        """Raise NoQueue where the directory no longer holds the store that is open."""
        self._store.check_there()

    def sizes(self) -> dict[str, int]:
        """Give the bytes of the store: `used` by data, in the `map` reserved, of the `file`."""
        return self._store.sizes()

    def position_at(self, at_us: int) -> int:
        """Give the last position whose time is not after `at_us`."""
        with self._store.read() as txn:
            return reading.position_at(txn, at_us)

    def wait_for_change(self, after: int, timeout_s: float) -> bool:
        """Wait until the log goes beyond the position `after`, `timeout_s` at most; tells whether it did."""
        deadline = time.monotonic() + timeout_s
        while self.head() <= after:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_POLL_S, left))
        return True

    def wait(self, job_ids: str | Sequence[str], *, timeout_s: float | None = None) -> list[Job]:
        """Wait until a job, or all of several, have ended and give them as a list, in the order asked for.

        Raises JobNotFound, or WaitTimeout after `timeout_s`, None being never; they go on all the same.
        """
        job_ids = ids_of(job_ids)
        deadline = time.monotonic() + (timeout_s if timeout_s is not None else 10 * 366 * 86_400)
        while True:
            head = self.head()
            found = [self.job(job_id) for job_id in job_ids]
            open_ids = [job.id for job in found if job.state not in ENDED]
            if not open_ids:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeout(open_ids, timeout_s or 0)
            self.wait_for_change(head, left)

    def settings(self) -> Settings:
        """Give the settings that count now, here; raises InvalidInput for a bad one in the environment."""
        with self._store.read() as txn:
            return settings_of(txn, self._engine.environ)

    def config(self) -> dict[str, ConfigValue]:
        """Give every setting's value and where it comes from; raises as settings() does."""
        with self._store.read() as txn:
            return reading.settings(txn, self._engine.environ)

    def config_get(self, key: str) -> int | float:
        """Give the value of the setting `key`; raises InvalidInput with the list of keys."""
        return self.config()[canonical(key)].value

    # The log

    def replay(self, *, check: bool = False, progress: Callable[[int, int], None] | None = None) -> ReplayReport:
        """Rebuild every view from the log beside the live ones and compare; unless `check`, swap them in.

        `progress` is called with the events applied and the events in all. Raises what stops it, with the
        views as they were: CorruptLog, NewerFormat or IllegalTransition, which name the position, or
        StoreError where another replay is at work.
        """
        begun = time.monotonic()
        rebuilt = rebuild.rebuild(self._store, swap=not check, progress=progress)
        took_s = time.monotonic() - begun
        return answers.ReplayReport(rebuilt.events, rebuilt.differences, rebuilt.swapped, took_s, rebuilt.held_s)

    def as_of(
        self,
        position: int | None = None,
        *,
        at_us: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> asof.Past:
        """Give the queue as it was behind the event at a position, or at a time in microseconds; close it after use.

        `progress` is called with the events folded and to be folded. Raises InvalidInput for a moment
        before the log begins or still to come, Archived where retention has taken out its events.
        """
        with self._store.read() as txn:
            moment = asof.moment_at(txn, position, at_us, self._clock.now_us())
        return asof.Past(self._store, moment, progress)

    def branch(
        self,
        into: str | os.PathLike[str],
        position: int | None = None,
        *,
        at_us: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Branch:
        """Make a second queue in a new directory as this one was at a position or a time.

        `progress` is called with the events copied and to be copied, `into` is that directory. Raises
        InvalidInput where the directory is there already, what `as_of` raises for the moment, and
        StoreError.
        """
        with self._store.read() as txn:
            moment = asof.moment_at(txn, position, at_us, self._clock.now_us())
        return branching.branch(self._store, moment, Path(into), progress)

    def snapshots(self) -> list[Snapshot]:
        """Give the snapshots that `as_of` can begin from, by position."""
        return asof.usable(self._store)

    def make_snapshots(
        self, *, with_head: bool = True, progress: Callable[[int, int], None] | None = None
    ) -> list[Snapshot] | None:
        """Make the snapshots that are missing, `with_head` one of the head too; None where another process does.

        Raises StoreError where one cannot be written.
        """
        return asof.make_snapshots(self._store, with_head=with_head, progress=progress)

    def are_snapshots_due(self) -> bool:
        """Tell whether the log has grown enough since the last snapshot, as `snapshot_events` says."""
        return asof.are_snapshots_due(self._store)

    def delete_snapshots(self) -> int:
        """Delete every snapshot, which is no loss; gives how many there were."""
        return asof.delete_snapshots(self._store)

    def verify(self, *, log_only: bool = False, against: Sequence[Path] = (), write_to: Path | None = None) -> Verified:
        """Check the log and all that hangs on it, in a process of its own; `against` are files of checkpoints.

        `log_only` leaves out the file's structure, the outputs and the views. `write_to` is where to
        write a checkpoint if nothing is wrong. Raises InvalidInput for a file that is none.
        """
        return verification.verify(self.path, log_only=log_only, against=against, write_to=write_to)

    def backup(
        self, file: str, *, force: bool = False, progress: Callable[[str, int, int | None], None] | None = None
    ) -> BackedUp:
        """Write a backup to a file (`-`: to stdout), checked, while others go on; `force` replaces one that is there.

        `progress` is called with what goes on, and the bytes done of all. Raises StoreError.
        """
        return backup.back_up(self._store, file, force=force, progress=progress)

    @classmethod
    def restore(
        cls,
        file: str,
        path: str | os.PathLike[str] | None = None,
        *,
        force: bool = False,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> Restored:
        """Restore the backup in a `file` (`-`: from stdin) as the queue in a directory.

        One that is there is replaced only with `force`, and kept aside. Raises StoreError.
        """
        return restore.restore(_directory(path), file, force=force, progress=progress)

    @classmethod
    def finish_restore(cls, path: str | os.PathLike[str] | None = None) -> bool:
        """End a restore or an import that was interrupted while it moved in; tells whether there was one."""
        return installing.finish(_directory(path))

    def export(
        self,
        write: Callable[[bytes], object],
        *,
        outputs: bool = True,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Exported:
        """Write the log, and with `outputs` what runs printed, as JSON lines; raises CorruptLog or StoreError.

        `write` is called with each line. `progress` is called with the position done, and the last.
        """
        return exporting.export(
            self._store, write, now_us=self._clock.now_us(), with_outputs=outputs, progress=progress
        )

    @classmethod
    def import_export(
        cls,
        source: IO[bytes],
        path: str | os.PathLike[str] | None = None,
        *,
        name: str = "the export",
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> Exported:
        """Import the export in `source` into the queue in a directory, which must be empty or new, all or nothing.

        `name` is what errors call it. Raises StoreError.
        """
        return importing.import_export(_directory(path), source, name, progress=progress)

    def import_jobs(
        self,
        files: Sequence[str],
        *,
        format: Literal["jobs-json", "sqlite-jobs"],
        tables: Sequence[str] = (),
        skip_existing: bool = False,
        waiting_only: bool = False,
        partly: bool = False,
        dry_run: bool = False,
        reason: str | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Adopted:
        """Take in the jobs of another queue: a jobs.json and its dlq.json, or tables of a SQLite file.

        `format` says what the `files` are. `skip_existing` leaves out jobs whose id is taken, `waiting_only`
        those that have ended; `dry_run` only tells. `partly`: rows that cannot be taken are reported; without
        it they refuse all. Raises
        QueuectlError for them, StoreError for files that cannot be read.
        """
        wanted = adopting.Wanted(skip_existing, waiting_only, partly, dry_run)
        opened = (
            foreignfiles.json_rows(files[0], files[1] if len(files) > 1 else None)
            if format == "jobs-json"
            else foreignfiles.sqlite_rows(files[0], tables)
        )
        with opened as rows:
            source = " and ".join(Path(file).name for file in files)
            return adopting.adopt(self._engine, rows, source, wanted, reason=reason, progress=progress)

    @classmethod
    def migrate(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        check: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Migrated:
        """Bring the store in a directory up to this release; `check`: only tell what that takes.

        To open it does the same. `progress` is called with the events done, and all. Raises NoQueue,
        NotAQueue, NewerFormat or StoreError.
        """
        directory = _directory(path)
        return migrating.needed(directory) if check else migrating.migrate(directory, progress=progress)

    def compact(
        self,
        *,
        older_than_s: float,
        keep_dead: bool = False,
        archive: str | os.PathLike[str] | None = None,
        dry_run: bool = False,
        progress: Callable[[Compacted], None] | None = None,
        reason: str | None = None,
    ) -> Compacted:
        """Let the events of jobs go that ended `older_than_s` ago, into archive segments in a directory.

        Workers may run meanwhile. `keep_dead` leaves the dead letter queue as it is. `archive` None: the
        queue's own. `dry_run` tells what would go. `progress` hears what went so far; what it raises stops
        it there, and nothing is lost. Raises CompactBusy or StoreError.
        """
        before_us = self._engine.now_us() - int(older_than_s * 1_000_000)
        rule = expiry.Rule(self.position_at(before_us), keep_dead)
        if dry_run:
            steps = expiry.plan(self._store, rule)
        else:
            place = None if archive is None else Path(archive)
            steps = retention.Retention(self._engine, rule, place, limits=expiry.Limits(), reason=reason).steps()
        done = answers.Compacted(rule.upto)
        with closing(steps):
            for done in steps:
                if progress:
                    progress(done)
        return done

    def retaining(self, actor: str) -> Retaining:
        """Give what lets old events go step by step as `retention_s` says; a worker calls it now and then."""
        return retaining.Retaining(self._engine, actor)

    @staticmethod
    def shrink(path: str | os.PathLike[str] | None = None, *, check: bool = False) -> Shrunk:
        """Give the space of what was let go back to the disk; nobody may have the queue open, not even the caller.

        `check`: only look whether that could be done now. Raises NoQueue or StoreError.
        """
        directory = Path(path) if path is not None else surroundings.default_path()
        return shrinking.shrink(directory.absolute(), check=check)

    # Within

    def _settle(self, result: Result) -> Job:
        with self._engine.unit(actor=_holder(result.job)) as unit:
            settled, refused = settling.settle(unit, [result])
            if refused:
                raise refused[0][1]
            return settled[0]

    def _act_on_dead(self, job_ids: str | Sequence[str] | None, command: JobCommand, reason: str | None) -> list[str]:
        if job_ids is None:
            dead = filtering.filter_of(state=JobState.DEAD)
            verb: Verb = "retry" if isinstance(command, RequeueJob) else "remove"
            return self.act_on_all(self.choose(verb, dead), reason=reason).ids
        named = list(dict.fromkeys(ids_of(job_ids)))
        acting.act(self._engine, named, command, reason=reason)
        return named


def _directory(path: str | os.PathLike[str] | None) -> Path:
    return (Path(path) if path is not None else surroundings.default_path()).absolute()


def _refuse_newer(store: Store) -> None:
    """Refuse a log that a newer release goes on with, whatever is asked; damage is for those who read it."""
    with suppress(CorruptLog), store.read() as txn:
        LmdbLog(txn)


def _settings_in(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in VARIABLES.values() if name in environ}


def _holder(job: Job) -> str | None:
    return job.lease.worker if job.lease else None
