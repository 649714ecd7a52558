"""Ctrl-C on a real terminal, at any verb and any moment: the terminal is as before, and the store whole."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

import pytest

from queuectl import Queue
from queuectl.core.job_request import JobRequest
from queuectl.store.store import REPLAY_LOCK, Store
from tests.processes import is_asleep
from tests.waiting import wait_until

from .conftest import CommandLine
from .tty import INTERRUPT, Terminal

INTERRUPTED = 130
TERMINATED = 143
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


def is_sane(terminal: Terminal) -> bool:
    """Return whether a terminal echoes and reads lines as before, and shows its cursor."""
    return terminal.attributes() == terminal.before and terminal.sent.rfind(SHOW) >= terminal.sent.rfind(HIDE)


def is_whole(cli: CommandLine) -> bool:
    """Return whether every view is what the log says."""
    return cli.process("replay", "--check").returncode == 0


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("status --watch", "no workers"),
        ("events --follow", "enqueued"),
        ("wait j", None),
        ("logs j --follow", None),
        ("run --wait true", "No running worker serves"),
        ("enqueue --file - --lines", None),
    ],
)
def test_ctrl_c_ends_a_verb_that_waits_at_once(cli: CommandLine, words: str, moment: str | None) -> None:
    """A verb that waits ends at once with 130 and without a traceback."""
    cli("enqueue", "j", "true")
    with Terminal(cli.words(*words.split())) as terminal:
        if moment:
            terminal.expect(moment)
        terminal.until_idle()
        terminal.type(INTERRUPT)
        assert terminal.end() == INTERRUPTED
        assert "Traceback" not in terminal.shown
        assert is_sane(terminal)
    assert is_whole(cli)


def test_a_half_typed_file(cli: CommandLine) -> None:
    """Of jobs that are typed in and then broken off, none is enqueued."""
    cli("enqueue", "j", "true")
    with Terminal(cli.words("enqueue", "--file", "-", "--lines")) as terminal:
        terminal.type("echo one\n")
        terminal.expect("echo one\r\n")
        terminal.until_idle()
        terminal.type(INTERRUPT)
        assert terminal.end() == INTERRUPTED
        assert is_sane(terminal)
    assert [job["id"] for job in cli.json("list")] == ["j"]


def test_a_worker(cli: CommandLine, tmp_path: Path) -> None:
    """A worker finishes what it runs and ends with 0; its job is not started twice."""
    cli("enqueue", "j", f"touch {tmp_path}/up; sleep 0.3")
    with Terminal(cli.words("worker", "start")) as terminal:
        wait_until((tmp_path / "up").exists)
        terminal.type(INTERRUPT)
        assert terminal.end() == 0
        assert is_sane(terminal)
    assert cli.json("show", "j")["state"] == "completed"


@pytest.mark.slow
def test_during_a_progress_bar(cli: CommandLine, tmp_path: Path) -> None:
    """A bulk enqueue that is broken off says how many are in, which are whole chunks, and shows the cursor again."""
    file = tmp_path / "jobs"
    file.write_text("true\n" * 200_000)
    with Terminal(cli.words("enqueue", "--file", str(file), "--lines")) as terminal:
        terminal.expect("0,000/200,000")
        terminal.type(INTERRUPT)
        assert terminal.end() == INTERRUPTED
        assert "Interrupted: " in terminal.shown
        assert HIDE in terminal.sent
        assert is_sane(terminal)
    pending = cli.json("status")["jobs"]["pending"]
    assert pending % 10_000 == 0
    assert pending > 0
    assert is_whole(cli)


@pytest.mark.slow
def test_during_a_replay(cli: CommandLine) -> None:
    """A replay that is broken off leaves the views as they were."""
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true")] * 60_000)
    with Terminal(cli.words("replay")) as terminal:
        terminal.expect("Replaying")
        terminal.type(INTERRUPT)
        assert terminal.end() in (INTERRUPTED, 0)
        assert is_sane(terminal)
    assert cli.json("status")["jobs"]["pending"] == 60_000
    assert is_whole(cli)


def test_pressed_at_once(cli: CommandLine) -> None:
    """Ctrl-C while the program is still starting ends it as at any other time, with no more than its own word."""
    with Terminal(cli.words("events", "--follow")) as terminal:
        terminal.type(INTERRUPT)
        assert terminal.end() in (INTERRUPTED, -2, 1)  # -2: before Python itself heeds it; 1: there is no queue
        assert "queuectl/cli" not in terminal.shown


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "moment", ["$ queuectl enqueue hello", "worker start --count 2 --drain", "attempt 1 of 2 failed"]
)
def test_ctrl_c_ends_the_demo_and_leaves_nothing(cli: CommandLine, tmp_path: Path, moment: str) -> None:
    """The demo ends where it is, and leaves nothing."""
    place = tmp_path / "tmp"
    place.mkdir()
    with Terminal(cli.words("demo"), {"TMPDIR": str(place)}) as terminal:
        terminal.expect(moment)
        terminal.type(INTERRUPT)
        assert terminal.end() == INTERRUPTED
        assert "Traceback" not in terminal.shown
        assert is_sane(terminal)
    assert list(place.iterdir()) == []


def test_demo_terminated(cli: CommandLine, tmp_path: Path) -> None:
    """A demo that is asked to end by SIGTERM leaves nothing either."""
    place = tmp_path / "tmp"
    place.mkdir()
    with Terminal(cli.words("demo"), {"TMPDIR": str(place)}) as terminal:
        terminal.expect("worker start")
        subprocess.run(["kill", str(terminal.process.pid)], check=True)
        assert terminal.end() == INTERRUPTED
    assert list(place.iterdir()) == []


ENDS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
def test_the_making_of_older_views(cli: CommandLine, end: signal.Signals) -> None:
    """A verb that only reads, broken off while it brings the views up to date, says so; the next one does it anew."""
    cli("enqueue", "a", "true")
    with Store.open(cli.db, create=False) as store:
        with store.write() as txn:
            txn.put("meta", b"views", b"1")
        with store.sole(REPLAY_LOCK):  # which that waits for
            process = cli.spawn("list")
            wait_until(lambda: is_open(process, cli.db / REPLAY_LOCK))
            process.send_signal(end)
            out, errors = process.communicate(timeout=20)
    assert (process.returncode, out) == (ENDS[end], "")
    assert errors.startswith(
        "Interrupted: 0 events of the views of an older release made anew; the store is as it was; "
    )
    assert errors.count("\n") == 1
    assert [job["id"] for job in cli.jobs()] == ["a"]
    assert is_whole(cli)


def is_open(process: "subprocess.Popen[str]", file: Path) -> bool:
    """Whether a process has a file open."""
    found = []
    for each in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(each.readlink())
    return file in found


@pytest.mark.parametrize("words", ["replay", "backup FILE", "export FILE", "migrate"])
def test_term_in_long_work(cli: CommandLine, tmp_path: Path, words: str) -> None:
    """SIGTERM ends long work as Ctrl-C does, with a line and soon, also where there is no terminal."""
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true")] * 100_000)
    with Store.open(cli.db, create=False) as store, store.write() as txn:
        if words == "migrate":
            txn.put("meta", b"views", b"1")
    process = cli.spawn(*words.replace("FILE", str(tmp_path / "file")).split())
    wait_until(lambda: is_at_work(process, cli.db) or is_open(process, cli.db / REPLAY_LOCK))
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=2)
    assert (process.returncode, out) == (TERMINATED, "")
    assert errors.startswith("Interrupted: ")
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["q"]
    assert cli.json("status")["jobs"]["pending"] == 100_000


@pytest.mark.sampled(1)
@pytest.mark.parametrize("on_terminal", [False, True])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("backup FILE", "no backup; FILE was not made; type it again"),
        ("export FILE", "exported, not all; FILE was not made; type it again"),
        ("verify --checkpoint FILE", "nothing is known of the rest, and no checkpoint was written; type it again"),
    ],
    ids=["backup", "export", "verify"],
)
def test_long_work(cli: CommandLine, tmp_path: Path, words: str, told: str, on_terminal: bool) -> None:
    """Work that is broken off says in one line what there is of it and what to do, and leaves nothing half done."""
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true")] * 100_000)
    typed = cli.words(*words.replace("FILE", str(tmp_path / "file")).split())
    if on_terminal:
        with Terminal(typed) as terminal:
            terminal.expect("/")  # of how much so much is done
            terminal.type(INTERRUPT)
            assert terminal.end() == INTERRUPTED
            assert is_sane(terminal)
            assert "Interrupted: " in terminal.shown
            assert "Traceback" not in terminal.shown
    else:
        process = subprocess.Popen(typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: is_at_work(process, cli.db))
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=20)
        assert (process.returncode, out) == (INTERRUPTED, "")
        assert errors.startswith("Interrupted: ")
        assert told.replace("FILE", str(tmp_path / "file")) in errors
        assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["q"]


def is_at_work(process: "subprocess.Popen[str]", db: Path) -> bool:
    """Whether a process has begun to write a file beside the queue, or has another process that looks at the queue."""
    place = Path(f"/proc/{process.pid}")
    for each in (place / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            written = each.readlink()
            if written.is_relative_to(db.parent) and not written.is_relative_to(db):
                return True
    return bool((place / f"task/{process.pid}/children").read_text())


def test_a_file_into_a_pipe(cli: CommandLine) -> None:
    """Of a file that is broken off while it is read nothing is enqueued, and one line says so without a terminal."""
    process = cli.spawn("enqueue", "--lines", "--file", "-", stdin=subprocess.PIPE)
    wait_until(lambda: cli.is_made() and is_asleep(process.pid))  # it reads: before that there is nothing to tell of
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=20)
    assert (process.returncode, out) == (INTERRUPTED, "")
    assert errors == "Interrupted: 0 jobs read, and none is enqueued; type it again\n"
    assert cli.jobs() == []


@pytest.mark.parametrize(("call", "chunks"), [("put", 0), ("commit", 1), ("flock", 1)])
def test_a_bulk_counts_what_is_in(tmp_path: Path, call: str, chunks: int) -> None:
    """Ctrl-C before the commit, right behind it, or before the word of it: a chunk that is in counts as done."""
    told: list[int] = []

    def interrupt(frame: FrameType, event: str, called: object) -> None:
        is_in_store = frame.f_globals["__name__"] in ("queuectl.store.store", "queuectl.store.transaction")
        if event == "c_return" and is_in_store and getattr(called, "__name__", "") == call:
            sys.setprofile(None)
            raise KeyboardInterrupt

    with Queue.open(tmp_path / "q") as queue:
        sys.setprofile(interrupt)
        try:
            with pytest.raises(KeyboardInterrupt):
                queue.enqueue_many([JobRequest("true")] * 11_000, progress=told.append)
        finally:
            sys.setprofile(None)
        assert told == [10_000] * chunks
        assert queue.status().jobs["pending"] == 10_000 * chunks
