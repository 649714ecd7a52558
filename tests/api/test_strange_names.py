"""Files that are not a queue's own, under names that nobody would choose, in its directories: nothing stops at one."""

import io
import os
from pathlib import Path

import pytest

from queuectl import NoQueue, Queue, StoreError
from queuectl.integrity.doctor import examine
from queuectl.liveness import lock_file
from queuectl.worker import start_worker
from tests.lives import completed, state_of

NAMES = (b"w\xff", b"1-\xff", b"\x1b[31m\n", b"", "\u0663-\u0661".encode(), b"9" * 40 + b"-1", b"notes (1)")
SUFFIXES = (b"", b".lock", b".fifo", b".new", b".snapshot", b".seg", b".partial")
DIRECTORIES = ("workers", "doorbells", "snapshots", "archive", "outputs", "outputs/000000", "logs", "replaced")


def strew(path: Path) -> None:
    """Put a file of every strange name into every directory, and a directory of some names."""
    for directory in DIRECTORIES:
        (path / directory).mkdir(mode=0o700, exist_ok=True)
        for name in NAMES:
            (path / directory / f".making-{os.fsdecode(name)}").mkdir()
            for suffix in SUFFIXES:
                if name + suffix:
                    (path / directory / os.fsdecode(name + suffix)).touch()


def test_a_worker_works_beside_them(queue: Queue) -> None:
    """A worker, who looks for others' lock files and bells, runs its jobs to their end; what is no id is no worker."""
    queue.enqueue("head -c 100000 /dev/zero", id="a")
    strew(queue.path)
    assert start_worker(queue, drain=True, report=len) == 0
    assert state_of(queue, "a") == "completed"
    assert all(each.isprintable() for each in lock_file.workers(queue.path))


def test_those_who_look_and_tidy_up_pass_them_by(queue: Queue) -> None:
    """Retention, snapshots, verify and doctor do what they are for."""
    completed(queue, "a")
    strew(queue.path)
    assert queue.admin.compact(older_than_s=0).jobs == 1
    queue.admin.make_snapshots()
    assert len(queue.admin.snapshots()) == 1
    assert queue.admin.verify().is_sound
    assert "leftovers" in [each.check for each in examine(queue.path) if each.state == "warning"]


def test_a_backup_leaves_them_out_and_can_be_restored(queue: Queue, tmp_path: Path) -> None:
    """A backup holds what is the queue's own, so that restore takes it."""
    completed(queue, "a")
    queue.admin.compact(older_than_s=0)
    queue.enqueue("true", id="b")
    strew(queue.path)
    queue.admin.backup(tmp_path / "b")
    Queue.restore(tmp_path / "b", tmp_path / "other")
    assert len(list((tmp_path / "other" / "archive").iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("jobs \u00e9.jsonl", "cannot import jobs \u00e9.jsonl: the file is empty"),
        ("\x1b[2J", r"cannot import '\x1b[2J': the file is empty"),
        ("\0", r"cannot import '\x00': the file is empty"),
        ("\ud800", r"cannot import '\ud800': the file is empty"),
        ("n" * 100_000, f"cannot import '{'n' * 99}... (100,002 characters): the file is empty"),
    ],
    ids=["plain", "escape", "nul", "surrogate", "long"],
)
def test_an_import_is_told_by_a_name_that_commands_nothing(tmp_path: Path, name: str, told: str) -> None:
    """Escaped and cut in the error; a plain one is told as it is."""
    with pytest.raises(StoreError) as raised:
        Queue.import_export(io.BytesIO(), tmp_path / "q", name=name)
    assert raised.value.message.startswith(told)


@pytest.mark.parametrize(("name", "told"), [("a\nc", r"a\nc"), ("\x1b[2J", r"\x1b[2J"), ("w\udcff", r"w\xff")])
def test_a_path_is_told_in_one_line(tmp_path: Path, name: str, told: str) -> None:
    """An error about a directory of a strange name has nothing in it that could command a terminal."""
    with pytest.raises(NoQueue) as raised:
        Queue.open(tmp_path / name, create=False)
    assert raised.value.message == f"no queue at {tmp_path}/{told}"
    assert str(raised.value).isprintable()
    assert raised.value.path == str(tmp_path / name)
