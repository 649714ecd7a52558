"""Who is let in: each request passes here before anything is looked up.

Whoever enqueues a job runs a command, so a page of another site must not reach the queue through the
browser of someone who may, nor another user of this machine through its own network. What is asked
for: a name of ours (Host), no other site's Origin and a header that only our page and programs send,
and the token; where there is none, that the connection is its user's own.
"""

import re
from hmac import compare_digest
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import hints
from .http import error_response
from .peer_user import is_strangers

OURS: Final = "x-queuectl"
"""A header that a browser lets no other site send; each request that changes something has it."""

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every answer has, whatever it says."""

_LOOKS: Final = ("GET", "HEAD")
_METHODS: Final = (*_LOOKS, "POST")


class Rules(NamedTuple):
    """What is asked of a request. `hosts` None: any name, where a token is asked for; `token` None: no token."""

    hosts: frozenset[str] | None
    token: str | None
    is_read_only: bool


class RefusedRequest(NamedTuple):
    """Why a request is not let in."""

    status: int
    why: str


class Admission:
    """Lets requests through to an application, or answers them itself; and has its own say on every answer."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        # Routes are found by the path as it was sent: an id may hold an encoded slash.
        scope = {**scope, "path": scope["raw_path"].decode("ascii", "replace")}
        refused = self._refuse_stranger(scope) or why_refused(
            self._rules, scope["method"], scope["path"], Headers(scope=scope)
        )
        app = self._app if refused is None else error_response(*refused)
        await app(scope, receive, _with_headers(send))

    def _refuse_stranger(self, scope: Scope) -> RefusedRequest | None:
        if self._rules.token is None and is_strangers(scope["client"], scope["server"]):
            return RefusedRequest(403, "this dashboard is another user's; with --token it lets in whoever has that")
        return None


def why_refused(rules: Rules, method: str, path: str, headers: Headers) -> RefusedRequest | None:
    """Return why a request is not let in, None where it is."""
    hosts = headers.getlist("host")
    host = hosts[0] if hosts else ""
    name = host_name(host)
    if len(hosts) != 1 or name is None:
        return RefusedRequest(400, f"no name and port: Host {', '.join(hosts)!r}; it is written as in localhost:8000")
    if rules.hosts is not None and name not in rules.hosts:
        return RefusedRequest(421, f"no dashboard is called {host!r}; {hints.DASHBOARD_ADDRESS}")
    if path.startswith("/api/") and not _has_token(rules.token, headers):
        return RefusedRequest(401, f"this dashboard asks for its token; {hints.DASHBOARD_ADDRESS}")
    if method not in _METHODS:
        return RefusedRequest(405, f"{method[:20]}: Method Not Allowed; a request is a GET or a POST")
    return None if method in _LOOKS else _refuse_change(rules, host, headers)


def host_name(host: str) -> str | None:
    """Return the name or address in a Host header, without the port; None if it is none.

    Exactly as RFC 9112 has it, and no more: no user before an @, no dot at the end, no zone, no empty port.
    """
    found = _HOST.fullmatch(host)
    if found is None or int(found["port"] or 0) > 65535:
        return None
    if found["six"] is None:
        return found["name"].lower()
    try:
        return str(IPv6Address(found["six"]))
    except ValueError:
        return None


_HOST: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?))"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)


def _has_token(token: str | None, headers: Headers) -> bool:
    if token is None:
        return True
    given = headers.getlist("authorization")
    scheme, _, value = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return scheme.lower() == "bearer" and compare_digest(value.encode("latin-1", "replace"), token.encode())


def _refuse_change(rules: Rules, host: str, headers: Headers) -> RefusedRequest | None:
    if set(headers.getlist("origin")) - {f"http://{host}"}:
        return RefusedRequest(
            403, f"a page of {headers['origin']!r} may not change this queue; use the dashboard's own page"
        )
    if OURS not in headers:
        return RefusedRequest(403, "a request that changes something needs the header X-Queuectl, of any value")
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return RefusedRequest(415, "a request that changes something is JSON: Content-Type: application/json")
    if rules.is_read_only:
        return RefusedRequest(403, "this dashboard only looks (--read-only); start one without it to change something")
    return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
