"""How the views are laid out, and whether those of a store are: an older release laid them out otherwise."""

from typing import Final

from ..errors import NewerFormat
from ..store.store import Store, Transaction
from ..store.tables import META, VERSION_OF_VIEWS

VIEWS_VERSION: Final = 13
"""The layout of the views; raised when a row or a table of them changes, so that they are rebuilt.

A new view needs a module here for its table; the table's name in VIEW_TABLES (`store/tables.py`); its rows, from
`changes` or `Views._apply_named` (`views.py`), and where it is no function of jobs from `bulk_fold.py` too; its
name in SMALL_TABLES (`compare.py`) if it has few rows; this number raised; and its line in docs/architecture.md, "The
views".
"""


def is_outdated(store: Store) -> bool:
    """Whether an older queuectl laid the views out; raises NewerFormat where a newer one did."""
    with store.read() as txn:
        found = _version_in(txn)
    if found > VIEWS_VERSION:
        raise NewerFormat(f"the version of the views at {store.path}", found, VIEWS_VERSION)
    return found < VIEWS_VERSION


def is_older(txn: Transaction) -> bool:
    """Whether an older queuectl laid the views out that a transaction reads; a newer one is not refused."""
    return _version_in(txn) < VIEWS_VERSION


def _version_in(txn: Transaction) -> int:
    return int(txn.get(META, VERSION_OF_VIEWS) or b"0")


def stamp(txn: Transaction) -> None:
    """Record that the views are laid out as this release has them."""
    txn.put(META, VERSION_OF_VIEWS, str(VIEWS_VERSION).encode())
