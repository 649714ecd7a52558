"""What class Queue takes and gives beside jobs and events: plain immutable values."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from .. import hints
from ..errors import QueuectlError
from ..events.types import Output, Value
from .job import Job, JobState


class Bulk(NamedTuple):
    """What a bulk enqueue did: the ids in order, and how many were left out as their ids are taken.

    Of requests whose unique key is held, `existing` has the ids of those that hold it, one for each, and `edited`
    those of jobs that were edited into what was asked.
    """

    enqueued: int
    skipped: int
    ids: list[str]
    existing: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()


class Acted(NamedTuple):
    """The ids of the jobs that something was done to, and how many of those chosen had moved on and were left.

    `asked` of them were running: their workers were asked to stop them. `refused` are the refusals of those whose
    unique key another job holds, which are not among those `left`.
    """

    ids: list[str]
    left: int
    asked: int = 0
    refused: Sequence[QueuectlError] = ()


class Waited(NamedTuple):
    """How jobs ended that somebody waited for: how many each way, and which did not complete.

    `gone` of them ended and were let go by retention meanwhile, so that nobody can say how.
    """

    counts: dict[JobState, int]
    not_completed: list[tuple[str, JobState]]
    gone: int = 0


class Captured(NamedTuple):
    """What an attempt printed: its frames, or None when they lie in its file or there are none.

    `output_error` is what kept the disk from taking some of it, None where all that is missing was cut at the limit.
    """

    frames: bytes | None = None
    stdout: Output | None = None
    stderr: Output | None = None
    stderr_tail: str | None = None
    output_error: str | None = None


class Result(NamedTuple):
    """How a run ended, as its worker saw it; `job` is the job as it was claimed.

    `leaves_processes`: something that it started has its output open, and goes on.
    """

    job: Job
    kind: Literal["completed", "failed", "cancelled", "released"]
    return_code: int | None = None
    signal: str | None = None
    failure: str | None = None
    error: str | None = None
    duration_ms: int | None = None
    output: Captured = Captured()
    leaves_processes: bool = False

    @property
    def reason(self) -> str | None:
        """The failure, by the name that it had before."""
        return self.failure


class Exchange(NamedTuple):
    """What a worker got for its results: jobs to run, and what became of what it handed in.

    `refused` pairs a job as the worker knew it with why: its lease is no longer the worker's.
    `next_due_s` is how soon there may be a job that nobody tells of, since its time comes: None for none. `frees`: what
    was settled leaves room to jobs that use limits.
    """

    claimed: list[Job]
    settled: list[Job]
    refused: list[tuple[Job, QueuectlError]]
    next_due_s: float | None
    frees: bool = False


class Recovered(NamedTuple):
    """The jobs recovered from workers that are gone or frozen, as they stand now, and the workers that were gone."""

    jobs: list[Job]
    workers: list[str]


class Running(NamedTuple):
    """What a slot of a worker runs: a job's attempt (0 where its command has not yet started) and since when."""

    job_id: str
    queue: str
    attempt: int
    since_us: int
    is_cancelling: bool


class WorkerInfo(NamedTuple):
    """A worker that has started and not stopped, and what it runs, longest first; all of it as of `at_us`."""

    id: str
    pid: int
    host: str
    slots: int
    queues: tuple[str, ...] | None
    runs: list[Running]
    started_at_us: int
    heartbeat_at_us: int | None
    state: Literal["running", "stopping", "dead"]
    stop_now: bool
    at_us: int

    @property
    def running(self) -> list[str]:
        """The ids of the jobs it runs."""
        return [run.job_id for run in self.runs]

    def serves(self, queue: str | None) -> bool:
        """Whether it takes jobs from a queue; None is any."""
        return queue is None or self.queues is None or queue in self.queues


class Unserved(NamedTuple):
    """A queue that no running worker serves, and how many jobs wait in it."""

    queue: str
    waiting: int

    @property
    def told(self) -> str:
        """The queue and how many wait, in words."""
        return f"queue {self.queue} ({'1 job waits' if self.waiting == 1 else f'{self.waiting:,} jobs wait'})"

    @property
    def start_command(self) -> str:
        """The command that starts a worker for it."""
        return hints.start_worker(self.queue)


