"""What queuectl uses of other packages beyond what they promise: a release that lacks it is to be told by its name."""

import inspect

from lmdb import _envid
from uvicorn.protocols.http.h11_impl import H11Protocol


def test_the_list_of_open_files_of_lmdb() -> None:
    """py-lmdb looks for open files by `_envid.env_keys`, which lmdb_file replaces for a moment."""
    assert callable(getattr(_envid, "env_keys", None)), "lmdb._envid.env_keys is gone; see lmdb_file._unlisted"


def test_the_connection_of_uvicorn() -> None:
    """The dashboard's connections are uvicorn's for h11, whose steps and fields web.connections goes by."""
    steps = ("connection_made", "connection_lost", "data_received")
    assert [each for each in steps if not callable(getattr(H11Protocol, each, None))] == []
    made = inspect.getsource(H11Protocol)
    lacking = [each for each in ("conn", "transport", "loop", "client", "server") if f"self.{each}" not in made]
    assert lacking == [], f"uvicorn's H11Protocol has no {lacking} any more; see web.connections.Connection"
