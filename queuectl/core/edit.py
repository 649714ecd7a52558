"""Changes to a job, checked as an enqueue is, and made into the event of an edit; pure.

The keys are those of a job in JSON; null empties what can be empty. Every refusal is an InvalidInput
that names the key.
"""

from collections.abc import Mapping
from typing import Any, Final

from ..display import shown
from ..errors import InvalidInput
from ..events.types import NO_OPTIONS, Edge, Edited, Expiry, JobOptions, JobSpec, Policy
from .commands import EnqueueJob
from .expiry import FIELDS as EXPIRY
from .expiry import expiry_form, with_time_of
from .job import Job
from .job_mapping import request_from_mapping
from .job_request import EITHER, OTHER_NAMES, instant_of
from .policy import FIELDS as POLICY
from .policy import policy_form
from .request import specify
from .settings import Settings
from .shells import DEFAULT as DEFAULT_SHELL
from .times import time_json

FIELDS: Final = (
    *("command", "queue", "priority", "max_retries", "timeout", "backoff_base"),
    *("cwd", "env", "shell", "run_at", "labels", "meta", "use", "after"),
    *POLICY,
    *EXPIRY,
)
"""What can be changed."""

_EMPTY: Final = frozenset(
    {"timeout", "env", "run_at", "cwd", "shell", "labels", "meta", "use", "after", *POLICY, *EXPIRY}
)
"""Fields that can be empty."""

_KEPT: Final[Mapping[str, str]] = {
    "unique": "no change of it: a job keeps its key, the one that it was enqueued with",
    "unique_for": "an enqueue with the same unique key and if_exists replace: no edit changes until when a key is held",
    "if_exists": "no change of it: it is about the job that is enqueued",
    "mutex": 'a use of it in its place: use takes "mutex:NAME"',
    "if_parent_fails": "no change of it; an empty after frees the job of all that it waits for",
    "paused": "no change of it: a job is paused and resumed, which is no edit",
}
"""What a job is asked for with and no edit changes -> what can be done instead."""

_EXPIRES: Final = frozenset({"expire_in", "expire_at"})


def form_of(spec: JobSpec, due_us: int | None, options: JobOptions | None = None) -> dict[str, Any]:
    """Return what can be changed of a job as JSON has it; `due_us` None leaves out when it runs, 0 is at once."""
    form = {
        "command": spec.command if isinstance(spec.command, str) else list(spec.command),
        "queue": spec.queue,
        "priority": spec.priority,
        "max_retries": spec.max_retries,
        "timeout": _seconds(spec.timeout_ms),
        "backoff_base": spec.backoff_base,
        "cwd": spec.cwd,
        "env": dict(spec.env or {}),
        "shell": (spec.shell or DEFAULT_SHELL) if isinstance(spec.command, str) else None,
        "labels": dict((options and options.labels) or {}),
        "meta": dict((options and options.meta) or {}),
        "use": list((options and options.use) or ()),
        **({} if options is None or options.policy is None else policy_form(options.policy)),
        **({} if options is None or options.expiry is None else expiry_form(options.expiry)),
    }
    if "backoff" in form:
        del form["backoff_base"]
    return form if due_us is None else {**form, "run_at": time_json(due_us or None)}


