"""What a job's runs print, shown while they print it; and what to exit with when it has ended."""

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...core.job import ENDED, Job, JobState
from ..exit_codes import check_reader

if TYPE_CHECKING:
    from ...core.results import Run
    from ...queue import Queue

LOOK_EVERY_S = 0.05
"""Output grows without an event: look again this often."""


def follow(
    queue: "Queue",
    job_id: str,
    *,
    begin: "Callable[[Run], None]",
    piece: "Callable[[Run, bytes, bytes], None]",
    end: "Callable[[Run], None]",
    caught_up: "Callable[[Run, bool], None]" = lambda run, is_over: None,
    look: "Callable[[Job], None]" = lambda job: None,
) -> Job:
    """Report each run's beginning, each piece of its output (run, stream, content) and its end.

    `caught_up` is called when all there is of a run was told, with whether the run is over, `look` at each
    look at a job that has not ended.
    Gives the job when it has ended: completed, dead or cancelled.
    """
    from ...worker.printed import frames_of

    version, runs = 0, []
    offsets: dict[int, int] = {}
    done: set[int] = set()
    while True:
        job = queue.job(job_id)
        if job.version != version:
            version, runs = job.version, queue.runs(job_id)
        for run in (each for each in runs if each.token not in done):
            if run.token not in offsets:
                begin(run)
            for stream, content, offset in frames_of(queue, run, offsets.setdefault(run.token, 0)):
                piece(run, stream, content)
                offsets[run.token] = offset
            caught_up(run, run.state != "running")
            if run.state != "running":  # it was not before its output was read
                end(run)
                done.add(run.token)
        if job.state in ENDED:
            return job
        look(job)
        check_reader()
        time.sleep(LOOK_EVERY_S)


def code_of(job: Job) -> int:
    """Return what a shell would have exited with: the command's code, 128 + its signal, else 1."""
    if job.state == JobState.COMPLETED:
        return 0
    if job.state == JobState.DEAD and job.last is not None:
        if job.last.return_code:
            return job.last.return_code
        if job.last.signal and job.last.signal in signal.Signals.__members__:
            return 128 + signal.Signals[job.last.signal]
    return 1
