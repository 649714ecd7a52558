"""What the page can change: one call on Queue each, with the reason that was given."""

from typing import Any

from starlette.exceptions import HTTPException

from ..core.job import JobState
from ..core.job_mapping import request_from_mapping
from ..display import shown
from ..errors import InvalidInput
from ..queries.json_form import answer_json, job_json
from ..queue import Queue
from ..system.clock import SystemClock
from .http import Body


def enqueue(queue: Queue, body: Body) -> dict[str, Any]:
    """Enqueue a job; its keys are those of the command line, and `reason`."""
    reason = body.pop("reason", None)
    request = request_from_mapping(body, now_us=SystemClock().now_us())
    return answer_json(queue.ui.enqueue_or_find(request, reason=reason))


def retry(queue: Queue, body: Body, job_id: str) -> dict[str, Any]:
    """Run a job again."""
    return job_json(queue.retry(job_id, reason=_only(body, "reason")[0]))


def cancel(queue: Queue, body: Body, job_id: str) -> dict[str, Any]:
    """Keep a job from running, or stop it."""
    return job_json(queue.cancel(job_id, reason=_only(body, "reason")[0]))


def retry_dead(queue: Queue, body: Body) -> dict[str, Any]:
    """Run dead jobs again: those named, or all."""
    chosen, reason = _chosen(queue, body)
    return {"ids": queue.dlq.retry(chosen, reason=reason)}


def purge_dead(queue: Queue, body: Body) -> dict[str, Any]:
    """Remove dead jobs: those named, or all."""
    chosen, reason = _chosen(queue, body)
    return {"ids": queue.dlq.purge(chosen, all=chosen is None, reason=reason)}


def _chosen(queue: Queue, body: Body) -> tuple[list[str] | None, str | None]:
    """Return the ids named, or None for all where there are just as many as whoever asked was told."""
    ids, everything, count, reason = _only(body, "ids", "all", "count", "reason")
    if everything is True and ids is None:
        found = queue.status().jobs[JobState.DEAD]
        if count != found:
            raise HTTPException(409, f"there are {found:,} dead jobs now, and {count!r} were confirmed; look again")
        return None, reason
    if not isinstance(ids, list) or not ids or everything is not None:
        raise InvalidInput("ids", shown(ids), 'a list of ids, or "all": true with the "count" of dead jobs')
    return ids, reason


def _only(body: Body, *keys: str) -> list[Any]:
    unknown = [key for key in body if key not in keys]
    if unknown:
        raise InvalidInput("key", shown(unknown[0]), "one of " + ", ".join(keys))
    return [body.get(key) for key in keys]
