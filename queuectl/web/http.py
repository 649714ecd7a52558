"""How a request becomes a call on Queue, and what comes back becomes an answer; an error has its status in one table.

Calls block, so they run in a pool of threads; what changes something waits for its turn here, not
inside the store. No transaction outlives a call.
"""

from collections.abc import Awaitable, Callable, Mapping
from json import dumps
from threading import Lock
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .. import hints
from ..display import shown
from ..errors import Archived, Conflict, DuplicateJob, InvalidInput, JobNotFound, QueuectlError, StoreError, WrongState
from ..queue import Queue
from ..system.untrusted import Malformed, json_object

BODY_BYTES: Final = 1 << 20
"""The longest request: the longest command and environment, with every character of them escaped."""

STATUS: Final[Mapping[type[QueuectlError], int]] = {
    QueuectlError: 500,
    InvalidInput: 400,
    JobNotFound: 404,
    DuplicateJob: 409,
    WrongState: 409,
    Conflict: 409,
    Archived: 410,
    StoreError: 503,
}
"""The status of each class; one that is not here has its nearest base's."""

Endpoint = Callable[[Request], Awaitable[Response]]
Body = dict[str, Any]


class ServedQueue(NamedTuple):
    """What all requests share: the queue, and the lock that those which change it take turns by."""

    queue: Queue
    turn: Lock
    is_read_only: bool


class WebRequest(NamedTuple):
    """What a request that looks asks for: the parts of its path, its query, and what its sender knows already."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    known: str


def json_response(value: object, status: int = 200, **headers: str) -> Response:
    """Answer with a JSON document."""
    return Response(dumps(value), status, headers, "application/json")


def error_response(status: int, why: str) -> Response:
    """Answer with an error."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return json_response({"error": why}, status, **headers)


def read_endpoint(look: Callable[[ServedQueue, WebRequest], Any], *keys: str) -> Endpoint:
    """Make an endpoint of a question to the queue, whose query may have these keys, each once."""

    async def endpoint(request: Request) -> Response:
        _check_query([key for key, _ in request.query_params.multi_items()], keys)
        known = request.headers.get("if-none-match", "")
        asked = WebRequest(_parts(request), request.query_params, known)
        found = await run_in_threadpool(look, request.app.state.served, asked)
        return found if isinstance(found, Response) else json_response(found)

    return endpoint


def change_endpoint(change: Callable[..., Any], status: int = 200) -> Endpoint:
    """Make an endpoint of a change: a call with the queue, the body, and the parts of the path by name."""

    async def endpoint(request: Request) -> Response:
        served, parts = request.app.state.served, _parts(request)
        body = await _body(request)

        def in_turn() -> Any:
            with served.turn:
                return change(served.queue, body, **parts)

        return json_response(await run_in_threadpool(in_turn), status)

    return endpoint


async def tell_refused(request: Request, error: Exception) -> Response:
    """Answer with an expected error."""
    assert isinstance(error, QueuectlError)
    return error_response(next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), str(error))


async def tell_nobody(request: Request, error: Exception) -> Response:
    """Answer one who left in the middle of what he sent: nothing of it was done."""
    return error_response(400, "the request was cut short")


async def tell_wrong_request(request: Request, error: Exception) -> Response:
    """Answer a request that no route takes."""
    assert isinstance(error, HTTPException)
    return error_response(error.status_code, f"{request.method} {request.url.path}: {error.detail}")


async def tell_unexpected(request: Request, error: Exception) -> Response:
    """Answer when the program is wrong; the traceback goes to the terminal."""
    return error_response(500, f"{type(error).__name__}; {hints.DASHBOARD_TERMINAL}")


def _check_query(found: list[str], keys: tuple[str, ...]) -> None:
    """Refuse a key that would be passed over without a word."""
    for at, key in enumerate(found):
        if key not in keys or key in found[:at]:
            expected = f"one of {', '.join(keys)}, once" if keys else "a path without a query"
            raise InvalidInput("query", shown(key), expected)


def _parts(request: Request) -> dict[str, str]:
    try:
        return {name: unquote(part, errors="strict") for name, part in request.path_params.items()}
    except UnicodeDecodeError:
        raise HTTPException(404, "the path is not UTF-8") from None


async def _body(request: Request) -> Body:
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > BODY_BYTES:
            raise HTTPException(413, f"more than {BODY_BYTES:,} bytes")
    try:
        return json_object(bytes(read or b"{}"))
    except Malformed as error:
        raise HTTPException(400, f"{error}; send a JSON object") from None
