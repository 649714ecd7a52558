"""Tells events to the views as the engine does: appended to the log, applied, and written."""

from queuectl.core.job import Job, JobState
from queuectl.events.append import Append
from queuectl.events.types import (
    NEW_STREAM,
    Cancelled,
    Claimed,
    Completed,
    Dead,
    Enqueued,
    Event,
    Failed,
    JobEvent,
    JobSpec,
    Started,
    Stream,
)
from queuectl.projections.row_codec import scan
from queuectl.projections.views import Views
from queuectl.store.event_writer import EventWriter
from queuectl.store.store import Row, Transaction

AT_US = 1000
"""When every event happens."""

DUE_US = 5000
"""When what has to wait is due."""


class Teller:
    """Views, the transaction they are in, and a way to let things happen."""

    def __init__(self, txn: Transaction) -> None:
        self.txn = txn
        self.log = EventWriter(txn)
        self.views = Views(txn)

    def tell(self, stream: Stream, *events: Event) -> Job:
        """Let events happen to one stream, and give its job where it has one."""
        expected = 0 if stream == NEW_STREAM else self.log.version(stream)
        told = self.views.apply(self.log.append([Append(stream, expected, events)], at_us=AT_US, actor="tester"))
        self.views.flush()
        return told[0] if told else None  # type: ignore[return-value]  # only for a named stream or a removed job

    def enqueue(self, job_id: str = "a", queue: str = "default", priority: int = 0, due_us: int | None = None) -> Job:
        """Let a job be enqueued."""
        return self.tell(NEW_STREAM, Enqueued(JobSpec(job_id, "true", queue, priority, run_at_us=due_us)))

    def claim(self, job: Job, worker: str = "w1", expires_at_us: int = 9000) -> Job:
        """Let a job be claimed."""
        return self.tell(job.number, Claimed(worker, expires_at_us))

    def die(self, job: Job) -> Job:
        """Let a claimed job die."""
        return self.tell(job.number, Failed(job.version, 1, "exit_code", "exit code 1"), Dead(1, "exit_code"))

    def rows(self, table: str) -> list[Row]:
        """Return all rows of a table, without their checksums."""
        return list(scan(self.txn, table))


def job_in(views: Teller, state: JobState, job_id: str = "a", queue: str = "default") -> Job:
    """Bring a job into a state."""
    job = views.enqueue(job_id, queue)
    if state is JobState.PENDING:
        return job
    if state is JobState.CANCELLED:
        return views.tell(job.number, Cancelled())
    job = views.claim(job)
    token = job.version
    job = views.tell(job.number, Started(token, 1, "here", 1))
    ends: dict[JobState, tuple[JobEvent, ...]] = {
        JobState.PROCESSING: (),
        JobState.COMPLETED: (Completed(token, 1),),
        JobState.FAILED: (Failed(token, 1, "exit_code", "exit code 1", retry_at_us=DUE_US),),
        JobState.DEAD: (Failed(token, 1, "exit_code", "exit code 1"), Dead(1, "exit_code")),
    }
    return views.tell(job.number, *ends[state]) if ends[state] else job
