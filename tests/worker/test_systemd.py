"""What a service manager hears, on a real socket, of the messages alone and of a real worker process."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from queuectl import Queue
from queuectl.outputs.frames import read_stream
from queuectl.worker.systemd import Notifier
from tests.lives import state_of
from tests.processes import is_alive, is_stopped
from tests.waiting import wait_until

pytestmark = pytest.mark.real_clock

UNIT = Path(__file__).parents[2] / "contrib" / "queuectl-worker.service"


class Manager:
    """The end of the protocol that a service manager has, at a path or at an abstract address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self._socket.settimeout(15)
        self.senders: set[int] = set()

    def hear(self) -> str:
        """Wait for one message."""
        data, ancillary, _, _ = self._socket.recvmsg(4096, 1024)
        self.senders.add(int.from_bytes(ancillary[0][2][:4], sys.byteorder))
        return data.decode()

    def hear_until(self, message: str) -> list[str]:
        """Wait for one message and give all up to it."""
        heard = [self.hear()]
        while heard[-1] != message:
            heard.append(self.hear())
        return heard

    def is_silent(self) -> bool:
        """Return whether nothing has come."""
        self._socket.setblocking(False)
        try:
            return not self._socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(15)

    def close(self) -> None:
        """Be gone."""
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@queuectl-{os.getpid()}-{time.monotonic_ns()}"
    listening = Manager(address)
    yield listening
    listening.close()


