"""A queue whose very first creation was cut short, at whatever byte, is made anew by the next command."""

import os
from pathlib import Path

import lmdb
import pytest

from queuectl import Queue
from queuectl.errors import StoreError
from tests.lives import completed


@pytest.fixture
def first(tmp_path: Path) -> bytes:
    """Give what a new data file has before its first commit."""
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
