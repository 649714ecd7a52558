"""What a job's runs print, shown while they print it; and what to exit with when it has ended."""

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..job import Job, JobState

if TYPE_CHECKING:
    from ..answers import Run
    from ..queue import Queue

ENDED = frozenset((JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED))
POLL_S = 0.2
"""Output grows without an event: look again this often."""


def follow(
    queue: "Queue",
    job_id: str,
    *,
    begin: "Callable[[Run], None]",
    piece: "Callable[[Run, bytes, bytes], None]",
    end: "Callable[[Run], None]",
) -> Job:
    """Tell each run's beginning, each piece of its output (run, stream, content) and its end.

    Gives the job when it has ended: completed, dead or cancelled.
    """
    from ..worker.output import read_frames

    seen: dict[int, int] = {}
    done: set[int] = set()
    while True:
        head, job = queue.head(), queue.job(job_id)
        for run in queue.runs(job_id):
            if run.token in done:
                continue
            if run.token not in seen:
                begin(run)
                seen[run.token] = 0
            for stream, content, end_of_frame in read_frames(run.frames, seen[run.token]):
                piece(run, stream, content)
                seen[run.token] = end_of_frame
            if run.state != "running":
                end(run)
                done.add(run.token)
        if job.state in ENDED:
            return job
        queue.wait_for_change(head, POLL_S)


def code_of(job: Job) -> int:
    """Give what a shell would have exited with: the command's code, 128 + its signal, else 1."""
    if job.state == JobState.COMPLETED:
        return 0
    if job.state == JobState.DEAD and job.last is not None:
        if job.last.return_code:
            return job.last.return_code
        if job.last.signal and job.last.signal in signal.Signals.__members__:
            return 128 + signal.Signals[job.last.signal]
    return 1
