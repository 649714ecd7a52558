"""What someone asks a job to be, as it comes from a program, a line of JSON or the command line; pure.

It is checked, and filled in from the configuration, by `request`.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from ..display import shown
from ..errors import InvalidInput
from ..events.types import Command
from .inherited_env import EnvChoice
from .times import LATEST_US, Duration, Instant, When, moment_of

if TYPE_CHECKING:
    from .job import Job

OTHER_NAMES: Final[Mapping[str, str]] = {
    "timeout_s": "timeout",
    "delay_s": "delay",
    "at": "run_at",
    "run_at_us": "run_at",
}
"""What else a field of a job that is asked for may be called, wherever one is -> its name."""


Ends: TypeAlias = str | int | Sequence[str | int]
"""What a list of ends may be in Python: an exit code, a text such as `1,64-68,timeout`, or several of these."""

EITHER: Final = (("run_at", "delay"), ("expire_at", "expire_in"), ("backoff", "backoff_base"))
"""Fields that say the same in two ways: whoever says one of them has not left the other to a default."""


class JobRequest(NamedTuple):
    """What someone asked for; None leaves it to the configuration.

    `timeout=0` is no timeout; that and `delay` are seconds, a text such as `10m` or a timedelta. `run_at`, a time as
    any other, or `delay` says when, not both. Made by their other names too: `timeout_s`, `delay_s`, `at`, `run_at_us`.
    `replace`: an ended job of this id is removed first. `shell` is a program and its
    options. `inherit_env` names what of this process's environment the job takes along: a list of names, such a list
    as text, `all`, or `configured`, which is what the setting says; None is nothing, as is `none`. `merge` sends
    stderr to stdout. `paused`: it waits until it is resumed. `labels` are what the job is found by, `meta` is JSON that
    is kept with it. `ok_on`, `dead_on`, `snooze_on` and `retry_on` are exit codes, ranges of them, words (`signal`,
    `timeout`, `lost`, `spawn`) and signals' names; `backoff` is `exp:2`, `fixed:30s` or `list:1s,10s,1m`. `use` is
    what it uses of limits while it runs, a text or several; `mutex` a name that one job at a time uses. `unique` is a
    key that one job at a time holds, until it has ended and for `unique_for` from now in any case; `if_exists` says
    what becomes of the request where another holds it: `return` that one, `refuse`, or `replace` what it waits to do.
    `after` are the jobs that it waits for, each `JOB` or `JOB:KIND`, and `if_parent_fails` is `hold` or `cancel`.
    """

    command: Command
    id: str | None = None
    queue: str = "default"
    priority: int = 0
    max_retries: int | None = None
    timeout: Duration | None = None
    backoff_base: float | None = None
    cwd: str | os.PathLike[str] | None = None
    env: Mapping[str, str | os.PathLike[str]] | None = None
    run_at: When | None = None
    delay: Duration | None = None
    replace: bool = False
    shell: str | None = None
    inherit_env: EnvChoice | None = None
    merge: bool = False
    paused: bool = False
    labels: Mapping[str, str] | None = None
    meta: Mapping[str, Any] | None = None
    ok_on: Ends | None = None
    dead_on: Ends | None = None
    snooze_on: Ends | None = None
    retry_on: Ends | None = None
    snooze: Duration | None = None
    max_snoozes: int | None = None
    backoff: str | None = None
    backoff_max: Duration | None = None
    expire_in: Duration | None = None
    expire_at: When | None = None
    if_expired: str | None = None
    max_time: Duration | None = None
    use: str | Sequence[str] | None = None
    mutex: str | None = None
    unique: str | None = None
    unique_for: Duration | None = None
    if_exists: str | None = None
    after: "str | Job | Sequence[str | Job] | None" = None
    if_parent_fails: str | None = None


if TYPE_CHECKING:
    request_of_fields = JobRequest
else:  # a type checker knows the names of the fields alone
    request_of_fields = partial(JobRequest.__new__, JobRequest)

    def _of_any_names(kind: type[JobRequest], *given: Any, **named: Any) -> JobRequest:
        """Return a request; raises InvalidInput for a field under two names."""
        is_plain = named.keys().isdisjoint(OTHER_NAMES)
        return request_of_fields(*given, **(named if is_plain else by_one_name(named)))

    JobRequest.__new__ = _of_any_names


def by_one_name(named: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields by the one name of each; None is not given. Raises InvalidInput for one that is given twice."""
    found = {key: value for key, value in named.items() if key not in OTHER_NAMES}
    for key, name in OTHER_NAMES.items():
        if (value := named.get(key)) is None:
            continue
        if found.get(name) is not None:
            raise InvalidInput(key, shown(value), f"{name} to be given once")
        found[name] = instant_of(key, value) if key == "run_at_us" else value
    return found


def instant_of(field: str, at_us: int) -> Instant:
    """Return a time in microseconds as a datetime, which no number of seconds is taken for; raises InvalidInput."""
    if type(at_us) is not int or not 0 <= at_us <= LATEST_US:
        raise InvalidInput(field, shown(at_us), "a whole number of microseconds since 1970")
    return moment_of(at_us)
