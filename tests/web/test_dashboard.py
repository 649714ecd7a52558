"""dashboard, the verb: how it starts, what it says, how it ends."""

import signal
import socket
from pathlib import Path

import pytest

from queuectl.queue import Queue
from tests.cli.conftest import CommandLine, cli  # noqa: F401 - a fixture
from tests.waiting import wait_until
from tests.web.conftest import Dashboard


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_ends_by_a_signal(db: Path, number: int, code: int) -> None:
    """SIGTERM ends it with 0 and Ctrl-C with 130, without a word, also while a browser holds a connection open."""
    running = Dashboard(db)
    with socket.create_connection(("127.0.0.1", running.port)) as browser:
        browser.sendall(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert browser.recv(100).startswith(b"HTTP/1.1 200")
        assert running.end(number) == (code, "")


def test_it_says_where_it_is(cli: CommandLine) -> None:  # noqa: F811 - the fixture
    """For people it prints the queue and the address, at once, into a pipe as well."""
    process = cli.spawn("dashboard", "--port", "0")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(f"{cli.db} is at http://127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("", 0)


def test_a_port_that_is_taken(cli: CommandLine) -> None:  # noqa: F811 - the fixture
    """A port that another program has is one line that says so, and what to type instead."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = cli("dashboard", "--port", str(port), code=1)
    assert result.stderr.startswith(
        f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use; another program"
    )
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid port 8000", 1),
        (["--host", "192.0.2.1"], "it is no address of this machine", 1),
        (["--host", ""], "host", 2),
        (["--port", "70000"], "a whole number from 0 to 65535", 2),
        (["--port", "http"], "port: found 'http'", 2),
        (["--token", "short"], "token: found 5 characters", 2),
        (["--token", "with a space"], "token: found 12 characters", 2),
    ],
)
def test_what_cannot_be(cli: CommandLine, words: list[str], said: str, code: int) -> None:  # noqa: F811 - the fixture
    """An address, port or token that cannot be is refused in one line that does not tell the token."""
    result = cli("dashboard", *words, code=code)
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert "with a space" not in result.stderr


def test_one_that_only_looks_makes_no_queue(cli: CommandLine) -> None:  # noqa: F811 - the fixture
    """Where there is no queue, one that only looks says so; one that may enqueue makes it."""
    assert "no queue at" in cli("dashboard", "--read-only", code=1).stderr
    running = Dashboard(cli.db)
    assert running.get("/api/status")["head"] == 0
    assert running.end() == (0, "")


def test_the_token_from_the_environment(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token can come from where other users of the machine cannot read it."""
    monkeypatch.setenv("QUEUECTL_DASHBOARD_TOKEN", "from-the-environment")
    running = Dashboard(db)
    assert running.told["token"] == "from-the-environment"
    assert running("GET", "/api/status").status == 401
    assert running.end() == (0, "")


def test_the_store_is_free_between_requests(db: Path) -> None:
    """An open dashboard holds no old pages: the file stays small while others write."""
    running = Dashboard(db)
    running.get("/api/status")
    with Queue.open(db) as store:
        for _ in range(150):
            store.admin.config_set("max_retries", 4)
            store.admin.config_set("max_retries", 5)
        assert wait_until(lambda: running.get("/api/events?limit=1")["head"]) == 300
        assert store.admin.sizes()["file"] < 3 << 20
    assert running.end() == (0, "")
