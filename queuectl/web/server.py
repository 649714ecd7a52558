"""The dashboard's server: one socket, one process, until a signal ends it. What it answers is app.py's."""

import errno
import os
import secrets
import signal
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import quote

import uvicorn

from ..errors import CannotListen, InvalidInput
from ..queue import Queue
from ..system.host import host as this_host
from .access import Rules
from .app import make_app
from .connections import Connection, Visitors

SHUTDOWN_S: Final = 5
"""How long a request in the middle may take to end once a signal came."""

_HINTS: Final = {
    errno.EADDRINUSE: "another program listens there; name another with --port, or 0 for any that is free",
    errno.EACCES: "ports below 1024 are the system's; name another with --port",
    errno.EADDRNOTAVAIL: "it is no address of this machine; name one with --host",
}


class Site(NamedTuple):
    """A socket that listens, and what its visitors must bring; `url` has the token in it where there is one."""

    listener: socket.socket
    host: str
    port: int
    url: str
    rules: Rules
    is_private: bool


def open_site(host: str, port: int, *, token: str | None, read_only: bool) -> Site:
    """Begin to listen; off this machine's own loopback a token is asked for, made here where none is given.

    Raises CannotListen or InvalidInput.
    """
    if token is not None and (len(token) < 8 or not token.isascii() or not token.isprintable() or " " in token):
        raise InvalidInput("token", f"{len(token)} characters", "8 or more printable ASCII ones without a space")
    listener = _listen(host, port)
    address, port = listener.getsockname()[:2]
    at = ip_address(address.partition("%")[0])
    if token is None and not at.is_loopback:
        token = secrets.token_urlsafe(18)
    name = this_host() if at.is_unspecified else host
    shown = f"[{name}]" if ":" in name else name
    url = f"http://{shown}:{port}/" + (f"#token={quote(token, safe='')}" if token else "")
    own = None if token else frozenset({"localhost", "127.0.0.1", "::1", host.lower(), str(at)})
    return Site(listener, address, port, url, Rules(own, token, read_only), at.is_loopback)


def serve(queue: Queue, site: Site, *, announce: Callable[[], None]) -> None:
    """Answer requests until a signal comes, and end those that are being answered.

    `announce` is called when signals are heard. Ctrl-C raises KeyboardInterrupt, SIGTERM SystemExit with 0.
    """
    config = uvicorn.Config(
        make_app(queue, site.rules),
        loop="asyncio",
        http=_connections_of(Visitors()),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    # Once it has closed down, uvicorn raises each signal that it heard again, for who handled it before.
    before = signal.signal(signal.SIGTERM, _end)
    try:
        announce()
        uvicorn.Server(config).run(sockets=[site.listener])
    finally:
        signal.signal(signal.SIGTERM, before)


def _connections_of(all_visitors: Visitors) -> type[Connection]:
    """Return the class of a server's connections, which share what is known of its visitors."""

    class Ours(Connection):
        visitors = all_visitors

    return Ours


def _end(number: int, frame: object) -> None:
    raise SystemExit(0)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError, OverflowError) as error:
        code = (isinstance(error, OSError) and error.errno) or 0
        hint = _HINTS.get(code, "name an address of this machine with --host")
        # Python adds the address to what the system says; a name that is not known has no such number.
        found = os.strerror(code) if code > 0 else getattr(error, "strerror", None) or str(error)
        raise CannotListen(host, port, found, hint) from None
