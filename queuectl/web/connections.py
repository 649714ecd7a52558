"""How long and how many: what keeps one visitor's unfinished requests from costing another a connection.

A visitor is a user of this machine, where the system says whose the other end is, else an address.
"""

import os
from asyncio import Protocol, TimerHandle, Transport
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .peer_user import owner_of

HEAD_S: Final = 5.0
"""How long the head of a request may take: a line and its headers, sent by a program at once."""

BODY_S: Final = 30.0
"""How long all of it may take, a megabyte at the most."""

MOST_CONNECTIONS: Final = 200
"""Connections at a time, of all visitors."""

OF_A_STRANGER: Final = 32
"""Connections at a time of a visitor who is neither the dashboard's own user nor root."""

_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Visitors:
    """Who is connected. Where there is no room, the oldest connection of whoever has too many is closed."""

    def __init__(self) -> None:
        self._of: dict[object, dict[Protocol, Transport]] = {}

    def enter(self, visitor: object, connection: Protocol, transport: Transport, *, is_own: bool) -> None:
        """Take a connection in, and close another where that is one too many."""
        held = self._of.setdefault(visitor, {})
        held[connection] = transport
        if not is_own and len(held) > OF_A_STRANGER:
            self._close_oldest(visitor)
        if sum(map(len, self._of.values())) > MOST_CONNECTIONS:
            self._close_oldest(max(self._of, key=lambda each: len(self._of[each])))

    def leave(self, visitor: object, connection: Protocol) -> None:
        """Forget a connection that is over."""
        held = self._of.get(visitor, {})
        held.pop(connection, None)
        if not held:
            self._of.pop(visitor, None)

    def _close_oldest(self, visitor: object) -> None:
        oldest = next(iter(self._of[visitor]))
        self._of[visitor].pop(oldest).abort()


class Connection(H11Protocol):
    """uvicorn's connection, with an end to patience: uvicorn itself waits for a request for ever."""

    visitors: Visitors

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._visitor: object = None
        self._patience: TimerHandle | None = None
        self._is_in_body = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take a visitor in."""
        super().connection_made(transport)
        owner = owner_of(self.client, self.server)  # type: ignore[arg-type]  # a TCP socket's has a port
        self._visitor = owner if owner is not None else self.client and self.client[0]
        is_own = owner in (0, os.getuid())
        self.visitors.enter(self._visitor, self, transport, is_own=is_own)
        self._set_deadline(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the visitor."""
        self._set_deadline(None)
        self.visitors.leave(self._visitor, self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in a piece of a request; from its first byte on it has its time."""
        if self._patience is None and self.conn.their_state is h11.IDLE:
            self._set_deadline(HEAD_S)
        super().data_received(data)
        if self.conn.their_state is h11.SEND_BODY and not self._is_in_body:
            self._is_in_body = True
            self._set_deadline(BODY_S)
        elif self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._is_in_body = False
            self._set_deadline(None)

    def _set_deadline(self, patience_s: float | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = None if patience_s is None else self.loop.call_later(patience_s, self._give_up)

    def _give_up(self) -> None:
        self._patience = None
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_TOO_SLOW)
        self.transport.close()