def test_each_message_is_one_datagram(manager: Manager) -> None:
    """Ready, status, sign of life and stopping arrive one by one, as the protocol spells them."""
    notifier = Notifier(manager.address, watchdog_every_s=1)
    notifier.ready()
    notifier.status("2 of 4 slots busy\nREADY=0")
    notifier.watchdog()
    notifier.stopping()
    assert [manager.hear() for _ in range(4)] == [
        "READY=1",
        "STATUS=2 of 4 slots busy READY=0",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_a_status_is_said_once(manager: Manager) -> None:
    """The same status twice is one message; another one is news."""
    notifier = Notifier(manager.address)
    for text in ("idle", "idle", "busy", "idle"):
        notifier.status(text)
    assert [manager.hear() for _ in range(3)] == ["STATUS=idle", "STATUS=busy", "STATUS=idle"]
    assert manager.is_silent()


def test_nobody_is_told_without_being_asked(manager: Manager) -> None:
    """A manager that set no watchdog hears no signs of life; without a manager nothing is sent."""
    Notifier(manager.address).watchdog()
    Notifier().ready()
    assert manager.is_silent()


@pytest.mark.parametrize("address", ["/no/such/socket", "/" + "x" * 200, "@" + "x" * 200, "vsock:2:1", "", "relative"])
def test_a_manager_that_is_not_there_fails_nothing(address: str) -> None:
    """An address that is gone, too long or of another kind costs the messages and no more."""
    notifier = Notifier(address, watchdog_every_s=1)
    notifier.ready()
    notifier.status("idle")
    notifier.watchdog()
    notifier.stopping()


def test_a_manager_that_does_not_read_holds_nobody_up(manager: Manager) -> None:
    """With its socket full, a sign of life is given up at once, and ready within a second or so."""
    notifier = Notifier(manager.address, watchdog_every_s=1)
    begun = time.monotonic()
    for _ in range(1000):
        notifier.watchdog()
    assert time.monotonic() - begun < 5
    notifier.ready()
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize(
    ("watchdog", "every_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 10),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 10),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_environment_is_taken_over(watchdog: dict[str, str], every_s: float | None) -> None:
    """A watchdog counts where it is meant for this process, and what the manager set is passed on to nobody."""
    environ = {"NOTIFY_SOCKET": "/run/notify", "HOME": "/", **watchdog}
    assert Notifier.from_environment(environ).watchdog_every_s == every_s
    assert environ == {"HOME": "/"}


def test_a_watchdog_without_a_socket_wants_nothing() -> None:
    """Where there is no socket to tell, no signs of life are due."""
    assert Notifier.from_environment({"WATCHDOG_USEC": "30000000"}).watchdog_every_s is None


StartService = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(queue: Queue, manager: Manager) -> Iterator[StartService]:
    """Start workers as a service manager does."""
    started: list[subprocess.Popen[str]] = []

    def start_one(*words: str, watchdog_s: float | None = None) -> "subprocess.Popen[str]":
        set_by_manager = {"NOTIFY_SOCKET": manager.address}
        if watchdog_s is not None:
            set_by_manager["WATCHDOG_USEC"] = str(int(watchdog_s * 1_000_000))
        command = [sys.executable, "-m", "queuectl", "--db", str(queue.path), "worker", "start", *words]
        environment = os.environ | set_by_manager
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, text=True))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.wait()


def test_a_worker_tells_its_manager(queue: Queue, manager: Manager, start: StartService, tmp_path: Path) -> None:
    """A worker is ready once it takes jobs, tells what it is at, and says that it stops before it has."""
    worker = start()
    assert manager.hear() == "READY=1"
    assert [info.pid for info in queue.workers()] == [worker.pid]
    assert manager.hear() == "STATUS=0 of 1 slot busy"
    queue.enqueue(f"until [ -e {tmp_path}/go ]; do sleep 0.05; done", id="a")
    assert manager.hear() == "STATUS=1 of 1 slot busy"
    worker.terminate()
    assert manager.hear_until("STOPPING=1") == ["STOPPING=1"]
    assert is_alive(worker.pid)
    (tmp_path / "go").touch()
    assert worker.wait(20) == 0
    assert state_of(queue, "a") == "completed"
    assert manager.senders == {worker.pid}


@pytest.mark.sampled(1)
def test_a_worker_keeps_its_watchdog_quiet(manager: Manager, start: StartService) -> None:
    """A sign of life comes in time again and again, from a worker that has nothing to do; a frozen one gives none."""
    worker = start("--poll", "60", watchdog_s=0.9)
    manager.hear_until("WATCHDOG=1")
    for _ in range(4):
        before = time.monotonic()
        manager.hear_until("WATCHDOG=1")
        assert time.monotonic() - before < 0.9
    worker.send_signal(19)
    wait_until(lambda: is_stopped(worker.pid))
    wait_until(manager.is_silent)
    wait_until(lambda until=time.monotonic() + 0.9: time.monotonic() > until)  # type: ignore[misc]
    assert manager.is_silent()
    worker.send_signal(18)
    manager.hear_until("WATCHDOG=1")
    worker.terminate()
    assert worker.wait(20) == 0


def test_commands_cannot_speak_for_their_worker(queue: Queue, manager: Manager, start: StartService) -> None:
    """A command does not get what the manager told the worker, so that it can report nothing in its place."""
    queue.enqueue("env", id="a")
    worker = start("--drain", watchdog_s=60)
    assert worker.wait(20) == 0
    (run,) = queue.runs("a")
    printed = b"".join(read_stream(queue.ui.output_frames(run)))
    assert b"QUEUECTL_JOB_ID=a" in printed
    assert b"NOTIFY_SOCKET" not in printed
    assert b"WATCHDOG_" not in printed


def test_a_manager_that_goes_away_costs_nothing(queue: Queue, manager: Manager, start: StartService) -> None:
    """A worker whose manager is gone goes on with its jobs, and stops as ever."""
    worker = start(watchdog_s=0.3)
    manager.hear_until("WATCHDOG=1")
    manager.close()
    queue.enqueue("sleep 0.5", id="a")
    wait_until(lambda: state_of(queue, "a") == "completed")
    worker.terminate()
    assert worker.wait(20) == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_the_unit_file_is_sound(tmp_path: Path) -> None:
    """systemd finds nothing to complain of in the unit file."""
    program = tmp_path / "queuectl"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/queuectl", str(program)))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_file_gives_what_the_worker_needs() -> None:
    """The unit has a manager listen to the worker alone, stop it gently, and watch it."""
    settings = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#")
    wanted = {"Type": "notify", "NotifyAccess": "main", "KillMode": "mixed", "Restart": "on-failure"}
    assert settings.items() >= wanted.items()
    assert int(settings["TimeoutStopSec"]) > 300 + 10  # the default time limit of a job, and its grace
    assert int(settings["WatchdogSec"]) > 0
