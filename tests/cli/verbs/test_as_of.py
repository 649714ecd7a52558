"""Verbs with --as-of, `snapshot`, and `replay --until --into`: the past, as typed."""

import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from queuectl.cli.input.param_types import now_us
from queuectl.core.job_request import JobRequest
from queuectl.core.times import time_json
from tests.cli.conftest import CommandLine
from tests.waiting import wait_until


@pytest.fixture
def past(cli: CommandLine) -> tuple[CommandLine, int]:
    """Return a queue where a died and b waited, and the position then; both are gone now."""
    cli("enqueue", "a", "false", "--max-retries", "0")
    cli.kill("a")
    cli("enqueue", "b", "echo hi")
    position = cli.json("status")["head"]
    cli("dlq", "purge", "--all")
    cli.complete("b")
    cli("clear")
    return cli, position


def test_each_verb_shows_what_was(past: tuple[CommandLine, int]) -> None:
    """status, list, show and dlq list answer as of a position, for people and in JSON."""
    cli, position = past
    words = ("--as-of", str(position))
    status = cli.json("status", *words)
    assert (status["head"], status["jobs"]["dead"], status["jobs"]["pending"]) == (position, 1, 1)
    assert [job["id"] for job in cli.json("list", *words)] == ["b", "a"]
    assert [job["id"] for job in cli.json("list", "--state", "pending", *words)] == ["b"]
    assert cli.json("show", "a", *words)["state"] == "dead"
    assert [job["id"] for job in cli.json("dlq", "list", *words)] == ["a"]
    assert "as it was at" in cli("status", *words).stdout
    assert "dead (1)" in cli("dlq", "list", *words).stdout
    assert cli.json("list") == []
    assert "was removed" in cli("show", "a", code=1).stderr
    assert "no job 'b'" in cli("show", "b", "--as-of", "1", code=1).stderr


def test_a_time_as_people_write_it_will_do(cli: CommandLine) -> None:
    """--as-of takes a time, absolute or from now."""
    cli("enqueue", "a", "true")
    then = time_json(now_us())
    assert then is not None
    cli("cancel", "a")
    assert cli.json("show", "a", "--as-of", then)["state"] == "pending"
    assert cli.json("show", "a", "--as-of", "0s ago")["state"] == "cancelled"
    assert cli.json("status", "--as-of", "now")["jobs"]["cancelled"] == 1


@pytest.mark.parametrize(
    ("moment", "told", "code"),
    [("0", "one from 1 to 1", 2), ("2", "one from 1 to 1", 1), ("5m ago", "when the log begins", 2),
     ("in 2h", "a time that has passed", 1), ("-1", "a time from 1970", 2), ("soon", "2026-01-01T10:00, 17:30", 2),
     ("\u0662", "a time from 1970", 2),
     ("\x1b[31m", "\\x1b", 2)],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["status", "list", "show", "dlq list"])
