"""What a job says of how its runs end, and of its time, as the log keeps it; decides nothing."""

from msgspec import field

from .frozen import Frozen


class Policy(Frozen):
    """What follows from how a run ends, where somebody said; what is None is as usual.

    The lists are texts as `core/policy.py` makes them, so that equal ones have equal bytes. `waits_ms` is what
    retries wait, one after another, the last again and again; None is by the job's `backoff_base`.
    """

    ok_on: str | None = field(default=None, name="ok")
    dead_on: str | None = field(default=None, name="dead")
    snooze_on: str | None = field(default=None, name="nap")
    retry_on: str | None = field(default=None, name="retry")
    snooze_ms: int | None = field(default=None, name="ms")
    max_snoozes: int | None = field(default=None, name="max")
    waits_ms: tuple[int, ...] | None = field(default=None, name="wait")
    wait_max_ms: int | None = field(default=None, name="cap")


class Expiry(Frozen):
    """Until when an attempt may start, and how much time all attempts have together; None is for ever.

    `expires_us` is by the machine's clock, and `due_us` the same by the log's time, where that was ahead.
    `cancels`: a job that expires is cancelled, not dead.
    """

    expires_us: int | None = field(default=None, name="at")
    due_us: int | None = field(default=None, name="due")
    cancels: bool = field(default=False, name="can")
    max_time_ms: int | None = field(default=None, name="max")
