"""Who is kept out: pages of other sites, names that lead here, and whoever has no token."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import create_connection, create_server

import pytest

from queuectl.queue import Queue
from queuectl.web.peer_user import is_strangers
from tests.web.conftest import OURS, Dashboard

TOKEN = "correct-horse"


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::2]:80", "localhost.evil", "127.1"]
)
def test_another_name_for_this_machine(dashboard: Dashboard, host: str) -> None:
    """A request under a name that is not ours is refused, page and answers alike: its site could be anyone's."""
    for path in ("/", "/api/status"):
        answer = dashboard("GET", path, headers={"Host": host})
        assert answer.status == 421
        assert "no dashboard is called" in answer.json["error"]


NO_NAMES = (
    *("a@localhost", "localhost@localhost", "localhost/x", "localhost#", "localhost, localhost", "localhost evil"),
    *("::1", "[::1", "::1]:80", "[::1]x", "[::1%25lo]", "[127.0.0.1]", "[localhost]", "[]", "[::1]:", "\xb5"),
)


@pytest.mark.slow
def test_no_name_at_all(dashboard: Dashboard, guarded: Dashboard) -> None:
    """A Host that is no name and port is refused as it stands, where there is a token too."""
    for running in (dashboard, guarded):
        for host in NO_NAMES:
            assert running("GET", "/", headers={"Host": host}).status == 400, host


def test_two_hosts(dashboard: Dashboard) -> None:
    """A request with two Host headers, or with none, is refused."""
    for head in (b"Host: localhost\r\nHost: localhost\r\n", b""):
        with create_connection(("127.0.0.1", dashboard.port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n" + head + b"\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:8000", "[0:0::0001]"])
def test_our_own_names(dashboard: Dashboard, host: str) -> None:
    """This machine's own names are good, on any port: a tunnel may end on another."""
    assert dashboard("GET", "/api/status", headers={"Host": host}).status == 200


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Content-Type": "application/json"}, 403),
        ({"X-Queuectl": "1"}, 415),
        ({"X-Queuectl": "1", "Content-Type": "text/plain"}, 415),
        (OURS | {"Origin": "http://evil.example"}, 403),
        (OURS | {"Origin": "null"}, 403),
        (OURS | {"Origin": "http://127.0.0.1:1"}, 403),
    ],
    ids=str,
)
def test_a_page_of_another_site(dashboard: Dashboard, store: Queue, headers: dict[str, str], status: int) -> None:
    """A change that a form or a script elsewhere could send is refused."""
    answer = dashboard("POST", "/api/jobs", {"command": "true"}, headers=headers)
    assert (answer.status, list(answer.json)) == (status, ["error"])
    assert store.jobs() == []
    assert "access-control-allow-origin" not in dashboard("OPTIONS", "/api/jobs", headers=headers).headers


def test_our_own_page(dashboard: Dashboard) -> None:
    """A change from our own page is carried out."""
    own = OURS | {"Origin": f"http://127.0.0.1:{dashboard.port}"}
    assert dashboard("POST", "/api/jobs", {"command": "true"}, headers=own).status == 201


@pytest.fixture
def guarded(db: Path) -> Iterator[Dashboard]:
    running = Dashboard(db, "--token", TOKEN)
    yield running
    running.end()


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "given",
    [
        *(None, "", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xff"),
        *(TOKEN, f"Bearer  {TOKEN}", f"Bearer {TOKEN}, Bearer {TOKEN}", f"Bearer\t{TOKEN}", f"Bearer {TOKEN.upper()}"),
    ],
)
def test_no_token(guarded: Dashboard, given: str | None) -> None:
    """Where a token is asked for, nothing of the queue is told or done without it; the bare page is for all."""
    headers = {} if given is None else {"Authorization": given}
    assert guarded("GET", "/api/status", headers=headers).status == 401
    assert guarded("POST", "/api/jobs", {"command": "true"}, headers=OURS | headers).status == 401
    assert guarded("GET", "/", headers=headers).status == 200


