"""What a dead worker left is found and killed, and nothing that merely has the process id of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.liveness.lock_file import LaunchedRun, Sighting
from queuectl.liveness.orphans import kill_orphans
from queuectl.system.boot import awake_s, booted_s, pid_space
from queuectl.system.processes import Look, SeenProcesses, look, seen, send
from queuectl.system.run_mark import MARK, mark_of
from tests.waiting import wait_until

TOKEN = 7


def sighting(run: LaunchedRun, *, seen_boot_s: float) -> Sighting:
    """Return what the lock file of a worker that ran one command would say."""
    return Sighting("w1", pid_space(), 1, 60.0, awake_s(), seen_boot_s, None, TOKEN, [run])


class Started:
    """A process that leads a session, and the moments between which it was started."""

    def __init__(self, *words: str, mark: str | None = None) -> None:
        self.born_from_s = booted_s()
        env = os.environ | ({MARK: mark} if mark else {})
        self.process = subprocess.Popen(words, start_new_session=True, env=env, stdout=subprocess.DEVNULL)
        self.born_by_s = booted_s()
        self.run = LaunchedRun(TOKEN, self.process.pid, self.born_from_s, self.born_by_s)


@pytest.fixture
def started() -> Iterator[list[Started]]:
    made: list[Started] = []
    yield made
    for each in made:
        each.process.kill()
        each.process.wait()


def test_a_worker_s_command_is_put_down(started: list[Started]) -> None:
    """A process that has a command's id, and was started when that was, is killed with all of its session."""
    started.append(Started("sh", "-c", "sleep 60 & wait"))
    run = started[0].run
    wait_until(lambda: any(each.parent == run.pid for each in look().by_pid.values()))
    assert kill_orphans(sighting(run, seen_boot_s=booted_s()), [run], patience_s=20)
    assert started[0].process.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("later_s", [0.02, 0.5, 30.0])
def test_a_process_id_that_was_given_away_again_is_spared(started: list[Started], later_s: float) -> None:
    """A process with the id of a dead worker's command lives on, even one of a fraction of a second later."""
    started.append(Started("sleep", "60"))
    innocent = started[0]
    run = LaunchedRun(TOKEN, innocent.run.pid, innocent.born_from_s - later_s - 0.01, innocent.born_from_s - later_s)
    assert kill_orphans(sighting(run, seen_boot_s=booted_s()), [run], patience_s=0)
    assert innocent.process.poll() is None


def test_what_carries_the_mark_is_put_down_wherever_it_is(started: list[Started]) -> None:
    """A command whose process id was not written down before its worker died is found by its mark."""
    started.append(Started("sleep", "60", mark=mark_of("w1", TOKEN)))
    started.append(Started("sleep", "60", mark=mark_of("w1", TOKEN + 1)))
    run = LaunchedRun(TOKEN, 0)
    assert not kill_orphans(sighting(run, seen_boot_s=booted_s()), [run], patience_s=0)
    assert started[0].process.wait(10) == -signal.SIGKILL
    assert started[1].process.poll() is None


def test_a_signal_reaches_the_process_that_was_seen_alone(started: list[Started]) -> None:
    """A signal to a process that has ended reaches none that has its id by now."""
    started.append(Started("sleep", "60"))
    found = seen(started[0].process.pid)
    assert found is not None
    send(found._replace(started=found.started - 1), signal.SIGKILL)
    assert started[0].process.poll() is None
    send(found, signal.SIGKILL)
    assert started[0].process.wait(10) == -signal.SIGKILL


def of(pid: int, parent: int, session: int) -> SeenProcesses:
    """Return a process as a look could find it."""
    return SeenProcesses(pid, parent, session, session, pid, is_dead=False, is_stopped=False)


def test_a_session_that_others_began_is_not_of_the_family() -> None:
    """What was marked by hand in somebody's terminal does not take the terminal along."""
    terminal, marked, child, other = of(10, 1, 10), of(11, 10, 10), of(12, 11, 10), of(13, 10, 10)
    own, orphan = of(14, 11, 14), of(15, 1, 14)
    there = Look([terminal, marked, child, other, own, orphan])
    assert set(there.descendants([marked])) == {11, 12, 14, 15}


RESTARTED = """
import os, subprocess, sys, time
from pathlib import Path
from queuectl import Queue
innocents = [subprocess.Popen(["sleep", "60"], start_new_session=True) for _ in range(40)]
assert int(Path(sys.argv[1]).with_name("command").read_text()) in {each.pid for each in innocents}
with Queue.open(sys.argv[1]) as queue:
    recovered = [job.id for job in queue.worker("w").recover().jobs]
time.sleep(0.05)
print(recovered, [each.poll() for each in innocents if each.poll() is not None])
"""


@pytest.mark.parametrize("is_first", [True, False])
def test_a_namespace_that_is_gone_and_another_in_its_place(tmp_path: Path, *, is_first: bool) -> None:
    """What died with its process namespace is taken over at once, and no process of the next one is killed for it."""
    unshare = ["unshare", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("there is no right to make a process namespace")
    here = [sys.executable, "-m", "queuectl", "--db", str(tmp_path / "q")]
    subprocess.run([*here, "enqueue", "a", f"echo $$ > {tmp_path}/command; exec sleep 60"], check=True)
    begin = "exec" if is_first else ":;"  # the shell is process 1 where it does not give its place away
    words = [*unshare, "sh", "-c", f"hostname first; {begin} {' '.join(here)} worker start; true"]
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    wait_until(lambda: (tmp_path / "command").exists() and (tmp_path / "command").read_text())
    first.kill()
    first.wait()
    said = subprocess.run(
        [*unshare, sys.executable, "-c", RESTARTED, str(tmp_path / "q")], capture_output=True, text=True, check=True
    )
    assert said.stdout == ("['a'] []\n" if is_first else "[] []\n")
