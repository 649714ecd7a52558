"""class Queue: what the command line, the worker and other programs use.

Each method is one transaction, or a few bounded ones; nothing it returns is still tied to the
store. What acknowledges a change has it on disk.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final

from . import doorbell, reading, settling
from .answers import Bulk, Captured, ConfigValue, Exchange, ReplayReport, Result, Run, Status, WorkerInfo
from .clock import Clock, SystemClock
from .commands import CancelJob, CompleteJob, JobCommand, ReleaseJob, RemoveJob, RenewLease, RequeueJob
from .engine import Engine, Unit, token_of
from .errors import DuplicateJob, InvalidInput, InvalidLine, QueuectlError, WaitTimeout
from .events.codec import name_of
from .events.lmdb_log import LmdbLog
from .events.types import (
    WORKER_STREAM,
    Command,
    Enqueued,
    Event,
    JobSpec,
    Recorded,
    Stream,
    WorkerStarted,
    WorkerStopped,
    WorkerStopping,
)
from .intake import JobRequest, check_text, specify, time_us
from .job import Job, JobState
from .projections import config, dead, ids, jobs
from .projections.rebuild import rebuild
from .settings import KEYS, Settings, canonical, parse
from .store import Store, key_of

CHUNK: Final = 10_000
"""Jobs a transaction in bulk work; a read transaction lives no longer than as many events."""

_POLL_S: Final = 0.05
_ENDED: Final = frozenset({JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED})


class Queue:
    """A queue on disk. Open it, use it, close it; one Queue a store and process, and not across a fork.

    >>> with Queue.open("/tmp/q") as queue:
    ...     job = queue.enqueue("echo hi")
    """

    def __init__(self, store: Store, clock: Clock, actor: str) -> None:
        self.path = store.path
        self.actor = actor
        self._store = store
        self._clock = clock
        self._engine = Engine(store, clock, actor)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        create: bool = True,
        actor: str | None = None,
        clock: Clock | None = None,
    ) -> "Queue":
        """Open the queue in a directory, made on first use unless `create` is False.

        `path` None: QUEUECTL_DB, else the user's data directory. `actor` is who the log names:
        user@host unless given. Raises NoQueue, NotAQueue, NewerFormat or StoreError.
        """
        directory = Path(path) if path is not None else default_path()
        store = Store.open(directory.absolute(), create=create)
        return cls(store, clock or SystemClock(), check_text("actor", actor or _user_at_host()))

    def close(self) -> None:
        """Close the store; doing so twice is harmless."""
        self._store.close()

    def __enter__(self) -> "Queue":
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

        None takes the configured value; `cwd` None is this process's directory. When it returns the
        job is on disk. Raises InvalidInput or DuplicateJob.
        """
        words: Command = command if isinstance(command, str) else tuple(command)
        due_us = None if run_at is None else time_us(run_at)
        request = JobRequest(
            words, id, queue, priority, max_retries, timeout_s, backoff_base, cwd, env, due_us, delay_s
        )
        return self.enqueue_request(request, reason=reason)

    def enqueue_request(self, request: JobRequest, *, reason: str | None = None) -> Job:
        """Enqueue one request; raises InvalidInput or DuplicateJob."""
        with self._changing(reason) as unit:
            spec = self._specify([request], unit.settings())[0]
            while request.id is None and ids.find(unit.txn, spec.id) is not None:
                spec = self._specify([request], unit.settings())[0]
            return unit.enqueue([spec])[0]

    def enqueue_many(
        self,
        requests: Iterable[JobRequest],
        *,
        skip_existing: bool = False,
        progress: Callable[[int], None] | None = None,
        reason: str | None = None,
    ) -> Bulk:
        """Enqueue many: all are checked before the first is enqueued, 10,000 go in a transaction.

        `progress` is called with the number done behind each transaction. Raises InvalidLine, with
        the request's number from 1, and nothing enqueued.
        """
        specs = self._specify(requests, self.settings())
        if len(specs) > CHUNK and not skip_existing:
            self._check_ids(specs)
        done: list[str] = []
        for start in range(0, len(specs), CHUNK):
            chunk = specs[start : start + CHUNK]
            try:
                with self._changing(reason) as unit:
                    enqueued = unit.enqueue(chunk, skip_existing=skip_existing)
            except DuplicateJob as error:
                raise InvalidLine(start + error.index + 1, error, enqueued=len(done)) from error
            done += [job.id for job in enqueued]
            if progress:
                progress(start + len(chunk))
        return Bulk(len(done), len(specs) - len(done), done)

    # Run jobs

    def claim(
        self, worker: str, count: int = 1, *, queues: Sequence[str] | None = None, lease_s: float | None = None
    ) -> list[Job]:
        """Lease the next jobs to a worker, in order; fewer, or none, where fewer are ready.

        Each job's `lease.token` is what completing, failing, renewing or releasing it is checked by.
        """
        with self._changing(actor=worker) as unit:
            lease_s = unit.settings().lease_s if lease_s is None else lease_s
            return unit.claim(worker, count, lease_s=lease_s, queues=queues)

    def start(self, job: Job, *, host: str | None = None, pid: int | None = None) -> Job:
        """Count an attempt of a claimed job, before its command is spawned; raises StaleLease."""
        with self._changing(actor=_holder(job)) as unit:
            return unit.start([job], host=host or os.uname().nodename, pid=pid or os.getpid())[0]

    def complete(
        self, job: Job, *, return_code: int = 0, duration_ms: int | None = None, output: Captured = Captured()
    ) -> Job:
        """Record that a claimed job's run ended well; raises StaleLease."""
        return self._settle(Result(job, "completed", return_code, duration_ms=duration_ms, output=output))

    def complete_many(self, claimed: Sequence[Job]) -> list[Job]:
        """Record that the runs of claimed jobs ended well, all or none; raises StaleLease."""
        if not claimed:
            return []
        with self._changing(actor=_holder(claimed[0])) as unit:
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
        output: Captured = Captured(),
    ) -> Job:
        """Record that a claimed job's run ended badly: it is retried after its delay, or dead.

        Raises StaleLease.
        """
        return self._settle(Result(job, "failed", return_code, signal, reason, error, duration_ms, output))

    def renew(self, job: Job, *, lease_s: float | None = None) -> Job:
        """Hold a claimed job for another lease from now; raises StaleLease."""
        with self._changing(actor=_holder(job)) as unit:
            lease_s = unit.settings().lease_s if lease_s is None else lease_s
            return unit.execute([(job.number, RenewLease(token_of(job), unit.now_us + int(lease_s * 1_000_000)))])[0]

    def release(self, job: Job, *, cause: str = "released") -> Job:
        """Give a claimed job back; no attempt is used up. Raises StaleLease."""
        with self._changing(actor=_holder(job), ring=True) as unit:
            return unit.execute([(job.number, ReleaseJob(token_of(job), cause))])[0]

    def recover(self) -> list[Job]:
        """Take back the jobs whose lease has expired; claiming does so too."""
        with self._changing(ring=True) as unit:
            return unit.recover()

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

        What is refused is collected rather than raised, so that one lost lease costs nothing else.
        """
        with self._changing(actor=worker) as unit:
            return settling.exchange(
                unit,
                worker,
                results,
                want=want,
                queues=queues,
                lease_s=lease_s,
                renew=renew,
                host=os.uname().nodename,
                pid=os.getpid(),
            )

    def worker_started(
        self, worker: str, *, host: str, pid: int, slots: int, queues: Sequence[str] | None = None
    ) -> None:
        """Record that a worker began to take jobs."""
        event = WorkerStarted(host, pid, slots, None if queues is None else tuple(queues))
        self._worker_event(worker, event, actor=worker)
        self.heartbeat(worker)

    def worker_stopping(self, worker: str, *, now: bool = False, reason: str | None = None) -> None:
        """Ask a worker to take no more jobs; `now`: also to give back those it runs."""
        if worker not in [info.id for info in self.workers()]:
            raise InvalidInput("worker", repr(worker), "one of `queuectl worker list`")
        self._worker_event(worker, WorkerStopping(now), reason=reason)

    def worker_stopped(self, worker: str, cause: str) -> None:
        """Record that a worker ended."""
        self._worker_event(worker, WorkerStopped(cause), actor=worker)
        with self._store.write() as txn:
            txn.delete("presence", worker.encode())

    def heartbeat(self, worker: str) -> None:
        """Note that a worker is alive: presence, not history."""
        with self._store.write() as txn:
            txn.put("presence", worker.encode(), key_of(self._clock.now_us()))

    # Act

    def cancel(self, job_id: str, *, reason: str | None = None) -> Job:
        """Keep a waiting job from running; ask a running one's worker to stop it.

        Raises JobNotFound, or WrongState when it has ended.
        """
        return self._act([job_id], CancelJob(), reason)[0]

    def retry(self, job_id: str, *, reason: str | None = None) -> Job:
        """Run a job again now that failed, completed, died or was cancelled.

        Raises JobNotFound or WrongState.
        """
        return self._act([job_id], RequeueJob(), reason)[0]

    def dlq_retry(self, job_ids: Sequence[str] | None = None, *, reason: str | None = None) -> list[str]:
        """Run dead jobs again with 0 attempts, all or none of those named; None is every dead job.

        Gives their ids. Raises JobNotFound or WrongState.
        """
        return self._act_on_dead(job_ids, RequeueJob(JobState.DEAD), reason)

    def dlq_purge(self, job_ids: Sequence[str] | None = None, *, reason: str | None = None) -> list[str]:
        """Remove dead jobs from the views, all or none of those named; None is every dead job.

        Their history stays. Gives their ids. Raises JobNotFound or WrongState.
        """
        return self._act_on_dead(job_ids, RemoveJob(JobState.DEAD), reason)

    def clear(
        self, *, state: JobState = JobState.COMPLETED, older_than_s: float | None = None, reason: str | None = None
    ) -> int:
        """Remove ended jobs of a state from the views; their history stays. Gives how many.

        Raises InvalidInput for a state that is no end.
        """
        if state not in _ENDED:
            raise InvalidInput("state", repr(str(state)), "completed, dead or cancelled; cancel a waiting job first")
        before_us = self._clock.now_us() - int((older_than_s or 0) * 1_000_000)
        with self._store.read() as txn:
            numbers = [
                job.number
                for job in jobs.oldest_first(txn)
                if job.state == state and (older_than_s is None or (job.finished_at_us or 0) <= before_us)
            ]
        return len(self._order(numbers, RemoveJob(state), reason))

    def config_set(self, key: str, value: str | int | float, *, reason: str | None = None) -> int | float:
        """Give a configuration key a value; raises InvalidInput with the list of good ones."""
        name, number = parse(key, str(value))
        with self._changing(reason) as unit:
            unit.configure(name, number)
        return number

    def config_unset(self, key: str, *, reason: str | None = None) -> None:
        """Let a configuration key have its default again."""
        name = canonical(key)
        with self._changing(reason) as unit:
            unit.configure(name, None)

    # Look

    def job(self, job_id: str) -> Job:
        """Give a job by its id; raises JobNotFound."""
        with self._store.read() as txn:
            return reading.find(txn, job_id)

    def jobs(
        self,
        *,
        state: JobState | str | None = None,
        queue: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Job]:
        """Give jobs: pending and failed ones by when they run, others newest first.

        `after` is the id of the last job of the page before.
        """
        with self._store.read() as txn:
            wanted = None if state is None else JobState(state)
            return reading.list_jobs(txn, state=wanted, queue=queue, limit=limit, after=after)

    def dead(self, *, limit: int | None = None) -> list[Job]:
        """Give the dead letter queue, last to die first."""
        with self._store.read() as txn:
            return list(islice(reading.dead_jobs(txn), limit))

    def status(self) -> Status:
        """Give the queue at a glance."""
        with self._store.read() as txn:
            return reading.status(txn, self._clock.now_us())

    def backlog(self, queues: Sequence[str] | None = None) -> int:
        """Count the jobs that have not ended, in these queues or in all."""
        with self._store.read() as txn:
            return reading.backlog(txn, queues)

    def workers(self) -> list[WorkerInfo]:
        """Give the workers that have not stopped, those found dead among them."""
        with self._store.read() as txn:
            return reading.list_workers(txn, self._clock.now_us())

    def runs(self, job_id: str) -> list[Run]:
        """Give a job's runs in order, with what each printed; raises JobNotFound."""
        with self._store.read() as txn:
            return reading.runs(txn, reading.find(txn, job_id), self.path)

    def output_path(self, job: Job) -> Path:
        """Give where a claimed job's output lies while it runs, and after when it is large."""
        return reading.output_file(self.path, job.number, token_of(job))

    def history(self, job_id: str) -> list[Recorded]:
        """Give every event of a job, those of earlier jobs of its id before them; raises JobNotFound."""
        with self._store.read() as txn:
            return self._engine.recorded(txn, job_id)

    def events(
        self, *, after: int = 0, until: int | None = None, types: Sequence[str] | None = None
    ) -> Iterator[Recorded]:
        """Give the events behind a position, up to and with `until`, in short read transactions."""
        while True:
            with self._store.read() as txn:
                log = LmdbLog(txn)
                end = log.head() if until is None else min(until, log.head())
                batch = list(log.read(after, min(CHUNK, end - after))) if after < end else []
            if not batch:
                return
            after = batch[-1].position
            yield from (each for each in batch if types is None or name_of(each.event) in types)

    def job_id_of(self, stream: Stream) -> str | None:
        """Give the id of the job that events of a stream are about, None for a named stream."""
        if not isinstance(stream, int):
            return None
        with self._store.read() as txn:
            event = LmdbLog(txn).at(stream).event
        assert isinstance(event, Enqueued), "a job's number is the position of its enqueued event"
        return event.spec.id

    def head(self) -> int:
        """Give the position of the last event."""
        with self._store.read() as txn:
            last = txn.last("log")
            return int.from_bytes(last[0], "big") if last else 0

    def sizes(self) -> dict[str, int]:
        """Give the bytes of the store: `used` by data, in the `map` reserved, of the `file`."""
        return self._store.sizes()

    def position_at(self, at_us: int) -> int:
        """Give the last position whose time is not after `at_us`."""
        with self._store.read() as txn:
            return reading.position_at(txn, at_us)

    def wait_for_change(self, after: int, timeout_s: float) -> bool:
        """Wait until the log goes beyond a position, at most so long; tells whether it did."""
        deadline = time.monotonic() + timeout_s
        while self.head() <= after:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_POLL_S, left))
        return True

    def wait(self, job_ids: Sequence[str], *, timeout_s: float | None = None) -> list[Job]:
        """Wait until all of these jobs have ended and give them; raises JobNotFound or WaitTimeout."""
        deadline = time.monotonic() + (timeout_s if timeout_s is not None else 10 * 366 * 86_400)
        while True:
            head = self.head()
            found = [self.job(job_id) for job_id in job_ids]
            open_ids = [job.id for job in found if job.state not in _ENDED]
            if not open_ids:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeout(open_ids, timeout_s or 0)
            self.wait_for_change(head, left)

    def settings(self) -> Settings:
        """Give the settings that count now."""
        with self._store.read() as txn:
            return Settings.of(config.values(txn))

    def config(self) -> dict[str, ConfigValue]:
        """Give every setting's value and where it comes from."""
        with self._store.read() as txn:
            own = config.values(txn)
        return {
            name: ConfigValue(own[name], "store") if name in own else ConfigValue(key.default, "default")
            for name, key in KEYS.items()
        }

    def config_get(self, key: str) -> int | float:
        """Give one setting's value; raises InvalidInput with the list of keys."""
        return self.config()[canonical(key)].value

    # The log

    def replay(self, *, check: bool = False, progress: Callable[[int, int], None] | None = None) -> ReplayReport:
        """Rebuild every view from the log beside the live ones and compare; unless `check`, swap them in.

        `progress` is called with the events applied and the events in all.
        """
        begun = time.monotonic()
        rebuilt = rebuild(self._store, swap=not check, progress=progress)
        return ReplayReport(rebuilt.events, rebuilt.differences, rebuilt.swapped, time.monotonic() - begun)

    # Within

    @contextmanager
    def _changing(
        self, reason: str | None = None, *, actor: str | None = None, ring: bool | None = None
    ) -> Iterator[Unit]:
        if reason is not None:
            check_text("reason", reason)
        with self._engine.unit(actor=actor, reason=reason) as unit:
            yield unit
        if ring or (ring is None and actor is None):
            doorbell.ring(self.path)

    def _specify(self, requests: Iterable[JobRequest], settings: Settings) -> list[JobSpec]:
        given = requests if isinstance(requests, list) else list(requests)
        now_us, cwd = self._clock.now_us(), str(Path.cwd())
        fresh = self._clock.job_ids(len(given))
        specs = []
        for request, fresh_id in zip(given, fresh, strict=True):
            try:
                specs.append(specify(request, fresh_id=fresh_id, settings=settings, now_us=now_us, cwd=cwd))
            except InvalidInput as error:
                if len(given) == 1:
                    raise
                raise InvalidLine(len(specs) + 1, error) from error
        return specs

    def _check_ids(self, specs: Sequence[JobSpec]) -> None:
        taken: set[str] = set()
        for start in range(0, len(specs), CHUNK):
            with self._store.read() as txn:
                for line, spec in enumerate(specs[start : start + CHUNK], start + 1):
                    number = ids.find(txn, spec.id)
                    if number is not None or spec.id in taken:
                        job = None if number is None else jobs.get(txn, number)
                        raise InvalidLine(line, DuplicateJob(spec.id, job.state if job else "in an earlier line"))
                    taken.add(spec.id)

    def _settle(self, result: Result) -> Job:
        with self._changing(actor=_holder(result.job)) as unit:
            settled, refused = settling.settle(unit, [result])
            if refused:
                raise refused[0][1]
            return settled[0]

    def _act(self, job_ids: Sequence[str], command: JobCommand, reason: str | None) -> list[Job]:
        with self._changing(reason) as unit:
            return unit.execute([(unit.find(job_id).number, command) for job_id in dict.fromkeys(job_ids)])

    def _act_on_dead(self, job_ids: Sequence[str] | None, command: JobCommand, reason: str | None) -> list[str]:
        if job_ids is None:
            with self._store.read() as txn:
                numbers = list(dead.numbers(txn))
            return self._order(numbers, command, reason)
        with self._changing(reason) as unit:
            found = [unit.find(job_id) for job_id in dict.fromkeys(job_ids)]
            unit.execute([(job.number, command) for job in found])
        return [job.id for job in found]

    def _order(self, numbers: Sequence[int], command: JobCommand, reason: str | None) -> list[str]:
        """Carry out one command on many jobs in chunks, leaving out those that moved on meanwhile."""
        done: list[str] = []
        for start in range(0, len(numbers), CHUNK):
            with self._changing(reason) as unit:
                found = [job for number in numbers[start : start + CHUNK] if (job := unit.views.job(number))]
                _, refused = unit.attempt([(job.number, command) for job in found])
                left = {number for (number, _), _ in refused}
            done += [job.id for job in found if job.number not in left]
        return done

    def _worker_event(self, worker: str, event: Event, *, actor: str | None = None, reason: str | None = None) -> None:
        with self._changing(reason, actor=actor) as unit:
            unit.append_named(WORKER_STREAM + worker, (event,))


def default_path() -> Path:
    """Give where the queue lies unless told otherwise: QUEUECTL_DB, else the user's data directory."""
    named = os.environ.get("QUEUECTL_DB")
    if named:
        return Path(named)
    from platformdirs import user_data_path  # only where it is needed: it costs a command its start

    return user_data_path("queuectl")


def _holder(job: Job) -> str | None:
    return job.lease.worker if job.lease else None


def _user_at_host() -> str:
    user = os.environ.get("USER") or os.environ.get("LOGNAME")
    if not user:
        import getpass  # its last resort, the password database, is slow to import

        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"


__all__ = ["Queue", "QueuectlError", "default_path"]
