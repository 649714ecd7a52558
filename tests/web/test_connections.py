"""Requests that are never finished: what they cost others, and when they end."""

import os
import time
from contextlib import suppress
from socket import create_connection, socket

import pytest

from queuectl.web.connections import HEAD_S, MOST_CONNECTIONS, OF_A_STRANGER
from tests.web.conftest import Dashboard
from tests.web.test_access import as_nobody

BEGUN = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


def begin(dashboard: Dashboard, count: int) -> list[socket]:
    """Open connections, each with a request that is begun and not ended."""
    opened = [create_connection(("127.0.0.1", dashboard.port)) for _ in range(count)]
    for each in opened:
        with suppress(ConnectionError):  # it was one too many
            each.sendall(BEGUN)
    return opened


def is_closed(connection: socket) -> bool:
    """Whether the other end has closed a connection."""
    connection.settimeout(10)
    try:
        while connection.recv(1000):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_a_stranger_costs_the_owner_nothing(dashboard: Dashboard) -> None:
    """While another user holds as many unfinished requests as he may, and tries for hundreds, ours are answered."""
    dashboard.get("/api/status")
    ours = begin(dashboard, 1)[0]  # begun before all of his
    there, here = os.pipe(), os.pipe()

    def many() -> int:
        opened = begin(dashboard, 300)
        assert all(is_closed(each) for each in opened[: 300 - OF_A_STRANGER])
        os.write(there[1], b"x")
        os.read(here[0], 1)
        return 0

    child = os.fork()
    if child == 0:
        os.close(here[1])
        os._exit(as_nobody(many))
    os.close(there[1])
    os.close(here[0])
    assert os.read(there[0], 1) == b"x"
    for _ in range(5):
        dashboard.get("/api/status")
    ours.sendall(b"\r\n")
    assert ours.recv(9) == b"HTTP/1.1 ", "it was answered, and not closed in favour of his"
    ours.close()
    os.close(here[1])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(there[0])


def test_more_than_there_is_room_for(dashboard: Dashboard) -> None:
    """Where all connections are taken the oldest of whoever has most makes room, and a new request is answered."""
    opened = begin(dashboard, MOST_CONNECTIONS + 50)
    assert dashboard.get("/api/status")["head"] == 0
    assert is_closed(opened[0])
    for each in opened:
        each.close()


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "sent", [b"", BEGUN, b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nX-"], ids=("silent", "begun", "cut")
)
def test_a_head_has_its_time(dashboard: Dashboard, sent: bytes) -> None:
    """A request whose head does not come to its end is closed, however it trickles; it takes those seconds."""
    with create_connection(("127.0.0.1", dashboard.port), timeout=20) as connection:
        began = time.monotonic()
        connection.sendall(sent)
        told = b""
        while piece := connection.recv(1000):
            told += piece
    assert told.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began > HEAD_S - 0.1


def test_an_answered_connection_goes_on(dashboard: Dashboard) -> None:
    """A connection that is kept takes the next request, and its time begins anew."""
    with create_connection(("127.0.0.1", dashboard.port), timeout=20) as connection:
        for _ in range(3):
            connection.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
