"""Stores of other releases: tables that are missing, views laid out otherwise."""

from pathlib import Path

import lmdb
import pytest

from queuectl import Queue
from queuectl.errors import NewerFormat
from queuectl.projections.layout import VIEWS_VERSION
from queuectl.store.store import Store


def test_a_table_that_a_release_added_is_made_on_opening(tmp_path: Path) -> None:
    """A store without one of today's tables, as an older release left it, opens and works."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
    with lmdb.open(str(tmp_path / "q"), max_dbs=64) as env, env.begin(write=True) as txn:
        txn.drop(env.open_db(b"presence", txn=txn), delete=True)
        txn.delete(b"tables", db=env.open_db(b"meta", txn=txn))  # a number that such a release did not keep
    with Queue.open(tmp_path / "q", create=False) as queue:
        queue.worker("w").heartbeat()
        assert queue.job("a").id == "a"


def stamp(path: Path, version: bytes) -> None:
    """Say that the views have a version, and spoil one of them."""
    with Store.open(path, create=False) as store, store.write() as txn:
        txn.put("meta", b"views", version)
        txn.delete("ids", b"a")


def test_views_of_an_older_layout_are_rebuilt_on_opening(tmp_path: Path) -> None:
    """Whatever an older release's views held, opening makes them anew from the log."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
    stamp(tmp_path / "q", b"0")
    with Queue.open(tmp_path / "q", create=False) as queue:
        assert (queue.job("a").id, queue.admin.replay(check=True).differences) == ("a", [])


def test_views_of_a_newer_layout_are_left_alone(tmp_path: Path) -> None:
    """A newer release's views are refused in words, and the store can be opened by it still."""
    with Queue.open(tmp_path / "q") as queue:
        queue.enqueue("true", id="a")
    stamp(tmp_path / "q", str(VIEWS_VERSION + 1).encode())
    with pytest.raises(NewerFormat, match="version of the views"):
        Queue.open(tmp_path / "q", create=False)