class Blocker(NamedTuple):
    """One thing that a waiting job waits for.

    `code` is `paused` (it is not to run), `queue_paused` (nor is its queue to start any), `time` (it is not due before
    `until_us`), `no_worker` (no running worker serves its queue) or `slots` (all `slots` of the workers that do are
    taken, by the jobs of the ids in `holders`, and `before` jobs run before it). A pause began at `since_us`, told `by`
    somebody for a `reason`, and ends at `until_us`, or once it is resumed. `limit`: too many units of `limit` are in
    use, `used` of its `cap`, by the jobs in `holders`, for it to use `units`; `rate`: it lets none start before then.
    `dependency`: the job in `holders` has yet to end as it is to, and is in `state`, None where it is there no more.
    """

    code: Literal["paused", "queue_paused", "dependency", "time", "limit", "rate", "no_worker", "slots"]
    until_us: int | None = None
    slots: int = 0
    holders: tuple[str, ...] = ()
    before: int = 0
    limit: str | None = None
    used: int = 0
    cap: int = 0
    units: int = 1
    since_us: int | None = None
    by: str | None = None
    reason: str | None = None
    state: JobState | None = None


class LimitState(NamedTuple):
    """A limit and what of it is in use: units at once (`running`, None: any), and `starts` in `period_s`, if any.

    `next_start_us`: when its rate lets the next start, None for at once. Who set it, when and why.
    """

    name: str
    running: int | None
    starts: int | None
    period_s: float | None
    burst: int
    used: int
    next_start_us: int | None
    set_at_us: int
    by: str
    reason: str | None


class PausedQueue(NamedTuple):
    """A queue whose jobs are not to start: since when, until when (None: once it is resumed), who said so, and why."""

    name: str
    paused_at_us: int
    until_us: int | None
    by: str
    reason: str | None


class Status(NamedTuple):
    """The queue at a glance. `oldest_pending_s`: how long the longest waiting runnable job has waited.

    `unserved` are the queues where jobs wait and that no running worker serves. `waiting`: how many jobs wait for
    each thing, by the codes of Blocker but `slots`; one that waits for two counts for both.
    """

    jobs: dict[JobState, int]
    active_workers: int
    queues: dict[str, dict[JobState, int]]
    head: int
    oldest_pending_s: float | None
    unserved: list[Unserved]
    waiting: dict[str, int]
    paused: list[PausedQueue]


class Overview(NamedTuple):
    """What a live view shows; `retries` wait for their next attempt, next due first. All of it as of `at_us`."""

    status: Status
    workers: list[WorkerInfo]
    jobs: list[Job]
    retries: list[Job]
    at_us: int


class Run(NamedTuple):
    """One run of a job; `number` and `token` are what Queue.output_bytes finds by what it printed.

    `output_error` is what kept the disk from taking some of that, if anything.
    """

    number: int
    attempt: int
    token: int
    worker: str
    started_at_us: int
    state: Literal["running", "completed", "failed", "snoozed", "cancelled", "released"]
    summary: str
    output_error: str | None = None


class Cause(NamedTuple):
    """The run whose command did something: its claim's position, and of which job which attempt.

    `job_id` is None where retention let the job go, `attempt` where the run never started.
    """

    token: int
    number: int | None
    job_id: str | None
    attempt: int | None


class Kin(NamedTuple):
    """A job in its family, and the jobs that its runs enqueued; `attempt` is that of its parent which enqueued it.

    `state` and how it ended are the last it had where it `is_removed`. `id` and `state` are None where
    retention let the job go. `left_out` of its children are not among `children`.
    """

    number: int
    id: str | None
    state: JobState | None
    is_removed: bool
    return_code: int | None
    signal: str | None
    duration_ms: int | None
    attempt: int | None
    children: tuple["Kin", ...]
    left_out: int


class Family(NamedTuple):
    """A job between its ancestors, from `root` down, and all that descends from it.

    `above` is the run that enqueued `root` where that is not the first ancestor: there were more of
    them than asked for, or retention let them go.
    """

    number: int
    root: Kin
    above: Cause | None


class Subscriber(NamedTuple):
    """A named place in the log: how far its events are acknowledged, and when that last changed.

    `lag` is how many positions come after it, `lag_s` the age of the first event there (0: none).
    `may_lack` tells that retention may have let go of events that it has not read.
    """

    name: str
    position: int
    lag: int
    lag_s: float
    moved_at_us: int
    may_lack: bool


class ConfigValue(NamedTuple):
    """A setting's value and where it comes from; for each key, settings.VARIABLES has its variable."""

    value: Value
    source: Literal["default", "store", "environment"]
