"""Jobs, events and answers as plain dictionaries: what --json prints and the web page reads."""

from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from ..core.dependencies import text_of
from ..core.expiry import expiry_form
from ..core.job import Job, JobState
from ..core.policy import policy_form
from ..core.results import Cause, Family, Kin, LimitState, PausedQueue, Run, Status, Subscriber, WorkerInfo
from ..core.shells import DEFAULT as DEFAULT_SHELL
from ..core.times import time_json
from ..events.codec import name_of
from ..events.types import NO_OPTIONS, Edge, Edited, Enqueued, Event, Expiry, JobSpec, Output, Policy, Recorded

if TYPE_CHECKING:
    from ..core.unique import Answer

_KEYS = {"failure": "reason", "why": "cause", "period_us": "period_s"}
"""A field of an event -> its key in JSON, where that is not the field's name without its unit."""


def job_json(job: Job) -> dict[str, Any]:
    """Return a job with the keys that the command line's contract fixes."""
    spec, lease, last = job.spec, job.lease, job.last
    return {
        "id": spec.id,
        "queue": spec.queue,
        "command": _command(spec),
        "state": str(job.state),
        "priority": spec.priority,
        "attempts": job.attempts,
        "max_retries": spec.max_retries,
        "timeout_s": None if spec.timeout_ms is None else spec.timeout_ms / 1000,
        "timeout_is_default": spec.timeout_is_default,
        "backoff_base": spec.backoff_base,
        "cwd": spec.cwd,
        "env": dict(spec.env or {}),
        "merge": spec.merge,
        "paused": job.is_paused,
        "labels": dict(job.labels),
        "meta": dict(job.meta),
        "policy": None if job.policy is None else policy_form(job.policy),
        **_time_json(job.expiry),
        "snoozes": job.snoozes,
        "ended_by": job.ended_by,
        "use": list(job.use),
        "unique": job.unique,
        "unique_until": time_json(job.unique_until_us),
        "after": list(map(text_of, (job.options and job.options.after) or ())),
        "waits_for": [edge.id for edge in job.unmet],
        "shell": (spec.shell or DEFAULT_SHELL) if isinstance(spec.command, str) else None,
        "inherited_env": None if spec.inherited is None else spec.inherited.hex(),
        "created_at": time_json(job.created_at_us),
        "updated_at": time_json(job.updated_at_us),
        "run_at": time_json(job.runs_at_us or job.created_at_us),
        "started_at": time_json(job.started_at_us),
        "finished_at": time_json(job.finished_at_us),
        "worker_id": lease.worker if lease else last.worker if last else None,
        "lease_expires_at": time_json(lease.expires_at_us) if lease else None,
        "return_code": last.return_code if last else None,
        "signal": last.signal if last else None,
        "duration_ms": last.duration_ms if last else None,
        "last_error": last.error if last else None,
        "version": job.version,
    }


def answer_json(answer: "Answer") -> dict[str, Any]:
    """Return the job that a request came to; of one with a unique key also whether it was there, and was edited."""
    told = {"existing": answer.existing, "edited": answer.edited} if answer.job.unique is not None else {}
    return job_json(answer.job) | told


def _time_json(expiry: Expiry | None) -> dict[str, Any]:
    said = {} if expiry is None else expiry_form(expiry)
    return {
        "expires_at": said.get("expire_at"),
        "if_expired": said.get("if_expired"),
        "max_time_s": said.get("max_time"),
    }


def run_json(number: int, run: Run) -> dict[str, Any]:
    """Return one of a job's runs, and which it is of them."""
    return {
        "run": number,
        "attempt": run.attempt,
        "worker_id": run.worker,
        "started_at": time_json(run.started_at_us),
        "state": run.state,
        "summary": run.summary,
        "output_error": run.output_error,
    }


def event_json(recorded: Recorded, job_id: str | None = None, cause: Cause | None = None) -> dict[str, Any]:
    """Return an event; `job` is its job's id where it is a job's, `data` what the event says.

    The log keeps no ids but those of jobs enqueued: `job_id` is as `queue.log.job_id_of` returns it, `cause`
    as `queue.log.cause_of` does, None where the document may lack it.
    """
    event = recorded.event
    if isinstance(event, Enqueued):
        job_id = event.spec.id
    return {
        "position": recorded.position,
        "time": time_json(recorded.at_us),
        "type": name_of(event),
        "job": job_id,
        "stream": recorded.stream,
        "actor": recorded.actor,
        "reason": recorded.reason,
        "cause": recorded.cause or None,
        "caused_by": cause_json(cause),
        "data": event_values(event) if not isinstance(event, Edited) else _changes(event),
    }


