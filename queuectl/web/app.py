"""What is where: the routes, the files of the page, and who answers an error."""

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
from . import changing, looking
from .admission import Admission, Rules
from .answering import Desk, Endpoint, tell_nobody, tell_refused, tell_unexpected, tell_wrong_request
from .answering import changing as change
from .answering import looking as look
from .searching import Wanted

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Path -> the file in page/, and its type."""

LOOKS: dict[str, Endpoint] = {
    "/api/status": look(looking.status),
    "/api/jobs": look(looking.jobs, *Wanted._fields, "limit"),
    "/api/jobs/{job_id}": look(looking.job),
    "/api/jobs/{job_id}/history": look(looking.history),
    "/api/jobs/{job_id}/output": look(looking.output, "run", "attempt", "offset", "tail"),
    "/api/dead": look(looking.dead, "after", "limit"),
    "/api/workers": look(looking.workers),
    "/api/events": look(looking.events, "since", "limit", "without"),
}
CHANGES: dict[str, Endpoint] = {
    "/api/jobs": change(changing.enqueue, 201),
    "/api/jobs/{job_id}/retry": change(changing.retry),
    "/api/jobs/{job_id}/cancel": change(changing.cancel),
    "/api/dlq/retry": change(changing.retry_dead),
    "/api/dlq/purge": change(changing.purge_dead),
}


def make_app(queue: Queue, rules: Rules) -> ASGIApp:
    """Make the application of a queue."""
    app = Starlette(
        routes=[
            *(Route(path, _file(*file), methods=["GET"]) for path, file in PAGE.items()),
            *(Route(path, endpoint, methods=["GET"]) for path, endpoint in LOOKS.items()),
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
    app.state.desk = Desk(queue, Lock(), rules.is_read_only)
    return Admission(app, rules)


def _file(name: str, kind: str) -> Endpoint:
    content = (files(__package__) / "page" / name).read_bytes()

    async def endpoint(request: Request) -> Response:
        return Response(content, media_type=kind)

    return endpoint
