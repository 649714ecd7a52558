"""The lines that a worker prints, for people; pure."""

from datetime import datetime
from typing import Final, NamedTuple

from .. import hints
from ..core.job import Job, JobState
from ..core.results import Result
from ..escaping import escape
from ..events.types import Command

_COMMAND_CHARS: Final = 100
_BACKGROUND: Final = "; what it left in the background goes on, and what that prints is dropped"


class LogLine(NamedTuple):
    """What a line says; where a job has just come to a state, of that job, and which state."""

    told: str
    job_id: str | None = None
    state: JobState | None = None

    @property
    def text(self) -> str:
        """Return the whole line."""
        return self.told if self.job_id is None else f"{self.job_id}: {self.told}"


def worker_started(worker: str, slots: int, queues: tuple[str, ...] | None) -> str:
    """Return the line that says who is at work, on what."""
    where = "all queues" if queues is None else "queue " + ", ".join(queues)
    return f"worker {worker} started: {slots} {'slot' if slots == 1 else 'slots'}, {where}"


def found_gone(worker: str) -> str:
    """Return the line that another worker died without a word."""
    return f"worker {worker} is gone without having stopped"


def recovered(job: Job) -> str:
    """Return the line that says what became of a job of another worker's that died or froze."""
    has_failed = job.state in (JobState.FAILED, JobState.DEAD)
    return f"{job.id}: taken back, {job.state}" + (f": {job.last.error}" if job.last and has_failed else "")


def expired(job: Job) -> str:
    """Return the line that a job which waited has ended, since its time was over."""
    return f"{job.id}: {job.state}, {job.ended_by}: no attempt may start any more"


def guardian_gone() -> str:
    """Return the line that nobody would end the commands if this worker were killed now."""
    return "the guardian of this worker is gone; starting another"


def no_guardian(error: OSError) -> str:
    """Return the line that nobody ends the commands if this worker is killed."""
    return f"cannot start a guardian ({error}): were this worker killed, its commands would go on for a while"


def replaced() -> str:
    """Return the line that what runs is no longer what is installed."""
    return "queuectl was replaced by another release, or removed; this worker ends with its runs: start it again"


def failed_as_replaced(error: Exception) -> str:
    """Return the line that a worker ended of what was replaced under it."""
    return f"queuectl was replaced by another release, or removed; this worker failed of it, start it again ({error})"


def worker_stopped(worker: str, why: str) -> str:
    """Return the line that says who left, and why."""
    return f"worker {worker} stopped: {why}"


def at_work(running: int, slots: int) -> str:
    """Return the line that says how much of a worker is busy."""
    return f"{running} of {slots} {'slot' if slots == 1 else 'slots'} busy"


def stopping(running: int) -> str:
    """Return the line that no more jobs are taken."""
    if not running:
        return "stopping"
    jobs = "the running job" if running == 1 else f"the {running} running jobs"
    return f"stopping: finishing {jobs}; a second signal kills and gives back"


def waiting(left: int, due_at: datetime) -> str:
    """Return the line that says what a worker that is to drain its queues waits for."""
    jobs = "1 job is left," if left == 1 else f"{left:,} jobs are left, the next one"
    return f"nothing to run now: {jobs} due at {due_at:%Y-%m-%d %H:%M:%S}"


def waiting_for_room(ends: int, wait_s: float) -> str:
    """Return the line that says what a worker waits for that is to stop while the disk is full."""
    runs, lost = ("1 run", "that attempt counts") if ends == 1 else (f"{ends:,} runs", "those attempts count")
    return f"waiting up to {wait_s:g} s for space on the disk, to record how {runs} ended; else {lost} as lost"


def giving_back(running: int) -> str:
    """Return the line that the running jobs are being stopped."""
    if not running:
        return "stopping at once"
    jobs = "the running job" if running == 1 else f"the {running} running jobs"
    return f"stopping at once: ending {jobs}, to be given back"


