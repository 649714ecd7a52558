"""When waiting jobs run, and since when running ones do, by the machine's clock, also if the log is ahead of it; pure.

In the log a job is due by the log's time. That is what the machine's clock shows, unless this was ahead once and
has been put right (docs/decisions/0007): what is due in the log tomorrow may then run in two minutes, and what
began tomorrow runs since a minute ago.
"""

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ..events.types import Frozen
from .job import Job, JobState
from .times import PACE, wall_time_us

if TYPE_CHECKING:
    from .job_filter import Filter
    from .results import WorkerInfo

_SLACK_US: Final = 2_000_000
"""How far a log may be ahead of the clock without a word: what two processes read of it differs by less."""


class DueTimes(Frozen):
    """The log's time and the machine's, at one moment; since `slow_us` of the log's, that goes at half the pace."""

    log_us: int
    wall_us: int
    slow_us: int = 0

    @property
    def ahead_us(self) -> int:
        """How far the log is ahead, 0 if it is not."""
        return max(0, self.log_us - self.wall_us)

    @property
    def is_ahead(self) -> bool:
        """Whether the log is ahead by more than two processes differ by that write at once."""
        return self.ahead_us > _SLACK_US

    @property
    def level_at_us(self) -> int:
        """When the machine's clock has caught up with the log."""
        return wall_time_us(self.log_us + self.ahead_us, log_now_us=self.log_us, wall_now_us=self.wall_us)

    def passed_us(self, at_us: int) -> int:
        """Return how long ago a time of the log was.

        A time that the machine's clock has reached, from before the log was slow, is taken for one of that clock.
        """
        if not self.ahead_us or at_us <= min(self.wall_us, self.slow_us - 1):
            return max(0, self.wall_us - at_us)
        return max(0, self.slow_us - at_us) + PACE * max(0, self.log_us - max(at_us, self.slow_us))

    def began_us(self, at_us: int) -> int:
        """Return what the machine's clock showed, as it is set now, at a time of the log that is over."""
        return self.wall_us - self.passed_us(at_us)

    def shown(self, job: Job) -> Job:
        """Return a job that waits or runs with the time by the machine's clock when it is due, or since when it runs.

        One that was enqueued for a time of this clock keeps that one, as it was named.
        """
        if self.ahead_us and (since_us := job.running_since_us) is not None:
            return replace(job, started_at_us=self.began_us(since_us))
        is_as_named = job.spec.due_us is not None and job.spec.due_us == job.due_us
        if not self.ahead_us or is_as_named or job.state not in (JobState.PENDING, JobState.FAILED):
            return job
        due_us = wall_time_us(job.due_us, log_now_us=self.log_us, wall_now_us=self.wall_us)
        return job if due_us == job.due_us else replace(job, due_us=due_us)

    def shown_workers(self, workers: "list[WorkerInfo]") -> "list[WorkerInfo]":
        """Return workers with the times by the machine's clock at which they and their runs began."""
        if not self.ahead_us:
            return workers
        began = self.began_us
        return [
            info._replace(
                started_at_us=began(info.started_at_us),
                runs=[run._replace(since_us=began(run.since_us)) for run in info.runs],
            )
            for info in workers
        ]

    def meant(self, where: "Filter") -> "Filter":
        """Return a filter whose `running_since_us` is of the machine's clock."""
        return where if where.running_since_us is None or not self.ahead_us else where._replace(began=self.began_us)