def event_values(event: Event) -> dict[str, Any]:
    """Return every field of an event by the name it has in `data`, also those of an edit that it left as they were."""
    fields = asdict(event)
    if isinstance(event, Enqueued):
        fields = asdict(event.spec) | asdict(event.options or NO_OPTIONS)
    elif isinstance(event, Edited):
        options = asdict(fields.pop("options") or NO_OPTIONS)
        del options["paused"]
        fields |= options
    return {_KEYS.get(name, name.removesuffix("_us")): _plain(name, value) for name, value in fields.items()}


def _changes(edited: Edited) -> dict[str, Any]:
    return {name: value for name, value in event_values(edited).items() if value is not None}


def cause_json(cause: Cause | None) -> dict[str, Any] | None:
    """Return the run whose command caused something: its job's id, the attempt, and its claim's position."""
    if cause is None:
        return None
    return {"job": cause.job_id, "attempt": cause.attempt, "position": cause.token}


def family_json(family: Family) -> dict[str, Any]:
    """Return a family from its first job down; `is_subject` marks the one that was asked for."""
    return {"above": cause_json(family.above), "root": _kin_json(family.root, family.number)}


def subscriber_json(each: Subscriber) -> dict[str, Any]:
    """Return a subscription."""
    return {
        "name": each.name,
        "position": each.position,
        "lag": each.lag,
        "lag_s": round(each.lag_s, 6),
        "moved_at": time_json(each.moved_at_us),
        "may_lack": each.may_lack,
    }


def status_json(status: Status) -> dict[str, Any]:
    """Return the status."""
    return {
        "jobs": _counts(status.jobs),
        "active_workers": status.active_workers,
        "queues": {name: _counts(each) for name, each in status.queues.items()},
        "head": status.head,
        "oldest_pending_s": status.oldest_pending_s,
        "unserved": [each.queue for each in status.unserved],
        "waiting": status.waiting,
        "paused": [paused_queue_json(each) for each in status.paused],
    }


def paused_queue_json(paused: PausedQueue) -> dict[str, Any]:
    """Return a queue that is paused."""
    return {
        "queue": paused.name,
        "paused_at": time_json(paused.paused_at_us),
        "until": time_json(paused.until_us),
        "by": paused.by,
        "reason": paused.reason,
    }


def limit_json(limit: LimitState) -> dict[str, Any]:
    """Return a limit."""
    return {
        "name": limit.name,
        "running": limit.running,
        "starts": limit.starts,
        "period_s": limit.period_s,
        "burst": limit.burst,
        "used": limit.used,
        "next_start_at": time_json(limit.next_start_us),
        "set_at": time_json(limit.set_at_us),
        "by": limit.by,
        "reason": limit.reason,
    }


def worker_json(info: WorkerInfo) -> dict[str, Any]:
    """Return a worker."""
    return {
        "id": info.id,
        "pid": info.pid,
        "host": info.host,
        "slots": info.slots,
        "queues": None if info.queues is None else list(info.queues),
        "running": info.running,
        "runs": [
            {
                "job_id": run.job_id,
                "queue": run.queue,
                "attempt": run.attempt,
                "since": time_json(run.since_us),
                "cancelling": run.is_cancelling,
            }
            for run in info.runs
        ],
        "started_at": time_json(info.started_at_us),
        "heartbeat_at": time_json(info.heartbeat_at_us),
        "state": info.state,
    }


def _kin_json(kin: Kin, subject: int) -> dict[str, Any]:
    return {
        "id": kin.id,
        "position": kin.number,
        "state": None if kin.state is None else str(kin.state),
        "is_removed": kin.is_removed,
        "return_code": kin.return_code,
        "signal": kin.signal,
        "duration_ms": kin.duration_ms,
        "attempt_of_parent": kin.attempt,
        "is_subject": kin.number == subject,
        "children": [_kin_json(child, subject) for child in kin.children],
        "left_out": kin.left_out,
    }


def _command(spec: JobSpec) -> str | list[str]:
    return spec.command if isinstance(spec.command, str) else list(spec.command)


def _counts(counts: dict[JobState, int]) -> dict[str, int]:
    return {str(state): count for state, count in counts.items()}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, Output):
        return {"size": value.size_bytes, "sha256": value.sha256.hex()}
    if isinstance(value, Policy):
        return policy_form(value)
    if isinstance(value, Expiry):
        return expiry_form(value)
    if name.endswith(("_at_us", "until_us")):
        return time_json(value)
    if name == "period_us" and value is not None:
        return value / 1_000_000
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [text_of(each) if isinstance(each, Edge) else each for each in value]
    return value
