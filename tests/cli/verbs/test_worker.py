"""worker: start, in the foreground and the background, stop and list, with real processes."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from queuectl.core.argument_kinds import MOST_SLOTS
from queuectl.system.processes import look
from tests.cli.conftest import CommandLine
from tests.waiting import wait_until
from tests.workers import LiveWorker


def started(cli: CommandLine, process: "subprocess.Popen[str]") -> str:
    """Wait until a worker is at work and give its id."""

    def found() -> str | None:
        return next((info["id"] for info in cli.json("worker", "list") if info["pid"] == process.pid), None)

    wait_until(cli.is_made)
    worker: str = wait_until(found)
    return worker


def test_drain_runs_all_there_is(cli: CommandLine) -> None:
    """--drain runs all there is, a line for each happening, and exits 0."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "exit 3", "--max-retries", "0")
    done = cli.process("worker", "start", "--count", "2", "--drain")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\d\d:\d\d:\d\d a: completed", done.stdout, re.MULTILINE)
    assert "dlq show b" in done.stdout
    assert cli.json("status")["jobs"] | {"completed": 1, "dead": 1} == cli.json("status")["jobs"]


@pytest.mark.parametrize("where", ["--foreground", "--detach", "start_worker"])
def test_what_is_no_text_is_shown_escaped(cli: CommandLine, where: str) -> None:
    """A worker's line, in a log file too, shows the bytes and control characters of a command as `show` does."""
    with cli.queue() as queue:
        queue.enqueue("true \udcff\x1b]0;title\x07\n\u202e", id="a", backoff_base=0.01)  # its second line fails
    if where == "start_worker":
        script = "import sys, queuectl; queuectl.start_worker(queuectl.Queue.open(sys.argv[1]), drain=True)"
        shown = subprocess.run(
            [sys.executable, "-c", script, str(cli.db)], capture_output=True, text=True, check=True
        ).stdout
    elif where == "--detach":
        cli.process("worker", "start", "--detach", "--drain")
        [log] = cli.db.glob("worker-*.log")
        wait_until(lambda: "stopped" in log.read_text())
        shown = log.read_text()
    else:
        shown = cli.process("worker", "start", "--drain").stdout
    assert "a: attempt 1 of 4 started: true \\xff\\x1b]0;title\\x07\\n\\u202e\n" in shown


