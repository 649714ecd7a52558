"""The dead letter queue: jobs whose last attempt ended badly, and what can be done with them."""

from __future__ import annotations  # evaluated, those of so many methods cost a command its start

from itertools import islice
from typing import TYPE_CHECKING

from ..core.commands import RemoveJob, RequeueJob
from ..core.job import JobState
from ..errors import InvalidInput
from .base import Opened, ids_of
from .parts import job_actions, job_filter
from .parts import jobs as reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.job import Job
    from ..core.job_filter import Act
    from ..engine.engine import Engine
    from .ui import Ui


class DeadLetters(Opened, called="Queue.dlq"):
    """`queue.dlq`: the dead letter queue, jobs whose last attempt ended badly."""

    def __init__(self, engine: Engine, ui: Ui) -> None:
        super().__init__(engine)
        self._ui = ui

    def jobs(self, *, limit: int | None = None) -> list[Job]:
        """Return the dead jobs, the last to die first, `limit` of them at the most."""
        with self._store.read() as txn:
            return list(islice(reading.dead_jobs(txn), limit))

    def retry(self, job_ids: Job | str | Iterable[Job | str] | None = None, *, reason: str | None = None) -> list[str]:
        """Run dead jobs again with 0 attempts, all or none of those named; None is every dead job.

        Returns their ids. Raises JobNotFound, WrongState, or KeyTaken where another job holds the unique key of one
        that is named; of all dead jobs such a one is left as it is.
        """
        if job_ids is None:
            return self._act_on_all("retry", reason)
        return job_actions.act_on_named(self._engine, ids_of(job_ids), RequeueJob(JobState.DEAD), reason=reason)

    def purge(
        self, job_ids: Job | str | Iterable[Job | str] | None = None, *, all: bool = False, reason: str | None = None
    ) -> list[str]:
        """Remove dead jobs from the views, all or none of those named, or with `all` every dead job.

        Their history stays. Returns their ids. Raises JobNotFound or WrongState, and InvalidInput for
        neither ids nor `all`, or both.
        """
        if (job_ids is None) != all:
            raise InvalidInput("job_ids", "none" if job_ids is None else "some", "ids, or all=True for every dead job")
        if job_ids is None:
            return self._act_on_all("remove", reason)
        return job_actions.act_on_named(self._engine, ids_of(job_ids), RemoveJob(JobState.DEAD), reason=reason)

    def _act_on_all(self, verb: Act, reason: str | None) -> list[str]:
        dead = self._ui.choose(verb, job_filter.filter_of(state=JobState.DEAD))
        return self._ui.act_on_all(dead, reason=reason).ids
