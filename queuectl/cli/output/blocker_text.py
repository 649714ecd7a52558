"""Why a job does not run, in words and in JSON: each thing that it waits for, with the command that changes it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ... import hints
from ...core.job import Job, JobState
from ...core.limits import MUTEX
from ...core.times import time_json
from ...display import as_typed
from .format import duration, escape, moment, plural

if TYPE_CHECKING:
    from ...core.results import Blocker

SHOWN_HOLDERS = 5

_MUTEX = f"{MUTEX}:"


def text(blocker: "Blocker", job: Job, now_us: int) -> str:
    """Return what a job waits for, with figures."""
    queue = escape(job.spec.queue)
    if blocker.code == "paused":
        return f"it is paused{pause_text(blocker.since_us, None, blocker.by, blocker.reason, now_us)}"
    if blocker.code == "queue_paused":
        pause = pause_text(blocker.since_us, blocker.until_us, blocker.by, blocker.reason, now_us)
        return f"its queue {queue} is paused{pause}"
    if blocker.code == "time":
        until_us = blocker.until_us or now_us
        what = "its next attempt" if job.state is JobState.FAILED else "its time"
        failed = _failed(job) if job.state is JobState.FAILED else ""
        left_s = max(0, until_us - now_us) / 1_000_000
        return f"it waits for {what}{failed}: in {duration(left_s)}, at {moment(until_us)}"
    if blocker.code == "dependency":
        parent = escape(blocker.holders[0])
        return f"it waits for {parent}, which is {blocker.state or 'there no more'}"
    if blocker.code == "limit":
        return _limit_text(blocker)
    if blocker.code == "rate":
        left_s = max(0, (blocker.until_us or now_us) - now_us) / 1_000_000
        return f"limit {escape(blocker.limit or '')} lets the next start in {duration(left_s)}"
    if blocker.code == "no_worker":
        return f"no running worker serves queue {queue}"
    named = _named(blocker)
    slots = plural(blocker.slots, "slot")
    line = f"; {plural(blocker.before, 'job')} of the queue run before it" if blocker.before else "; it is the next"
    return f"all {slots} of the workers that serve queue {queue} are taken by {named}{line}"


def pause_text(since_us: int | None, until_us: int | None, by: str | None, reason: str | None, now_us: int) -> str:
    """Return since when something is paused and until when, who said so, and why, as far as that is known."""
    told = "" if since_us is None else f" for {duration(max(0, now_us - since_us) / 1_000_000)}"
    told += "" if until_us is None else f" and until {moment(until_us)}"
    told += "" if by is None else f" by {escape(by)}"
    return told + ("" if reason is None else f": {escape(reason)}")


def _named(blocker: "Blocker") -> str:
    return ", ".join(map(escape, blocker.holders[:SHOWN_HOLDERS])) + (" ..." if blocker.holders[SHOWN_HOLDERS:] else "")


def _limit_text(blocker: "Blocker") -> str:
    limit = escape(blocker.limit or "")
    if limit.startswith(_MUTEX):
        return f"mutex {limit.removeprefix(_MUTEX)} is held by {_named(blocker) or 'another'}"
    if blocker.units > blocker.cap:
        return f"it uses {plural(blocker.units, 'unit')} of limit {limit}, which has {blocker.cap:,}"
    used_by = f" by {_named(blocker)}" if blocker.holders else ""
    return f"limit {limit}: {blocker.used:,} of {blocker.cap:,} in use{used_by}"


def _failed(job: Job) -> str:
    """Return how the last run ended, in brackets."""
    return f" ({escape(job.last.error)})" if job.last is not None and job.last.error else ""


def command(blocker: "Blocker", job: Job) -> str:
    """Return what to type so that a job no longer waits for something."""
    if blocker.code == "paused":
        return f"queuectl resume {as_typed(job.id)}"
    if blocker.code == "queue_paused":
        return f"queuectl queue resume {as_typed(job.spec.queue)}"
    if blocker.code == "dependency":
        return _parent_command(blocker, job)
    if blocker.holders and (blocker.limit or "").startswith(_MUTEX):  # which has one unit, whatever one sets
        return f"queuectl why {as_typed(blocker.holders[0])}"
    if blocker.code in ("limit", "rate"):
        return f"queuectl limit set {as_typed(_settable(blocker.limit or ''))} {_more(blocker)}"
    if blocker.code == "time":
        if job.state is JobState.FAILED:
            return f"queuectl retry {as_typed(job.id)}"
        return f"queuectl edit {as_typed(job.id)} --set delay=0"
    return hints.start_worker(job.spec.queue)


def _parent_command(blocker: "Blocker", job: Job) -> str:
    parent = as_typed(blocker.holders[0])
    if blocker.state is JobState.DEAD:
        return f"queuectl dlq retry {parent}"
    if blocker.state is None:
        return f"queuectl edit {as_typed(job.id)} --set after=null"
    return f"queuectl retry {parent}" if blocker.state is JobState.CANCELLED else f"queuectl why {parent}"


def _settable(name: str) -> str:
    """Return the limit to set so that a name has more: of a value that of all values."""
    return name if name.startswith("queue:") else name.partition(":")[0]


def _more(blocker: "Blocker") -> str:
    return "--rate none" if blocker.code == "rate" else f"--running {blocker.used + blocker.units}"


def blocker_json(blocker: "Blocker", job: Job, now_us: int) -> dict[str, Any]:
    """Return what a job waits for as a JSON object."""
    return {
        "code": blocker.code,
        "text": text(blocker, job, now_us),
        "since": time_json(blocker.since_us),
        "until": time_json(blocker.until_us),
        "by": blocker.by,
        "reason": blocker.reason,
        "holders": list(blocker.holders),
        "limit": blocker.limit,
        "used": blocker.used if blocker.code == "limit" else None,
        "of": blocker.cap if blocker.code == "limit" else None,
        "command": command(blocker, job),
    }


def lines(job: Job, blockers: "Sequence[Blocker]", now_us: int, *, is_abandoned: bool) -> list[str]:
    """Return why a job does not run, or that it does; `is_abandoned`: the worker that held it is gone."""
    job_id = escape(job.id)
    if blockers:
        told = [f"{text(each, job, now_us)}; to change that: {command(each, job)}" for each in blockers]
        return [f"{job_id} is {job.state}: {told[0]}", *(f"  and {each}" for each in told[1:])]
    if is_abandoned:
        return [f"{job_id} is held by a worker that is gone; the next worker takes it over: {hints.start_worker()}"]
    if job.state is JobState.PROCESSING and job.is_paused:
        return [f"{job_id} runs and is paused: all that is of it stands still; queuectl resume {as_typed(job.id)}"]
    if job.state is JobState.PROCESSING:
        return [f"{job_id} runs; to see what it prints: queuectl logs {as_typed(job.id)} --follow"]
    if job.state is JobState.DEAD:
        return [
            f"{job_id} is dead{_failed(job)}, and runs no more; to run it again: queuectl dlq retry {as_typed(job.id)}"
        ]
    if job.state in (JobState.COMPLETED, JobState.CANCELLED):
        return [f"{job_id} is {job.state}, and runs no more; to run it again: queuectl retry {as_typed(job.id)}"]
    return [f"{job_id} waits for nothing: a worker takes it next"]