def picked_up(job: Job) -> str:
    """Return what the line of a job says whose command is about to run."""
    return f"attempt {job.attempts} of {job.spec.max_retries + 1} started: {_shown(job.spec.command)}"


def ended(result: Result, job: Job) -> str:
    """Return what the line of a job says whose run ended: how it did, and what became of the job."""
    took = "" if result.duration_ms is None else f" in {result.duration_ms / 1000:.2f} s"
    if job.state is JobState.COMPLETED:
        by = "" if job.ended_by is None else f" [{job.ended_by}]"
        return f"completed{took}{by}" + (_BACKGROUND if result.leaves_processes else "")
    if job.state is JobState.CANCELLED:
        return "cancelled" + (f"; {result.error}" if result.error else "")
    if job.state is JobState.PENDING and result.kind == "failed":
        then_s = max(0.0, (job.due_us - job.updated_at_us) / 1_000_000)
        return f"snoozed{took} [{job.ended_by}], again in {then_s:.3g} s, no attempt used up: {result.error}"
    if job.state is JobState.PENDING:
        return "given back, no attempt used up"
    failed = f"attempt {result.job.attempts} of {job.spec.max_retries + 1} failed{took}"
    then = f"next attempt in {max(0.0, (job.due_us - job.updated_at_us) / 1_000_000):.3g} s"
    if job.state is JobState.DEAD:
        by = "" if job.ended_by is None else f" [{job.ended_by}]"
        then = f"dead{by} ({hints.show_dead(job.id)})"
    # The error stands last: it ends in what the command said, and nobody could tell what goes on after it.
    return f"{failed}, {then}: {result.error}"


def not_kept(result: Result) -> str:
    """Return the line that the disk did not take all that a run printed, and why."""
    return f"{result.job.id}: not all that it printed was kept: {result.output.output_error}"


def dropped(count: int) -> str:
    """Return the line that nobody took so many lines."""
    return f"... {count:,} {'line' if count == 1 else 'lines'} dropped: nobody took what this worker prints"


def refused(job: Job, error: Exception) -> str:
    """Return the line that a run was in vain."""
    return f"{job.id}: {error}"


def short_of_means() -> str:
    """Return the line that no more commands can be started for now."""
    return "no descriptors, processes or memory for more commands: taking fewer jobs for a while"


def fewer_slots(cap: int, slots: int) -> str:
    """Return the line that there are means for some of the slots alone."""
    return f"there are descriptors and processes for {cap} of {slots} slots: running no more at a time"


def taken_away(job: Job) -> str:
    """Return the line that a run is killed because its job is no longer this worker's."""
    return f"{job.id}: the lease was lost, the command is killed and its result dropped"


def frozen() -> str:
    """Return what the line of a job says whose run stands still."""
    return "paused: all of it stands still, and so does its time limit"


def thawed() -> str:
    """Return what the line of a job says whose run goes on."""
    return "resumed: it goes on"


def held_back(left: int) -> str:
    """Return the line that says what a worker leaves that was to drain its queues."""
    jobs = "1 job is" if left == 1 else f"{left:,} jobs are"
    return f"nothing to run: {jobs} left, paused, under too small a limit, or after a job that ended otherwise"


def not_compacted(error: Exception) -> str:
    """Return the line that old events could not be let go."""
    return f"retention_s: {error}"


def disk_full(error: Exception) -> str:
    """Return the line that nothing can be recorded for now."""
    return f"{error}; until then this worker takes no jobs, and keeps how its runs end"


def room_again() -> str:
    """Return the line that what could not be recorded was."""
    return "the disk has room again; what ended meanwhile is recorded, and work goes on"


def not_recorded(result: Result, error: Exception) -> str:
    """Return the line that an end could not be recorded."""
    return f"{result.job.id}: {result.kind}, but that could not be recorded: {error}"


def _shown(command: Command) -> str:
    text = command if isinstance(command, str) else " ".join(command)
    line = escape(text[: _COMMAND_CHARS + 1])
    return line if len(line) <= _COMMAND_CHARS else line[: _COMMAND_CHARS - 3] + "..."
