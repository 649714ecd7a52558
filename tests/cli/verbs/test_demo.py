"""demo: the tour in a temporary queue, from an installed package, with nothing left behind."""

import os
import shutil
from pathlib import Path

import pytest

from queuectl.cli.demo import LINES
from queuectl.queue import Queue
from tests.cli.conftest import CommandLine


@pytest.fixture
def place(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory in which temporary ones are made."""
    found = tmp_path / "tmp"
    found.mkdir()
    monkeypatch.setenv("TMPDIR", str(found))
    monkeypatch.setenv("QUEUECTL_MAX_RETRIES", "9")
    return found


def test_it_shows_each_command_and_what_comes_of_it(cli: CommandLine, place: Path) -> None:
    """Every command stands before what it prints, and the queue is gone afterwards; yours is not touched."""
    done = cli.process("demo")
    assert (done.returncode, list(place.iterdir()), cli.db.exists()) == (0, [], False)
    shown = [row.removeprefix("$ ") for row in done.stdout.splitlines() if row.startswith("$ ")]
    assert shown == list(LINES)
    assert '$ queuectl enqueue hello "echo Hello World"\nEnqueued hello\n' in done.stdout
    assert "flaky: attempt 1 of 4 failed" in done.stdout  # as in the README, whatever is set here
    assert "broken  dead (1)" in done.stdout
    assert "no differences" in done.stdout
    assert "This queue is gone" in done.stderr


@pytest.mark.slow
def test_with_keep_the_queue_stays(cli: CommandLine, place: Path, tmp_path: Path) -> None:
    """With --keep the queue stays, and it is said where; no tools are needed but those of a system."""
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in ("seq", "wc", "cp", "sh", "touch"):
        (bare / program).symlink_to(shutil.which(program) or "")
    done = cli.process("demo", "--keep", env={**os.environ, "PATH": str(bare)}, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (kept,) = place.iterdir()
    assert f"export QUEUECTL_DB={kept}/queue" in done.stderr
    with Queue.open(kept / "queue") as queue:
        assert queue.job("flaky").attempts == 2


def test_a_reader_that_leaves(cli: CommandLine, place: Path) -> None:
    """A demo into a pipe that closes leaves nothing either."""
    with cli.spawn("demo") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) in (0, 1)
    assert list(place.iterdir()) == []


def test_a_bare_queuectl_tells_in_ten_lines_what_to_type(cli: CommandLine) -> None:
    """Whoever types the name alone on a new machine sees no more than ten lines, with what to type."""
    rows = cli().stdout.splitlines()
    assert len(rows) <= 10
    assert [row.split()[1] for row in rows if row.startswith("  queuectl")] == ["enqueue", "worker", "logs"]
    assert "queuectl demo" in "\n".join(rows)