def test_the_token(guarded: Dashboard, store: Queue) -> None:
    """The token is in the address that is printed, behind the #, and opens all; the other checks stay."""
    assert guarded.url == f"http://127.0.0.1:{guarded.port}/#token={TOKEN}"
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded("GET", "/api/status", headers=bearer).status == 200
    assert guarded("GET", "/api/status", headers=bearer | {"Host": "box.lan"}).status == 200
    assert guarded("POST", "/api/jobs", {"command": "true"}, headers=bearer).status == 403
    assert guarded("POST", "/api/jobs", {"command": "true"}, headers=bearer | OURS).status == 201


def test_every_address(db: Path) -> None:
    """Where others can reach it there is a warning, and a token that nobody chose; each start makes another."""
    first, second = Dashboard(db, "--host", "0.0.0.0"), Dashboard(db, "--host", "0.0.0.0")
    assert len(first.told["token"]) >= 20
    assert first.told["token"] != second.told["token"]
    assert first("GET", "/api/status").status == 401
    assert first("GET", "/api/status", headers={"Authorization": f"Bearer {first.told['token']}"}).status == 200
    second.end()
    code, said = first.end()
    assert (code, said.count("\n")) == (0, 1)
    assert "Warning: whoever reaches 0.0.0.0" in said
    assert "run commands as you" in said


def test_read_only(db: Path, store: Queue) -> None:
    """One that only looks refuses each change, and does not even have the queue open for writing."""
    store.enqueue("true", id="a")
    running = Dashboard(db, "--read-only")
    assert running.get("/api/status")["read_only"] is True
    for path in ("jobs", "jobs/a/cancel", "jobs/a/retry", "dlq/retry", "dlq/purge"):
        assert "only looks" in running.post(f"/api/{path}", {"command": "true"}, status=403)["error"]
    assert store.log.head() == 1
    assert running.end() == (0, "")


def as_nobody(act: Callable[[], int]) -> int:
    """Do something as another user of this machine, in a process of his, and give what comes of it."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os._exit(act())
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_another_user_of_this_machine(dashboard: Dashboard, guarded: Dashboard, store: Queue) -> None:
    """Another user sees and changes nothing, unless he has the token; nor when he leaves at once."""

    def refused() -> int:
        return dashboard("GET", "/api/status").status % 256

    def sent_and_left() -> int:
        with create_connection(("127.0.0.1", dashboard.port)) as connection:
            connection.sendall(
                b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nX-Queuectl: 1\r\nContent-Type: application/json\r\n"
                b'Content-Length: 18\r\n\r\n{"command":"true"}'
            )
        return 0

    def with_token() -> int:
        return guarded("GET", "/api/status", headers={"Authorization": f"Bearer {TOKEN}"}).status % 256

    dashboard.get("/api/status")  # loads what asking takes: the other user may have no access to this Python's files
    assert as_nobody(refused) == 403 % 256
    assert [as_nobody(sent_and_left) for _ in range(20)] == [0] * 20
    assert as_nobody(with_token) == 200
    dashboard.get("/api/status")
    assert store.jobs() == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_whose_a_connection_is(host: str) -> None:
    """Our own connections are ours, on either kind of address, until they are closed."""
    with (
        create_server((host, 0), family=10 if ":" in host else 2) as server,
        create_connection(server.getsockname()[:2]) as ours,
    ):
        ends = ours.getsockname()[:2], server.getsockname()[:2]
        assert not is_strangers(*ends)
        ours.close()
        assert is_strangers(*ends) == Path("/proc/net/tcp").exists()


def test_one_who_leaves_in_the_middle(dashboard: Dashboard, store: Queue) -> None:
    """A request that is cut short does nothing, and is no error of the server's."""
    with create_connection(("127.0.0.1", dashboard.port)) as connection:
        connection.sendall(
            b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nX-Queuectl: 1\r\nContent-Type: application/json\r\n"
            b'Content-Length: 100\r\n\r\n{"command":"true"}'
        )
    assert dashboard.get("/api/status")["head"] == 0
