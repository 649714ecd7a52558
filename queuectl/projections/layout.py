"""How the views are laid out, and whether those of a store are: an older release laid them out otherwise."""

from typing import Final

from ..errors import NewerFormat
from ..store.store import Store, Transaction
from ..store.tables import META, VERSION_OF_VIEWS

VIEWS_VERSION: Final = 11
"""The layout of the views; raised when a row or a table of them changes, so that they are rebuilt."""


def is_outdated(store: Store) -> bool:
    """Whether an older queuectl laid the views out; raises NewerFormat where a newer one did."""
    with store.read() as txn:
        found = int(txn.get(META, VERSION_OF_VIEWS) or b"0")
    if found > VIEWS_VERSION:
        raise NewerFormat(f"the version of the views at {store.path}", found, VIEWS_VERSION)
    return found < VIEWS_VERSION


def stamp(txn: Transaction) -> None:
    """Record that the views are laid out as this release has them."""
    txn.put(META, VERSION_OF_VIEWS, str(VIEWS_VERSION).encode())
