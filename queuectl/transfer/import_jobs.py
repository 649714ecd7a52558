"""Takes in the jobs of another queue, as events that say so: what is known is kept, what is not is not made up.

Every row is read and checked before the first is written. A job that had run there gets one run here,
by the worker `import`, with the attempts, the end and the output that it had there; what the log has no
place for (the times there) stands in the reason.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import chain, repeat
from typing import Final, NamedTuple

from .. import hints
from ..core.commands import EnqueueJob
from ..core.held import NOT_KNOWN
from ..core.job import JobState
from ..core.progress import OpenProgress
from ..core.request import specify
from ..core.settings import Settings
from ..display import shown
from ..engine.engine import Engine
from ..engine.unit_of_work import Unit
from ..errors import DuplicateJob, InvalidInput, QueuectlError
from ..events.append import OF_ITS_CLAIM
from ..events.types import (
    Cancelled,
    Claimed,
    Completed,
    Dead,
    Enqueued,
    Failed,
    Failure,
    JobEvent,
    Output,
    Started,
)
from ..outputs import storage
from ..outputs.frames import STDERR, STDOUT, encode_frame
from ..projections import config, ids, jobs
from ..store.store import Transaction
from ..system.host import directory
from .foreign_files import ForeignRow, ReadRows
from .foreign_rows import ForeignJob, ForeignKind, foreign_id, foreign_job

ACTOR: Final = "import"
ROWS_AT_ONCE: Final = 5_000
"""Rows in a transaction."""

REASON_CHARS: Final = 1_000

_STATE: Final[Mapping[ForeignKind, JobState]] = {
    ForeignKind.WAITING: JobState.PENDING,
    ForeignKind.RUNNING: JobState.PENDING,
    ForeignKind.FAILED: JobState.FAILED,
    ForeignKind.COMPLETED: JobState.COMPLETED,
    ForeignKind.DEAD: JobState.DEAD,
    ForeignKind.CANCELLED: JobState.CANCELLED,
}


class Adopted(NamedTuple):
    """What an import of another queue's jobs did, or would do.

    `states`: how many came in as what. `unmapped`: field -> how many rows had it, and an example.
    `notes`: what was read as what, and how often. `rejected`: row, its id, why, and the row itself.
    """

    read: int
    states: dict[str, int]
    skipped_existing: int
    skipped_ended: int
    unmapped: dict[str, tuple[int, str]]
    notes: dict[str, int]
    rejected: list[tuple[str, str | None, str, object]]


class WantedJobs(NamedTuple):
    """What of the rows is to come in, and how. `partly`: rows that cannot be taken are left out, not refused."""

    skip_existing: bool = False
    waiting_only: bool = False
    partly: bool = False
    dry_run: bool = False


class ImportRefused(QueuectlError):
    """Rows cannot be taken, and so none was."""

    def __init__(self, source: str, report: Adopted) -> None:
        self.report = report
        where, _, why, _ = report.rejected[0]
        count = len(report.rejected)
        rows = "1 row" if count == 1 else f"{count:,} rows"
        super().__init__(
            f"cannot import {source}: {rows} of {report.read:,} cannot be taken, first {where}: {why}; nothing was "
            "imported",
            hint=hints.REJECTS,
        )


def adopt(
    engine: Engine,
    rows: ReadRows,
    source: str,
    wanted: WantedJobs,
    *,
    reason: str | None,
    progress: OpenProgress | None = None,
) -> Adopted:
    """Take in rows, `source` being what they are told to come from.

    Raises ImportRefused with the report where a row cannot be taken, unless `partly`.
    """
    with engine.store.read() as txn:
        settings = Settings.of(config.values(txn))
    adopter = _Adopter(engine, source, wanted, settings, reason)
    report = adopter.check(rows())
    if wanted.dry_run:
        return report
    if report.rejected and not wanted.partly:
        raise ImportRefused(source, report)
    adopter.write(rows(), {where for where, *_ in report.rejected}, report.read, progress)
    return report


class _Adopter:
    def __init__(self, engine: Engine, source: str, wanted: WantedJobs, settings: Settings, reason: str | None) -> None:
        self._engine = engine
        self._wanted = wanted
        self._settings = settings
        self._cwd = directory()
        # Each draw begins at a chance place and counts up from there: many small ones would come across each other.
        self._fresh_ids = chain.from_iterable(map(engine.clock.job_ids, repeat(ROWS_AT_ONCE)))
        self._now_us = engine.now_us()
        who = f"imported from {source} by {engine.actor}"
        self._because = f"{who}: {reason}" if reason else who

    def check(self, rows: Iterator[ForeignRow]) -> Adopted:
        """Read every row; returns the report as if those that can be taken were in."""
        states: dict[str, int] = {}
        unmapped: dict[str, tuple[int, str]] = {}
        notes: dict[str, int] = {}
        rejected: list[tuple[str, str | None, str, object]] = []
        count = existing = ended = 0
        seen: set[str] = set()
        for row, id_state in self._with_id_states(rows):
            count += 1
            try:
                job, order = self._read(row)
                if job.request.id is not None and order.spec.id in seen:
                    raise InvalidInput("id", shown(order.spec.id), "one that no row before it has")
                is_there = id_state is not None
                if is_there and not self._wanted.skip_existing:
                    raise DuplicateJob(order.spec.id, id_state or "")
            except QueuectlError as error:
                rejected.append((row.where, _shown_id(row), str(error), row.fields))
                continue
            seen.add(order.spec.id)
            _count_unmapped(job, unmapped)
            if is_there:
                existing += 1
            elif self._is_left_out(job):
                ended += 1
            else:
                for note in job.notes:
                    notes[note] = notes.get(note, 0) + 1
                state = str(_state(job))
                states[state] = states.get(state, 0) + 1
        return Adopted(count, states, existing, ended, unmapped, notes, rejected)

    def write(self, rows: Iterator[ForeignRow], rejected: set[str], total: int, progress: OpenProgress | None) -> None:
        """Bring in the rows that are not rejected, a chunk a transaction."""
        done = 0
        while chunk := [row for _, row in zip(range(ROWS_AT_ONCE), rows, strict=False)]:
            with self._engine.unit(actor=ACTOR, rings=True) as unit:
                for row in chunk:
                    if row.where not in rejected:
                        self._bring_in(unit, row)
            done += len(chunk)
            if progress:
                progress(done, total)

    def _with_id_states(self, rows: Iterator[ForeignRow]) -> Iterator[tuple[ForeignRow, str | None]]:
        """Return each row with the state of the job here that has its id, if any."""
        while chunk := [row for _, row in zip(range(ROWS_AT_ONCE), rows, strict=False)]:
            with self._engine.store.read() as txn:
                id_states = [_id_state(txn, _shown_id(row)) for row in chunk]
            yield from zip(chunk, id_states, strict=True)

    def _read(self, row: ForeignRow) -> tuple[ForeignJob, EnqueueJob]:
        if not isinstance(row.fields, Mapping):
            raise InvalidInput("row", type(row.fields).__name__, "an object")
        job = foreign_job(row.fields, default=row.default)
        if job.attempts > 1_000_000:
            raise InvalidInput("attempts", f"{job.attempts:,}", "at most 1,000,000")
        fresh = "" if job.request.id is not None else next(self._fresh_ids)
        if fresh:
            job.notes.append("had no id: got a generated id")
        order = specify(job.request, fresh_id=fresh, settings=self._settings, now_us=self._now_us, cwd=self._cwd)
        if not _gets_a_run(job):  # what it printed belongs to a run, and it had none
            job.unmapped.update({name: text for name, text in (("output", job.stdout), ("stderr", job.stderr)) if text})
        return job, order

    def _is_left_out(self, job: ForeignJob) -> bool:
        return self._wanted.waiting_only and job.kind in (
            ForeignKind.COMPLETED,
            ForeignKind.DEAD,
            ForeignKind.CANCELLED,
        )

    def _bring_in(self, unit: Unit, row: ForeignRow) -> None:
        job, order = self._read(row)
        job_id = order.spec.id
        if self._is_left_out(job) or (self._wanted.skip_existing and ids.find(unit.txn, job_id) is not None):
            return
        try:
            brought = unit.bring_in(job_id, life(job, order, unit.now_us), self._reason(job))
        except DuplicateJob:  # brought in since, by another node of a shared log
            if self._wanted.skip_existing:
                return
            raise
        frames = _frames(job)
        if frames and _gets_a_run(job):
            claim = brought.number + 1  # its claim is its second event
            unit.local(lambda txn: storage.keep(txn, brought.number, claim, frames))

    def _reason(self, job: ForeignJob) -> str:
        told = [f"{job.kind} there", *job.kept_as_text]
        if job.error and not _fails(job):
            told.append(f"last error there {job.error}")
        return f"{self._because}: {'; '.join(told)}"[:REASON_CHARS].encode(errors="replace").decode()


def life(job: ForeignJob, order: EnqueueJob, now_us: int) -> tuple[JobEvent, ...]:
    """Return the events of a job: what is known of it, and nothing else."""
    spec, born = order.spec, Enqueued(order.spec, order.options)
    if not _gets_a_run(job):
        return (born, Cancelled()) if job.kind is ForeignKind.CANCELLED else (born,)
    token, attempt = OF_ITS_CLAIM, max(job.attempts, 1)
    run = (born, Claimed(ACTOR, now_us), Started(token, attempt, ACTOR, 0))
    out, err = _output(job.stdout), _output(job.stderr)
    if job.kind is ForeignKind.COMPLETED:
        return (*run, Completed(token, attempt, job.duration_ms, job.return_code or 0, out, err))
    if job.kind is ForeignKind.CANCELLED:
        return (*run, Cancelled(token, attempt, job.duration_ms, out, err))
    why = Failure.LOST if job.return_code is None and job.error is None else Failure.EXIT_CODE
    error = job.error or (f"how it {NOT_KNOWN}" if why is Failure.LOST else f"exit code {job.return_code}")
    retry_us = None if job.kind is ForeignKind.DEAD else max(spec.run_at_us or 0, now_us)
    failed = Failed(token, attempt, why, error, job.return_code, None, job.duration_ms, retry_us, out, err)
    return (*run, failed, Dead(attempt, why)) if job.kind is ForeignKind.DEAD else (*run, failed)


def _gets_a_run(job: ForeignJob) -> bool:
    """Whether a run is recorded of a job: it had one, or ended as only a run can end."""
    return job.attempts > 0 or job.kind in (ForeignKind.COMPLETED, ForeignKind.DEAD, ForeignKind.FAILED)


def _fails(job: ForeignJob) -> bool:
    return _gets_a_run(job) and job.kind not in (ForeignKind.COMPLETED, ForeignKind.CANCELLED)


def _state(job: ForeignJob) -> JobState:
    return JobState.FAILED if _fails(job) and job.kind is not ForeignKind.DEAD else _STATE[job.kind]


def _output(text: str | None) -> Output | None:
    if not text:
        return None
    content = text.encode(errors="replace")
    return Output(len(content), sha256(content).digest())


def _frames(job: ForeignJob) -> bytes:
    """Return what it printed as frames, as docs/log-format.md has them."""
    parts = [(STDOUT, job.stdout or ""), (STDERR, job.stderr or "")]
    contents = [(stream, text.encode(errors="replace")) for stream, text in parts if text]
    return b"".join(encode_frame(stream, content) for stream, content in contents)


def _id_state(txn: Transaction, job_id: str | None) -> str | None:
    """Return the state of the job here that has an id, None where the id is free."""
    number = ids.find(txn, job_id) if job_id and len(job_id) <= 120 else None
    job = None if number is None else jobs.get(txn, number)
    return None if job is None else str(job.state)


def _shown_id(row: ForeignRow) -> str | None:
    return foreign_id(row.fields) if isinstance(row.fields, Mapping) else None


def _count_unmapped(job: ForeignJob, unmapped: dict[str, tuple[int, str]]) -> None:
    for name, value in job.unmapped.items():
        count, example = unmapped.get(name, (0, ""))
        unmapped[name] = (count + 1, example or str(value)[:80])
