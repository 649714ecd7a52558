"""When waiting jobs run by the machine's clock, also if the log's time is ahead of it; pure.

In the log a job is due by the log's time. That is what the machine's clock shows, unless this was ahead once and
has been put right (docs/decisions/0007): what is due in the log tomorrow may then run in two minutes.
"""

from typing import Final, NamedTuple

from msgspec.structs import replace

from .job import Job, JobState
from .when import wall_time_us

_SLACK_US: Final = 2_000_000
"""How far a log may be ahead of the clock without a word: what two processes read of it differs by less."""


class DueTimes(NamedTuple):
    """The log's time and the machine's, at one moment."""

    log_us: int
    wall_us: int

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

    def shown(self, job: Job) -> Job:
        """Return a waiting job with the time at which it is due by the machine's clock, any other as it is.

        One that was enqueued for a time of this clock keeps that one, as it was named.
        """
        is_as_named = job.spec.due_us is not None and job.spec.due_us == job.due_us
        if not self.ahead_us or is_as_named or job.state not in (JobState.PENDING, JobState.FAILED):
            return job
        due_us = wall_time_us(job.due_us, log_now_us=self.log_us, wall_now_us=self.wall_us)
        return job if due_us == job.due_us else replace(job, due_us=due_us)