def test_priority_runs_first(cli: CommandLine) -> None:
    """A job of higher priority runs before those that came first."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "true", "--priority", "10")
    cli.drain()
    assert cli.json("show", "b")["started_at"] < cli.json("show", "a")["started_at"]


def test_only_its_queue(cli: CommandLine) -> None:
    """--queue leaves the other queues alone."""
    cli("enqueue", "a", "true")
    cli("enqueue", "b", "true", "--queue", "mail")
    assert cli.process("worker", "start", "--queue", "mail", "--drain").returncode == 0
    assert cli.json("status")["queues"]["default"]["pending"] == 1
    assert cli.json("show", "b")["state"] == "completed"


def test_start_makes_the_queue(cli: CommandLine) -> None:
    """A worker may be there before the first job."""
    assert cli.process("worker", "start", "--drain").returncode == 0
    assert cli.json("status")["head"] > 0


@pytest.mark.parametrize(
    "words",
    [["--count", "0"], ["--poll", "often"], ["--poll", "0.0"], ["--lease", "-1"], ["--queue", ""], ["--queue", "a b"]],
)
def test_wrong_shape(cli: CommandLine, words: list[str]) -> None:
    """A count, poll or lease that is none is refused in one line, and no worker starts."""
    assert f"{words[0][2:]}: found" in cli("worker", "start", *words, code=2).stderr


def test_slots_have_one_range(cli: CommandLine) -> None:
    """A worker from the command line may have as many slots as one that a program starts."""
    assert f"from 1 to {MOST_SLOTS}" in cli("worker", "start", "--count", str(MOST_SLOTS + 1), code=2).stderr
    cli("worker", "start", "--count", str(MOST_SLOTS), "--queue", "a b", code=2)


def test_list_and_stop(cli: CommandLine) -> None:
    """A worker is listed with what it runs; stop has it finish that, and --wait waits for it."""
    gate = cli.db.parent / "gate"
    cli("enqueue", "a", f"until [ -e {gate} ]; do sleep 0.05; done")
    worker = cli.spawn("worker", "start")
    name = started(cli, worker)
    wait_until(lambda: cli.json("worker", "list")[0]["running"] == ["a"])
    (info,) = cli.json("worker", "list")
    assert list(info)[:3] == ["id", "pid", "host"]
    assert (info["slots"], info["state"]) == (1, "running")
    assert name in cli("worker", "list").stdout
    stopping = cli.spawn("worker", "stop", name, "--wait")
    wait_until(lambda: cli.json("worker", "list")[0]["state"] == "stopping")
    assert cli("worker", "stop", name).stdout == f"Stopping {name}\n"
    gate.touch()
    out, _ = stopping.communicate(timeout=20)
    assert out == f"Stopped {name}\n"
    worker.communicate(timeout=20)
    assert worker.returncode == 0
    assert cli.json("show", "a")["state"] == "completed"
    assert cli.json("worker", "list") == []


def test_stop_now_gives_back(cli: CommandLine) -> None:
    """stop --now ends the running commands and gives their jobs back, no attempt used up."""
    cli("enqueue", "a", "exec sleep 60")
    worker = cli.spawn("worker", "start", "--grace", "1")
    started(cli, worker)
    wait_until(lambda: cli.json("worker", "list")[0]["running"] == ["a"])
    cli("worker", "stop", "--now", "--wait")
    worker.communicate(timeout=20)
    job = cli.json("show", "a")
    assert (job["state"], job["attempts"]) == ("pending", 0)


def test_ctrl_c_finishes(cli: CommandLine) -> None:
    """Ctrl-C has a worker finish and exit 0."""
    worker = cli.spawn("worker", "start")
    started(cli, worker)
    worker.send_signal(signal.SIGINT)
    out, errors = worker.communicate(timeout=20)
    assert worker.returncode == 0, errors
    assert "stopped" in out


def test_stop_nobody(cli: CommandLine) -> None:
    """No workers is no error; one that is not there is refused."""
    cli("enqueue", "a", "true")
    assert cli("worker", "stop").stderr == "No workers to stop.\n"
    assert cli.json("worker", "stop") == {"ids": []}
    assert "no worker is running" in cli("worker", "stop", "w9", code=1).stderr
    assert "No workers" in cli("worker", "list").stderr


def test_detach_comes_back_once_the_worker_is_at_work(cli: CommandLine) -> None:
    """--detach comes back once the worker is at work, and says its id, pid and log file."""
    cli("enqueue", "a", "true")
    said = cli.process("worker", "start", "--detach", "--count", "2")
    assert said.returncode == 0, said.stderr
    found = re.fullmatch(r"Worker (\S+) started in the background \(pid (\d+)\), log: (.+)\n", said.stdout)
    assert found, said.stdout
    (info,) = cli.json("worker", "list")
    assert (info["id"], info["pid"], info["slots"]) == (found[1], int(found[2]), 2)
    wait_until(lambda: cli.json("show", "a")["state"] == "completed")
    assert cli("worker", "stop", "all", "--wait").stdout == f"Stopped {found[1]}\n"
    assert "a: completed" in Path(found[3]).read_text()


def test_detach_leaves_the_caller(cli: CommandLine) -> None:
    """A worker in the background has a session of its own, nothing of the caller's terminal or pipes, and its log."""
    cli("enqueue", "a", "echo hi; exit 1", "--max-retries", "0")
    said = cli.process("worker", "start", "--detach")
    (info,) = cli.json("worker", "list")
    fds = Path(f"/proc/{info['pid']}/fd")
    assert os.getsid(info["pid"]) == info["pid"]
    assert [str(Path(fds / name).readlink()) for name in "012"] == ["/dev/null", *2 * [said.stdout.split()[-1]]]
    wait_until(lambda: cli.json("show", "a")["state"] == "dead")
    os.kill(info["pid"], signal.SIGTERM)
    log = Path(said.stdout.split()[-1])
    wait_until(lambda: "stopped: asked to stop\n" in log.read_text())
    words = [line.split()[1] for line in log.read_text().splitlines()]
    assert words == ["worker", "a:", "a:", "stopping", "worker"]


@pytest.mark.parametrize("how", ["worker start", "start_worker"])
def test_a_worker_gives_its_commands_and_helpers_nothing_it_inherited(
    cli: CommandLine, tmp_path: Path, how: str
) -> None:
    """A descriptor that a shell hands down stops at the worker: no command and no helper has it, nor the data."""
    cli("enqueue", "a", "sleep 60")
    live = None
    with (tmp_path / "foreign").open("w") as foreign:
        if how == "worker start":
            worker = cli.spawn("worker", "start", pass_fds=[foreign.fileno()]).pid
        else:
            live = LiveWorker(cli.db, pass_fds=[foreign.fileno()])
            worker = live.process.pid

    def held(name: bytes) -> set[str]:
        """Return what the first process of the worker's with a word in its command line has open."""
        children = look().children
        for each in (*children[worker], *(below for child in children[worker] for below in children[child.pid])):
            path = Path(f"/proc/{each.pid}")
            with suppress(FileNotFoundError):  # it has ended
                if name in (path / "cmdline").read_bytes():
                    return {str(fd.readlink()).partition(":[")[0] for fd in (path / "fd").iterdir()}
        return set()

    try:
        assert wait_until(lambda: held(b"sleep")) == {"/dev/null", "pipe"}
        (lock,) = [str(path) for path in (cli.db / "workers").iterdir()]
        assert wait_until(lambda: held(b"queuectl.liveness.guardian") - {lock}) == {"/dev/null", "pipe"}
        if live is not None:
            assert held(b"queuectl.liveness.command_parent") == {"/dev/null", "pipe", "socket", str(Path.cwd())}
    finally:
        if live is not None:
            live.kill()


