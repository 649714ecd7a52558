"""What worker tests share: attempts driven by hand, and real worker processes to be signalled."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from queuectl import Job, JobSpec, JobState, Queue, Result
from queuectl.core.job import Lease
from queuectl.liveness import lock_file
from queuectl.outputs.frames import STDERR, STDOUT
from queuectl.system.run_mark import MARK
from queuectl.worker.attempt import Attempt
from queuectl.worker.capture import Capture
from queuectl.worker.orphans import Orphans
from queuectl.worker.process import Launcher
from queuectl.worker.remains import Looks, Remains

_SCRIPT = """
import json, sys
{prelude}
from queuectl import Queue
from queuectl.worker import start_worker
with Queue.open(sys.argv[1]) as queue:
    def say(lines): [print(each.text, flush=True) for each in lines]
    sys.exit(start_worker(queue, report=say, **json.loads(sys.argv[2])))
"""

MARKED: Final = f"w{os.getpid()}.2"
"""The mark of what an attempt that is driven by hand runs: no other such test's, which would end it as remains."""

_UNREAPED = """
import ctypes, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
sys.exit(subprocess.call(sys.argv[1:]))
"""


def wait_until(holds: Callable[[], Any], *, timeout_s: float = 15.0) -> Any:
    """Wait until something is true and give it; fail when it takes too long."""
    deadline = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
    return found


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that is dead but not yet reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def freeze(worker: "LiveWorker", path: Path, worker_id: str) -> int:
    """Stop a worker's process at a moment when it does not write: its guardian would kill it otherwise.

    Returns its process id.
    """
    while True:
        sighting = lock_file.look(path, worker_id)
        assert sighting is not None, f"it has no lock file, and said {worker.said()}"
        os.kill(sighting.pid, signal.SIGSTOP)
        # One that waits for the disk is stopped once that has answered.
        wait_until(lambda pid=sighting.pid: _is_stopped(pid, worker), timeout_s=60)
        stopped = lock_file.look(path, worker_id)
        assert stopped is not None
        if stopped.writing_since_s is None:
            return sighting.pid
        os.kill(sighting.pid, signal.SIGCONT)


def _is_stopped(pid: int, worker: "LiveWorker") -> bool:
    """Whether it is stopped; one that has ended never will be."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    assert state not in ("Z", "X"), f"it ended with {worker.process.poll()}, and said {worker.said()[-2000:]}"
    return state == "T"


def pid_in(path: Path) -> int:
    """Wait for a file that a command writes a process id into."""
    return int(wait_until(lambda: path.exists() and path.read_text().strip()))


class Runaways:
    """A command's processes of all the kinds that leave its group: told from all others by how long they sleep."""

    def __init__(self, *, but: str = "") -> None:
        unique = f"{time.monotonic_ns() % 10**9:09}"
        self._sleeps = {name: f"sleep 21{place}.{unique}" for place, name in enumerate(_RUNAWAYS)}
        if os.geteuid() != 0 or shutil.which("su") is None:
            del self._sleeps["another user's"]
        self._sleeps.pop(but, None)

    def command(self, last: str) -> str:
        """Return a command that starts them and then does `last`."""
        started = [_RUNAWAYS[name].replace("SLEEP", sleep) + " &" for name, sleep in self._sleeps.items()]
        return " ".join([*started, last])

    def alive(self) -> set[str]:
        """Return which of them run."""
        words = {path.parent.name: path for path in Path("/proc").glob("[0-9]*/cmdline")}
        running = []
        for path in words.values():
            with suppress(OSError):
                running.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return {name for name, sleep in self._sleeps.items() if any(sleep in each for each in running)}

    def are_up(self) -> bool:
        """Whether all of them run."""
        return self.alive() == set(self._sleeps)


_RUNAWAYS: Final = {
    "in a group of its own": "timeout 300 SLEEP",
    "in a session of its own": "setsid -w SLEEP",
    "deaf": "sh -c \"trap '' TERM; SLEEP & wait; SLEEP\"",
    "of a shell with job control": "bash -mc 'SLEEP & wait'",
    "again and again": "sh -c 'while :; do timeout 300 SLEEP; done'",
    "an orphan": "( ( setsid SLEEP > /dev/null 2>&1 & ) & )",
    "without its environment": "env -i PATH=$PATH setsid -w SLEEP",
    "an orphan without its environment": "( env -i PATH=$PATH setsid SLEEP & )",
    "another user's": "su nobody -s /bin/sh -c 'SLEEP; true'",
}


def running_job(command: str | tuple[str, ...], **fields: Any) -> Job:
    """Return a job as a worker gets it: claimed and started."""
    spec = JobSpec("job1", command, **fields)
    lease = Lease(2, "w1", 0, attempt=1)
    return Job(1, spec, JobState.PROCESSING, 3, 0, 0, 0, attempts=1, lease=lease)


find_remains: Final = partial(Remains, looks=Looks(Orphans(is_sole=False), lambda: ()), mark=MARKED)
"""How an attempt that is driven by hand finds what it leaves."""


class Driven:
    """One attempt, moved on by hand."""

    def __init__(self, job: Job, path: Path, *, grace_s: float = 5.0, limit_bytes: int = 1 << 20) -> None:
        self._launcher = Launcher(os.environb)
        self.capture: Capture | None = None
        self._capture_of = partial(Capture, path, limit_bytes=limit_bytes)
        self.attempt = Attempt(job, self._make_capture, find_remains, now=time.monotonic(), grace_s=grace_s)
        invocation = self._launcher.prepare(
            job.spec.command, cwd=job.spec.cwd, env={MARK: MARKED, **(job.spec.env or {})}
        )
        process = self._launcher.spawn(invocation)
        self.attempt.begin(process, now=time.monotonic())

    def _make_capture(self) -> Capture:
        self.capture = self._capture_of()
        return self.capture

    def step(self) -> bool:
        """Read what there is and take a step; tell whether the run is over."""
        for stream in (STDOUT, STDERR):
            self.attempt.read(stream)
        return self.attempt.step(now=time.monotonic())

    def result(self) -> Result:
        """Wait for the end."""
        wait_until(self.step)
        result = self.attempt.finish()
        self._launcher.close()
        return result


class LiveWorker:
    """A worker in a process of its own."""

    def __init__(
        self,
        path: Path,
        *,
        prelude: str = "",
        unreaped: bool = False,
        pass_fds: Collection[int] = (),
        **options: Any,
    ) -> None:
        words = ["-c", _SCRIPT.replace("{prelude}", prelude), str(path), json.dumps({"poll_s": 0.5, **options})]
        command = [sys.executable, *(["-c", _UNREAPED, sys.executable] if unreaped else []), *words]
        self._log = path.parent / f"worker-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, pass_fds=pass_fds)

    def said(self) -> str:
        """Return what it has printed so far."""
        return self._log.read_text()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def exit_code(self, *, timeout_s: float = 20.0) -> int:
        """Wait until it has gone."""
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """Make sure that it is gone, with the commands it ran: three signals leave it no time."""
        if self.process.poll() is not None:
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self.process.send_signal(number)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def state_of(queue: Queue, job_id: str) -> str:
    """Return a job's state."""
    return str(queue.job(job_id).state)