def edit_from(
    spec: JobSpec,
    changes: Mapping[str, Any],
    *,
    now_us: int,
    wall_us: int | None = None,
    options: JobOptions | None = None,
) -> Edited:
    """Check changes to a job, and return the edit that makes them; raises InvalidInput.

    `now_us` is the log's time. Times and delays count from `wall_us`, the machine's, which is the same unless given.
    """
    wanted = _named(changes)
    form = form_of(spec, None, options)
    kept = {key: value for key, value in form.items() if key not in wanted and value is not None}
    asked = {key: value for key, value in wanted.items() if value is not None}
    if isinstance(asked.get("command"), list):
        kept.pop("shell", None)  # it has no use for the one it had
    dropped = {name for pair in EITHER if wanted.keys() & set(pair) for name in pair}
    if wanted.keys() & _EXPIRES and not asked.keys() & _EXPIRES:
        dropped.add("if_expired")  # what says what happens then goes with the time
    if "snooze_on" in wanted and "snooze_on" not in asked:
        dropped |= {"snooze", "max_snoozes"}
    kept = {key: value for key, value in kept.items() if key not in dropped}
    for key in wanted.keys() - asked.keys() - _EMPTY:
        raise InvalidInput(key, "nothing", "a value, or the key left out to keep what it has")
    named_us = now_us if wall_us is None else wall_us
    request = request_from_mapping({"timeout": 0, **kept, **asked}, now_us=named_us)
    order = specify(request, fresh_id=spec.id, settings=Settings(), now_us=now_us, cwd="/", wall_us=wall_us)
    after, more, before = order.spec, order.options or NO_OPTIONS, options or NO_OPTIONS
    is_exp = more.policy is None or more.policy.waits_ms is None
    changes_policy = wanted.keys() & set(POLICY) or (before.policy is not None and "backoff_base" in wanted)
    expiry = with_time_of(more.expiry, before.expiry, list(wanted)) or Expiry()
    changed = JobOptions(
        labels=(more.labels or {}) if "labels" in wanted else None,
        meta=(more.meta or {}) if "meta" in wanted else None,
        use=(more.use or ()) if "use" in wanted else None,
        after=_freed(wanted["after"]) if "after" in wanted else None,
        policy=(more.policy or Policy()) if changes_policy else None,
        expiry=expiry if wanted.keys() & set(EXPIRY) else None,
    )
    return Edited(
        after.command if "command" in asked else None,
        after.queue if "queue" in asked else None,
        after.priority if "priority" in asked else None,
        after.max_retries if "max_retries" in asked else None,
        (after.timeout_ms or 0) if "timeout" in wanted else None,
        after.backoff_base if "backoff_base" in asked or (is_exp and "backoff" in asked) else None,
        (after.cwd if "cwd" in asked else "") if "cwd" in wanted else None,
        (after.env or {}) if "env" in wanted else None,
        (after.run_at_us or 0) if wanted.keys() & {"run_at", "delay"} else None,
        (after.shell or "") if "shell" in wanted else None,
        after.due_us,
        None if changed == NO_OPTIONS else changed,
    )


def edit_into(job: Job, order: EnqueueJob) -> Edited:
    """Return the edit that makes a job what an order asks for, but for its id, its key, and whether it is paused."""
    spec, options = order.spec, order.options or NO_OPTIONS
    is_same_default = spec.timeout_is_default and spec.timeout_ms == job.spec.timeout_ms
    return Edited(
        spec.command,
        spec.queue,
        spec.priority,
        spec.max_retries,
        None if is_same_default else spec.timeout_ms or 0,
        spec.backoff_base,
        spec.cwd or "",
        spec.env or {},
        spec.run_at_us or 0,
        spec.shell or "",
        spec.due_us,
        JobOptions(
            labels=options.labels or {},
            meta=options.meta or {},
            policy=options.policy or Policy(),
            expiry=options.expiry or Expiry(),
            use=options.use or (),
            unique_until_us=options.unique_until_us or 0,
        ),
        spec.inherited or b"",
        spec.merge,
    )


def _freed(after: Any) -> tuple[Edge, ...]:
    """Return that a job waits for no other any more; raises InvalidInput for anything else."""
    if after:
        raise InvalidInput("after", shown(after), "nothing: an edit frees a job of all that it waits for, or of none")
    return ()


def _named(changes: Mapping[str, Any]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for key, value in changes.items():
        name = OTHER_NAMES.get(key, key)
        if name == "id":
            raise InvalidInput("id", shown(value), "no id: a job keeps the one it has")
        if name in _KEPT:
            raise InvalidInput(name, shown(value), _KEPT[name])
        if name not in (*FIELDS, "delay"):
            raise InvalidInput("key", shown(key), "one of " + ", ".join((*FIELDS, "delay", *OTHER_NAMES)))
        if name in wanted:
            raise InvalidInput(key, shown(value), f"{name} to be given once")
        wanted[name] = instant_of(key, value) if key == "run_at_us" and value is not None else _plain(value)
    return wanted


def _plain(value: Any) -> Any:
    """Return a value as JSON would bring it."""
    return list(value) if isinstance(value, tuple) else value


def _seconds(timeout_ms: int | None) -> float | int:
    seconds = (timeout_ms or 0) / 1000
    return int(seconds) if seconds.is_integer() else seconds
