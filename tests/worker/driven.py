"""One attempt moved on by hand, as tests of what a worker is made of need it."""

import os
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

from queuectl import Job, JobSpec, JobState, Result
from queuectl.core.held import Lease
from queuectl.outputs.frames import STDERR, STDOUT
from queuectl.system.run_mark import MARK
from queuectl.worker.attempt import Attempt
from queuectl.worker.capture import Capture
from queuectl.worker.launcher import Launcher
from queuectl.worker.run_processes import Looks, RunProcesses
from queuectl.worker.subreaper import Subreaper
from tests.waiting import wait_until

MARKED: Final = f"w{os.getpid()}.2"
"""The mark of what an attempt that is driven by hand runs: no other such test's, which would end it as remains."""


def running_job(command: str | tuple[str, ...], **fields: Any) -> Job:
    """Return a job as a worker gets it: claimed and started."""
    spec = JobSpec("job1", command, **fields)
    lease = Lease(2, "w1", 0, attempt=1)
    return Job(1, spec, JobState.PROCESSING, 3, 0, 0, 0, attempts=1, lease=lease)


find_processes: Final = partial(RunProcesses, looks=Looks(Subreaper(is_sole=False), lambda: ()), mark=MARKED)
"""How an attempt that is driven by hand finds what it leaves."""


class Driven:
    """One attempt, moved on by hand."""

    def __init__(self, job: Job, path: Path, *, grace_s: float = 5.0, limit_bytes: int = 1 << 20) -> None:
        self._launcher = Launcher(os.environb)
        self.capture: Capture | None = None
        self._capture_of = partial(Capture, path, limit_bytes=limit_bytes)
        self.attempt = Attempt(job, self._make_capture, find_processes, now=time.monotonic(), grace_s=grace_s)
        invocation = self._launcher.prepare(
            job.spec.command, cwd=job.spec.cwd, env={MARK: MARKED, **(job.spec.env or {})}
        )
        begun_at = time.monotonic()
        self.attempt.begin(self._launcher.spawn(invocation), now=begun_at)

    def _make_capture(self) -> Capture:
        self.capture = self._capture_of()
        return self.capture

    def step(self) -> bool:
        """Read what there is and take a step; tell whether the run is over."""
        for stream in (STDOUT, STDERR):
            self.attempt.read(stream)
        return self.attempt.step(now=time.monotonic())

    def result(self) -> Result:
        """Wait for the end."""
        wait_until(self.step)
        result = self.attempt.finish()
        self._launcher.close()
        return result
