"""A queue whose very first creation was cut short, at whatever byte, is made anew by the next command."""

import os
from pathlib import Path

import lmdb
import pytest

from queuectl import NoQueue, Queue
from queuectl.errors import LogLost, NotAQueue, StoreError
from queuectl.integrity.doctor import examine
from queuectl.integrity.verify import verify
from queuectl.projections.upgrade import needed
from tests.lives import completed


@pytest.fixture
def first(tmp_path: Path) -> bytes:
    """Return what a new data file has before its first commit."""
    (tmp_path / "new").mkdir()
    lmdb.open(str(tmp_path / "new"), lib_version=0).close()
    return (tmp_path / "new" / "data.mdb").read_bytes()


def test_every_prefix_of_a_new_data_file_is_made_anew(first: bytes, tmp_path: Path) -> None:
    """Cut anywhere, or with its second half not on the disk yet, it becomes a queue; so does an empty directory."""
    page = os.sysconf("SC_PAGE_SIZE")
    cuts = [first[:size] for size in [*range(0, 170, 7), page - 1, page, page + 1, page + 20, page + 160, len(first)]]
    cuts += [bytes(len(first)), first[:page] + bytes(page), bytes(page) + first[page:]]
    for number, content in enumerate(cuts):
        path = tmp_path / f"q{number}"
        path.mkdir()
        (path / "data.mdb").write_bytes(content)
        (path / "open.lock").touch()
        with Queue.open(path) as queue:
            queue.enqueue("true", id="a")
            assert queue.status().queues


def test_locks_alone_are_no_queue_yet(tmp_path: Path) -> None:
    """A directory with lock files and no data file is made a queue by whoever may make one."""
    for name in ("open.lock", "lock.mdb"):
        (tmp_path / name).touch()
    with pytest.raises(StoreError, match="no queue at"):
        Queue.open(tmp_path, create=False)
    with Queue.open(tmp_path) as queue:
        assert queue.enqueue("true", id="a").id == "a"


def test_what_is_left_of_a_queue_that_lived_is_not_made_anew(tmp_path: Path) -> None:
    """A data file cut to its first pages is refused where it, or what lies beside it, tells of more."""
    with Queue.open(tmp_path / "q") as queue:
        completed(queue, "a")
    data = tmp_path / "q" / "data.mdb"
    content = data.read_bytes()
    for size in (200, 4096, 4300, 8192):
        data.write_bytes(content[:size])
        with pytest.raises(StoreError):
            Queue.open(tmp_path / "q")
        assert data.read_bytes() == content[:size]
    (tmp_path / "q" / "outputs").mkdir()
    data.write_bytes(content[:100])
    with pytest.raises(StoreError):
        Queue.open(tmp_path / "q")
    assert data.read_bytes() == content[:100]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("sign", ["outputs", "workers", "doorbells", "archive", "snapshots", "logs", "replaced"])
@pytest.mark.parametrize("size", ["none", "first pages"])
def test_a_lost_queue_is_not_made_anew(first: bytes, tmp_path: Path, sign: str, size: str) -> None:
    """A data file that holds nothing is refused by all who would use it, and left, where a queue worked beside it."""
    (tmp_path / "q" / sign).mkdir(parents=True)
    data, content = tmp_path / "q" / "data.mdb", b"" if size == "none" else first
    data.write_bytes(content)
    for create, read_only in ((True, False), (False, False), (False, True)):
        with pytest.raises(StoreError, match=f"data.mdb is empty, and {sign} beside it.*queuectl restore FILE --force"):
            Queue.open(tmp_path / "q", create=create, read_only=read_only)
    with pytest.raises(StoreError, match="its data"):
        needed(tmp_path / "q")
    [found] = [each for each in examine(tmp_path / "q") if each.check == "open"]
    assert (found.state, "data.mdb is empty" in found.found) == ("problem", True)
    assert data.read_bytes() == content


@pytest.mark.parametrize("sign", ["outputs", "workers", "archive", None])
def test_a_data_file_that_is_none_is_damage_where_a_queue_worked_beside_it(tmp_path: Path, sign: str | None) -> None:
    """A backup is the way out there, and another directory where nothing says that it was a queue's."""
    Queue.open(tmp_path / "q").close()
    if sign:
        (tmp_path / "q" / sign).mkdir(exist_ok=True)
    data = tmp_path / "q" / "data.mdb"
    with data.open("r+b") as file:
        file.write(b"\xa5" * 8192)
    content = data.read_bytes()
    kind, way_out = (LogLost, "restore a backup (`queuectl restore FILE --force`)") if sign else (NotAQueue, "--db")
    for create, read_only in ((True, False), (False, False), (False, True)):
        with pytest.raises(kind) as raised:
            Queue.open(tmp_path / "q", create=create, read_only=read_only)
        assert "is not a sound LMDB file" in raised.value.message
        assert way_out in raised.value.hint
    [found] = [each for each in examine(tmp_path / "q") if each.check == "open"]
    assert (found.state, found.do) == ("problem", "queuectl restore FILE --force" if sign else "queuectl restore FILE")
    assert data.read_bytes() == content


def test_a_queue_whose_data_file_is_none_is_restored_over_it(tmp_path: Path) -> None:
    """What the error says to type brings it back."""
    with Queue.open(tmp_path / "q") as queue:
        completed(queue, "a")
        queue.admin.backup(tmp_path / "backup")
    (tmp_path / "q" / "workers").mkdir(exist_ok=True)
    (tmp_path / "q" / "data.mdb").write_bytes(b"\xa5" * 65536)
    Queue.restore(tmp_path / "backup", tmp_path / "q", force=True)
    with Queue.open(tmp_path / "q", create=False) as queue:
        assert queue.job("a").state == "completed"


@pytest.mark.parametrize("size", ["none", "first pages"])
def test_who_only_reads_makes_no_queue(first: bytes, tmp_path: Path, size: str) -> None:
    """Where a creation was cut short there is no queue for whoever makes none, and nothing is written."""
    content = b"" if size == "none" else first
    path = tmp_path / "q"
    path.mkdir()
    (path / "data.mdb").write_bytes(content)
    for create, read_only in ((False, True), (True, True), (False, False)):
        with pytest.raises(NoQueue):
            Queue.open(path, create=create, read_only=read_only)
    assert [each.name for each in path.iterdir()] == ["data.mdb"]
    assert (path / "data.mdb").read_bytes() == content


def test_an_archive_beside_a_log_that_does_not_reach_as_far(tmp_path: Path) -> None:
    """A log that ends before what was archived from it is a problem: it was lost, and another begun in its place."""
    with Queue.open(tmp_path / "q") as queue:
        completed(queue, "a")
        queue.admin.compact(older_than_s=0)
        queue.enqueue("true", id="b")
        assert queue.admin.verify(log_only=True).is_sound
    (tmp_path / "q" / "archive").rename(tmp_path / "aside")
    for name in ("data.mdb", "lock.mdb"):
        (tmp_path / "q" / name).unlink()
    with Queue.open(tmp_path / "q") as queue:
        assert queue.admin.verify().is_sound
        (tmp_path / "aside").rename(tmp_path / "q" / "archive")
        [found] = queue.admin.verify().problems
    assert (found.part, "it ends at position 0, and the archive segment" in found.what) == ("log", True)
    assert verify(tmp_path / "q", log_only=True).problem_count == 1
