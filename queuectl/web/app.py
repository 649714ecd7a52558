"""The web application: its routes, the files of the page, and what answers an error."""

from importlib.resources import files
from threading import Lock

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..errors import QueuectlError
from ..queue import Queue
from . import actions, reads
from .access import Admission, Rules
from .http import (
    Endpoint,
    ServedQueue,
    change_endpoint,
    read_endpoint,
    tell_nobody,
    tell_refused,
    tell_unexpected,
    tell_wrong_request,
)
from .job_search import JobQuery

SCRIPTS = "page dead elements job jobcells jobs new output overview route said server state text"
"""The modules of the page's script; `page` loads the others."""

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8") for name in SCRIPTS.split()},
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Path -> the file in page/, and its type."""

READS: dict[str, Endpoint] = {
    "/api/status": read_endpoint(reads.status),
    "/api/jobs": read_endpoint(reads.jobs, *JobQuery._fields, "limit"),
    "/api/jobs/{job_id}": read_endpoint(reads.job),
    "/api/jobs/{job_id}/history": read_endpoint(reads.history),
    "/api/jobs/{job_id}/output": read_endpoint(reads.output, "run", "attempt", "offset", "tail"),
    "/api/dead": read_endpoint(reads.dead, "after", "limit"),
    "/api/workers": read_endpoint(reads.workers),
    "/api/events": read_endpoint(reads.events, "since", "limit", "without"),
}
"""Path -> what answers GET."""

CHANGES: dict[str, Endpoint] = {
    "/api/jobs": change_endpoint(actions.enqueue, 201),
    "/api/jobs/{job_id}/retry": change_endpoint(actions.retry),
    "/api/jobs/{job_id}/cancel": change_endpoint(actions.cancel),
    "/api/dlq/retry": change_endpoint(actions.retry_dead),
    "/api/dlq/purge": change_endpoint(actions.purge_dead),
}
"""Path -> what answers POST."""


def make_app(queue: Queue, rules: Rules) -> ASGIApp:
    """Make the application of a queue."""
    app = Starlette(
        routes=[
            *(Route(path, _file(*file), methods=["GET"]) for path, file in FILES.items()),
            *(Route(path, endpoint, methods=["GET"]) for path, endpoint in READS.items()),
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in CHANGES.items()),
        ],
        exception_handlers={
            QueuectlError: tell_refused,
            HTTPException: tell_wrong_request,
            ClientDisconnect: tell_nobody,
            Exception: tell_unexpected,
        },
    )
    app.router.redirect_slashes = False
    app.state.served = ServedQueue(queue, Lock(), rules.is_read_only)
    return Admission(app, rules)


def _file(name: str, kind: str) -> Endpoint:
    content = (files(__package__) / "page" / name).read_bytes()

    async def endpoint(request: Request) -> Response:
        return Response(content, media_type=kind)

    return endpoint