def test_a_moment_that_cannot_be_told_is_refused(
    cli: CommandLine, verb: str, moment: str, told: str, code: int
) -> None:
    """In one line, with what would be taken; what no queue will ever be able to tell is no value at all."""
    cli("enqueue", "a", "true")
    done = cli(*verb.split(), *(["a"] if verb == "show" else []), f"--as-of={moment}", code=code)
    assert done.stderr.startswith("Error: as-of: found ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("moment", ["0", "99999", "5m ago", "in 2h", "-1", "soon"])
def test_a_second_queue_of_no_moment_is_refused_by_the_option_that_was_typed(
    cli: CommandLine, tmp_path: Path, moment: str
) -> None:
    """replay names --until, whatever is wrong with it, and makes nothing."""
    cli("enqueue", "a", "true")
    done = cli("replay", f"--until={moment}", "--into", str(tmp_path / "second"), code=None)
    assert done.stderr.startswith("Error: until: found ")
    assert not (tmp_path / "second").exists()


def test_what_does_not_go_together_is_refused(cli: CommandLine, tmp_path: Path) -> None:
    """The past is not watched; a second queue needs a moment and a place."""
    cli("enqueue", "a", "true")
    assert "--watch or --as-of" in cli("status", "--watch", "--as-of", "1", code=2).stderr
    for words in (["--until", "1"], ["--into", "x"], ["--check", "--until", "1", "--into", "x"]):
        assert "go together" in cli("replay", *words, code=2).stderr


def test_snapshots_by_hand(cli: CommandLine) -> None:
    """They are made, listed and deleted, and what --as-of says is the same with and without."""
    cli("config", "set", "snapshot_events", "4")
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true", f"job{n}") for n in range(10)])
    before = cli.json("list", "--as-of", "7")
    assert cli.json("snapshot", "--due") == {"made": [4, 8]}
    assert cli.json("snapshot") == {"made": [11]}
    assert cli("snapshot").stdout == "Made 0 snapshots\n"
    found = cli.json("snapshot", "list")
    assert [each["position"] for each in found] == [4, 8, 11]
    assert set(found[0]) == {"position", "time", "digest", "sha256", "bytes"}
    assert cli("snapshot", "list").stdout.split()[:3] == ["POS", "TIME", "SIZE"]
    assert cli.json("list", "--as-of", "7") == before
    assert "--all" in cli("snapshot", "delete", code=2).stderr
    assert cli("snapshot", "delete", "--all").stdout == "Deleted 3 snapshots\n"
    assert "No snapshots" in cli("snapshot", "list").stderr
    assert cli.json("list", "--as-of", "7") == before


def test_a_worker_has_them_made(cli: CommandLine) -> None:
    """While a worker works, snapshots appear as the log grows, and its maker is no child that anybody waits for."""
    cli("config", "set", "snapshot_events", "20")
    with cli.queue() as queue:
        queue.enqueue_many([JobRequest("true")] * 30)
    worker = cli.spawn("worker", "start")
    try:
        assert wait_until(lambda: len(cli.json("snapshot", "list")) >= 1)
    finally:
        worker.send_signal(signal.SIGTERM)
        _, told = worker.communicate(timeout=20)
    assert (worker.returncode, told) == (0, "")


def test_a_second_queue(past: tuple[CommandLine, int], tmp_path: Path) -> None:
    """It is the queue of then, under another directory; the first is untouched, and a taken name is refused."""
    cli, position = past
    done = cli.json("replay", "--until", str(position), "--into", str(tmp_path / "then"))
    assert (done["path"], done["position"], done["outputs_gone"]) == (str(tmp_path / "then"), position, 0)
    then = CommandLine(tmp_path / "then")
    assert [job["id"] for job in then.json("list")] == ["b", "a"]
    assert then.json("status")["head"] == position
    then.drain()
    assert then.json("show", "b")["state"] == "completed"
    refused = cli("replay", "--until", "1", "--into", str(tmp_path / "then"), code=1)
    assert "is there already" in refused.stderr


def _is_ours(begun: "subprocess.Popen[str]") -> bool:
    """Whether a process has come to modules of queuectl: before that a signal is Python's, or the kernel's."""
    return begun.poll() is not None or b"msgspec" in Path(f"/proc/{begun.pid}/maps").read_bytes()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("words", [("status", "--as-of", "60000"), ("replay", "--until", "60000", "--into", "then")])
def test_ctrl_c_leaves_nothing(cli: CommandLine, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Interrupted at any point it ends with 130, and neither a scratch directory nor half a queue stays."""
    with cli.queue() as queue:
        for _ in range(6):
            queue.enqueue_many([JobRequest("true")] * 10_000)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for wait_s in (0.0, 0.2, 0.5, 0.9):
        begun = cli.spawn(*words, cwd=tmp_path, env=os.environ | {"TMPDIR": str(scratch)})
        wait_until(partial(_is_ours, begun))
        time.sleep(wait_s)  # any moment will do
        begun.send_signal(signal.SIGINT)
        begun.communicate(timeout=20)
        assert begun.returncode in (0, 130)
        left = {path.name for path in tmp_path.iterdir()} - {"q", "scratch"}
        assert left == ({"then"} if begun.returncode == 0 and "replay" in words else set())
        assert list(scratch.iterdir()) == []
        if begun.returncode == 0:
            return
