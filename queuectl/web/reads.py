"""What the page shows: each function answers one question from class Queue."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from ..core.job import JobState
from ..core.results import Run
from ..core.times import time_json
from ..display import shown
from ..errors import InvalidInput
from ..events.codec import EVENT_NAMES
from ..events.types import Recorded
from ..queries.json_form import event_json, job_json, run_json, status_json, worker_json
from ..queue import Queue
from ..store.writable import why_not
from ..system.clock import SystemClock
from ..system.host import directory
from ..version import __version__
from .http import ServedQueue, WebRequest, json_response
from .job_search import JobQuery, search
from .output_slice import last_of, slice_of

PAGE_ROWS: Final = 50
MOST_ROWS: Final = 500
EVENTS_OF_A_JOB: Final = 500
"""The newest events of a job that are shown: a log from before presence held leases may have thousands of one job."""

LIVES: Final = 10
"""Jobs of one id, one after the other, whose events are looked at."""

OUTPUT_BYTES: Final = 256 << 10


def status(served: ServedQueue, asked: WebRequest) -> dict[str, Any]:
    """Return the counts, and what the page says of the dashboard itself."""
    return {
        **status_json(served.queue.status()),
        "now": time_json(SystemClock().now_us()),
        "path": str(served.queue.path),
        "directory": directory(),
        "actor": served.queue.actor,
        "read_only": served.is_read_only,
        "unwritable": why_not(served.queue.path),
        "version": __version__,
    }


def jobs(served: ServedQueue, asked: WebRequest) -> dict[str, Any]:
    """Return a page of jobs by `state`, `queue`, `text`, `label` and `paused`, after the job `after`."""
    wanted = JobQuery(**{key: asked.query.get(key) or None for key in JobQuery._fields})
    found = search(served.queue, wanted, limit=_number(asked.query, "limit", PAGE_ROWS, MOST_ROWS))
    return {"jobs": [job_json(job) for job in found.jobs], "next": found.next, "searched": found.searched}


def dead(served: ServedQueue, asked: WebRequest) -> dict[str, Any]:
    """Return a page of the dead letter queue after the job `after`, last to die first, and how many are in it."""
    limit = _number(asked.query, "limit", PAGE_ROWS, MOST_ROWS)
    found = search(served.queue, JobQuery(JobState.DEAD, after=asked.query.get("after") or None), limit=limit)
    count = served.queue.status().jobs[JobState.DEAD]
    return {"jobs": [job_json(job) for job in found.jobs], "next": found.next, "count": count}


def job(served: ServedQueue, asked: WebRequest) -> dict[str, Any]:
    """Return a job and its runs."""
    job_id = asked.path["job_id"]
    found = served.queue.job(job_id)
    return {**job_json(found), "runs": [run_json(*each) for each in enumerate(served.queue.runs(job_id), 1)]}


def history(served: ServedQueue, asked: WebRequest) -> dict[str, Any]:
    """Return the newest events of a job, and how many older ones were left out."""
    found = served.queue.history(asked.path["job_id"], lives=LIVES)
    newest = found[-EVENTS_OF_A_JOB:]
    return {"events": _events_json(served.queue, newest), "left_out": len(found) - len(newest)}


def output(served: ServedQueue, asked: WebRequest) -> dict[str, Any]:
    """Return what a run printed: from `offset`, or the last `tail` bytes; where to go on, and how much lies before."""
    number, run = _chosen_run(served.queue, asked)
    skipped = 0
    start = _number(asked.query, "offset", 0)
    if "tail" in asked.query:
        start, skipped = last_of(served.queue, run, _number(asked.query, "tail", 0, OUTPUT_BYTES))
    found = slice_of(served.queue, run, start, limit=OUTPUT_BYTES)
    pieces = [{"stream": stream, "text": text} for stream, text in found.pieces]
    more = {"pieces": pieces, "offset": found.end, "skipped_bytes": skipped, "is_end": found.is_last}
    return {**run_json(number, run), **more}


def workers(served: ServedQueue, asked: WebRequest) -> list[dict[str, Any]]:
    """Return the workers, and what each runs since when."""
    return [worker_json(info) for info in served.queue.workers()]


def events(served: ServedQueue, asked: WebRequest) -> Any:
    """Return the newest events after the position `since`, but those of a type `without`; the ETag is the log's head.

    304 where that is what was sent.
    """
    head = served.queue.log.head()
    tag = f'"{head}"'
    if asked.known == tag:
        return Response(status_code=304, headers={"ETag": tag})
    since = _number(asked.query, "since", 0)
    count = _number(asked.query, "limit", PAGE_ROWS, MOST_ROWS)
    without = asked.query.get("without")
    types = [name for name in EVENT_NAMES if name != without] if without else None
    found = list(served.queue.events(after=since, until=head, types=types, last=count)) if since < head else []
    return json_response({"head": head, "events": _events_json(served.queue, found)}, ETag=tag)


def _events_json(queue: Queue, found: list[Recorded]) -> list[dict[str, Any]]:
    ids = {stream: queue.log.job_id_of(stream) for stream in {recorded.stream for recorded in found}}
    causes = {each.cause: queue.log.cause_of(each.position) for each in found if each.cause}
    return [event_json(each, ids[each.stream], causes.get(each.cause)) for each in found]


def _chosen_run(queue: Queue, asked: WebRequest) -> tuple[int, Run]:
    """Return the run asked for by its number or its attempt, the last where neither is named."""
    runs = list(enumerate(queue.runs(asked.path["job_id"]), 1))
    for field, chosen in (("run", runs), ("attempt", [(run.attempt, (number, run)) for number, run in runs])):
        if field in asked.query:
            wanted = _number(asked.query, field, 0)
            found = [each for each in chosen if each[0] == wanted]
            if not found:
                raise InvalidInput(field, str(wanted), f"one of {', '.join(str(each[0]) for each in chosen) or 'none'}")
            last = found[-1]
            return last if field == "run" else last[1]  # type: ignore[return-value]
    if not runs:
        raise InvalidInput("run", "none", "a job that has run")
    return runs[-1]


def _number(query: Mapping[str, str], field: str, otherwise: int, most: int = 2**63 - 1) -> int:
    text = query.get(field)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdecimal()) or len(text) > 19 or int(text) > most:
        raise InvalidInput(field, shown(text), f"a whole number from 0 to {most}")
    return int(text)