def test_detach_where_modules_lie_about(cli: CommandLine, tmp_path: Path) -> None:
    """A file in the caller's directory that is called like a module of ours or of Python's is not imported."""
    cli("enqueue", "a", "true")
    for name in ("lmdb", "select", "queuectl"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    started = cli.words("worker", "start", "--detach")
    said = subprocess.run([started[0], "-P", *started[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert said.returncode == 0, said.stderr
    cli("worker", "stop", "--wait")


def test_detach_with_nothing_to_do(cli: CommandLine) -> None:
    """A worker that has drained before anybody could see it is no error."""
    cli("enqueue", "a", "true")
    cli.drain()
    said = cli.process("worker", "start", "--detach", "--drain").stdout
    assert re.match(r"Worker \S+ started|The worker found nothing", said)
    wait_until(lambda: cli.json("worker", "list") == [])


def test_list_tells_what_each_slot_runs(cli: CommandLine) -> None:
    """The list shows since when each slot runs what, longest first, how long a worker is up and when it was heard."""
    gate = cli.db.parent / "gate"
    cli("enqueue", "a", f"until [ -e {gate} ]; do sleep 0.05; done", "--queue", "mail")
    worker = cli.spawn("worker", "start", "--count", "3")
    started(cli, worker)
    wait_until(lambda: cli.json("worker", "list")[0]["running"] == ["a"])
    cli(
        "enqueue",
        "b",
        f"[ $QUEUECTL_ATTEMPT = 2 ] || exit 1; {cli.json('show', 'a')['command']}",
        "--backoff-base",
        "0",
    )
    wait_until(lambda: [run["attempt"] for run in cli.json("worker", "list")[0]["runs"]] == [1, 2])
    (info,) = cli.json("worker", "list")
    assert info["running"] == ["a", "b"]
    assert info["runs"] == [
        {"job_id": job, "queue": queue, "attempt": n, "since": cli.json("show", job)["started_at"], "cancelling": False}
        for job, queue, n in (("a", "mail", 1), ("b", "default", 2))
    ]
    wait_until(
        lambda: re.search(r"running +\d+ +\S+ +3 +all +\ds +\ds ago +a \([1-9]s\), b attempt 2 \(\ds\)\n", listed(cli))
    )
    gate.touch()
    wait_until(lambda: cli.json("worker", "list")[0]["runs"] == [])
    worker.terminate()
    worker.communicate(timeout=20)


def listed(cli: CommandLine) -> str:
    """Return the list as people see it."""
    return cli("worker", "list").stdout


def test_dead_worker(cli: CommandLine) -> None:
    """A worker that was killed is called dead without slots, and leaves the list when it is stopped by name."""
    worker = cli.spawn("worker", "start")
    name = started(cli, worker)
    worker.kill()
    worker.communicate(timeout=20)
    wait_until(lambda: cli.json("worker", "list")[0]["state"] == "dead")
    assert f"{name}  dead; take it off the list: queuectl worker stop {name}" in cli("status").stdout
    assert "SLOTS" not in cli("worker", "list").stdout
    assert cli("worker", "stop").stderr == "No workers to stop.\n"
    assert cli("worker", "stop", name).stdout == f"{name} was dead; it is off the list now\n"
    assert cli.json("worker", "list") == []
    (stopped,) = cli.json("events", "--type", "worker_stopped")
    assert (stopped["data"]["cause"], stopped["actor"] == name) == ("found gone", False)


def test_dead_worker_that_ran_a_job(cli: CommandLine) -> None:
    """A dead worker whose job is still on its lease stays until that is taken back, and stop says so."""
    gate = cli.db.parent / "gate"
    cli("enqueue", "a", f"until [ -e {gate} ]; do sleep 0.05; done")
    worker = cli.spawn("worker", "start")
    name = started(cli, worker)
    wait_until(lambda: cli.json("worker", "list")[0]["running"] == ["a"])
    worker.kill()
    worker.communicate(timeout=20)
    wait_until(lambda: cli.json("worker", "list")[0]["state"] == "dead")
    assert f"{name}  dead; the next worker takes over 1 job of it" in cli("status").stdout
    assert "the next worker takes over the jobs it ran" in cli("worker", "stop", name, "--wait").stdout
    assert len(cli.json("worker", "list")) == 1
    gate.touch()


def test_a_lease_that_would_flood_the_log_is_refused(cli: CommandLine) -> None:
    """A lease has the same shortest length on the command line as in the configuration."""
    assert "from 1 to 86400" in cli("worker", "start", "--lease", "0.01", code=2).stderr
