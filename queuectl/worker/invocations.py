"""Jobs as commands that can be started: with the environment that each took along, its own, and what it is told."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ..core.job import Job
from ..core.settings import ALL_VARIABLES
from ..errors import EnvironmentMissing
from ..system.run_mark import MARK
from .launcher import Invocation, Launcher

ENVIRONMENTS_KEPT: Final = 256
"""How many environments that jobs took along are held in memory."""


class Invocations:
    """Makes jobs' invocations; knows the environments that jobs of late took along."""

    def __init__(
        self, launcher: Launcher, *, db_path: Path, inherited_env: Callable[[Job], Mapping[str, str | None]]
    ) -> None:
        self._launcher = launcher
        self._db_path = str(db_path)
        self._inherited_env = inherited_env
        self._environments: dict[bytes, Mapping[str, str | None]] = {}

    def of(self, job: Job, *, mark: str) -> Invocation:
        """Return a job's command as it is started; one whose environment is missing fails there, and nothing else."""
        spec = job.spec
        try:
            env = self._environment(job, mark)
        except EnvironmentMissing as error:
            return Invocation(spec.command, spec.cwd, problem=str(error))
        return self._launcher.prepare(spec.command, cwd=spec.cwd, env=env, shell=spec.shell, merge=spec.merge)

    def _environment(self, job: Job, mark: str) -> dict[str, str | None]:
        return {
            **(self._inherited(job) if job.spec.inherited else {}),
            **(job.spec.env or {}),
            "QUEUECTL_JOB_ID": job.id,
            "QUEUECTL_ATTEMPT": str(job.attempts),
            "QUEUECTL_QUEUE": job.spec.queue,
            "QUEUECTL_DB": self._db_path,
            MARK: mark,
        }

    def _inherited(self, job: Job) -> Mapping[str, str | None]:
        """Return what a job took along of the environment it was enqueued from; few differ in that."""
        digest = job.spec.inherited or b""
        if digest not in self._environments:
            if len(self._environments) >= ENVIRONMENTS_KEPT:
                self._environments.clear()
            self._environments[digest] = self._inherited_env(job)
        return self._environments[digest]


def without_settings(environ: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return an environment without our settings: what a job enqueues is not to depend on which worker ran it."""
    own = {os.fsencode(variable) for variable in ALL_VARIABLES}
    return {name: value for name, value in environ.items() if name not in own}
