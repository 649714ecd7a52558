"""What a verb costs before it works: only what it needs is loaded, and who only reads waits for nobody."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import queuectl
from queuectl.core.job_request import JobRequest
from queuectl.errors import StoreError
from queuectl.liveness.guardian import START
from queuectl.queue import Queue
from queuectl.store.store import Store
from tests.cli.conftest import CommandLine

HEAVY = {
    *("asyncio", "dataclasses", "logging", "random", "rich", "socket", "subprocess", "tempfile", "textual"),
    *("queuectl.liveness.orphans", "queuectl.engine.exchange", "queuectl.engine.recovery", "queuectl.worker"),
    *("queuectl.engine.leaving_streams", "queuectl.api.lease_holder", "queuectl.api.admin", "queuectl.api.dlq"),
    *("getpass", "locale", "queuectl.outputs.storage"),
}
"""Each takes Python 1 to 30 ms to load, of the 40 that a verb takes beyond `import click`."""

FOR_WRITING = {"hashlib", "queuectl.engine.unit_of_work", "queuectl.events.hash_chain", "queuectl.store.event_writer"}
FOR_READING = {"queuectl.api.log", "queuectl.cli.output.advice", "queuectl.core.results", "queuectl.queries"}

MOST = 141
"""Modules of ours that a verb loads; each takes some 0.1 ms beside what is in it."""

LOADED = """
import os, sys
end = os._exit
os._exit = lambda code: (os.write(2, " ".join(sys.modules).encode()), end(code))
from queuectl.cli.main import main
sys.argv[0] = "queuectl"
main()
"""


def loaded_by(cli: CommandLine, *words: str) -> set[str]:
    """Return the modules that a verb has loaded by its end."""
    command = [sys.executable, "-c", LOADED, "--db", str(cli.db), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [["enqueue", "--id", "b", "--command", "true"], ["status"], ["list"]], ids=" ".join)
def test_a_verb_loads_only_what_it_needs(cli: CommandLine, words: list[str]) -> None:
    """Modules that these verbs do not use are not loaded by them."""
    cli("enqueue", "a", "true")
    loaded = loaded_by(cli, *words)
    assert "queuectl.queue" in loaded
    assert loaded & (HEAVY | (FOR_READING if words[0] == "enqueue" else FOR_WRITING)) == set()
    assert len([name for name in loaded if name.startswith("queuectl.")]) <= MOST


def test_a_guardian_is_small() -> None:
    """Each worker starts one: what it does not need would delay that worker's first jobs."""
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        START.replace("main()", "print(*sys.modules)"),
        str(Path(queuectl.__file__).parents[1]),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    loaded = set(done.stdout.split())
    assert "queuectl.liveness.orphans" in loaded
    assert loaded & {*HEAVY - {"queuectl.liveness.orphans"}, "pathlib", "queuectl.queue", "urllib.parse"} == set()


def test_a_worker_without_a_manager_loads_no_sockets(cli: CommandLine) -> None:
    """A worker that no service manager started imports what speaks with one, and no sockets for it."""
    loaded = loaded_by(cli, "worker", "start", "--drain")
    assert "queuectl.worker.systemd" in loaded
    assert "socket" not in loaded


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["list"],
        ["show", "a"],
        ["history", "a"],
        ["history", "--tree", "a"],
        ["subscriptions"],
        ["events"],
        ["dlq", "list"],
        ["worker", "list"],
        ["config", "get"],
        ["logs", "a"],
        ["wait", "a"],
    ],
    ids=" ".join,
)
def test_reading_waits_for_no_writer(cli: CommandLine, words: list[str]) -> None:
    """While another process is inside a write transaction, verbs that only read answer."""
    cli("enqueue", "a", "true")
    cli.complete("a")
    with Store.open(cli.db, create=False) as store, store.write():
        done = cli.process(*words)
    assert done.returncode == 0, done.stderr


def test_reading_makes_no_store(cli: CommandLine) -> None:
    """A store into which nobody wrote yet is no queue to who only reads, and stays as it is; who writes makes it."""
    cli.db.mkdir(mode=0o700)
    (cli.db / "data.mdb").touch()
    assert "no queue at" in cli("status", code=1).stderr
    assert (cli.db / "data.mdb").stat().st_size == 0
    cli("enqueue", "a", "true")
    assert cli.json("status")["jobs"]["pending"] == 1


def test_what_was_opened_to_be_read_is_not_written(cli: CommandLine) -> None:
    """A read-only queue reads, refuses each change with what to do, and loses nothing."""
    cli("enqueue", "a", "true")
    with Queue.open(cli.db, read_only=True) as queue:
        with pytest.raises(StoreError, match="opened read-only; open it for writing"):
            queue.enqueue("true")
        assert [job.id for job in queue.jobs()] == ["a"]


def test_nothing_printed_is_lost_at_the_end(cli: CommandLine) -> None:
    """The process ends at once, but what it printed into a pipe is all there, with its exit code."""
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true")] * 3000)
    done = cli.process("list", "--limit", "0", "--json")
    assert (done.returncode, len(json.loads(done.stdout))) == (0, 3000)
    assert cli.process("show", "missing").returncode == 1
