"""Makes the views anew from the log, beside the live ones; compares, and swaps on request.

The shadow is filled in transactions of a bounded number of events, so that workers go on between
them; the last one catches up, compares and swaps. Strict: what cannot be applied stops it, with
the live views untouched.
"""

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import NamedTuple

from ..errors import NewerFormat, StoreError
from ..events.lmdb_log import LmdbLog
from ..store import VIEW_TABLES, Row, Store, Transaction
from .runner import Views

VIEWS_VERSION = 2
"""The layout of the views; raised when a row or a table of them changes, so that they are rebuilt."""

BATCH = 10_000

_VERSION_KEY = b"views"

Progress = Callable[[int, int], None]


class Rebuilt(NamedTuple):
    """What a rebuild found: events applied, and the first difference in each table to the live views."""

    events: int
    differences: list[str]
    swapped: bool


def rebuild(store: Store, *, swap: bool, progress: Progress | None = None) -> Rebuilt:
    """Rebuild every view from the log and compare; with `swap` the rebuilt ones become the live ones."""
    _clear(store)
    done = 0
    while True:
        with store.write() as txn:
            head = LmdbLog(txn).head()
            done = _catch_up(txn.shadow(), done, min(head, done + BATCH))
            if done == head:
                differences = _finish(txn)
                if swap:
                    txn.shadow().make_live()
                    stamp(txn)
                break
        if progress:
            progress(done, head)
    if progress:
        progress(done, done)
    _clear(store)
    return Rebuilt(done, differences, swap)


def is_outdated(store: Store) -> bool:
    """Tell whether an older queuectl laid the views out; raises NewerFormat where a newer one did."""
    with store.read() as txn:
        found = int(txn.get("meta", _VERSION_KEY) or b"0")
    if found > VIEWS_VERSION:
        raise NewerFormat(f"the version of the views at {store.path}", found, VIEWS_VERSION)
    return found < VIEWS_VERSION


def bring_up_to_date(store: Store) -> None:
    """Rebuild the views in this release's layout."""
    with store.read() as txn:
        is_empty = LmdbLog(txn).head() == 0
    if is_empty:
        with store.write() as txn:
            stamp(txn)
    else:
        rebuild(store, swap=True)


def stamp(txn: Transaction) -> None:
    """Say that the views are laid out as this release has them."""
    txn.put("meta", _VERSION_KEY, str(VIEWS_VERSION).encode())


def _clear(store: Store) -> None:
    with store.write() as txn:
        shadow = txn.shadow()
        for table in VIEW_TABLES:
            shadow.clear(table)


def _catch_up(shadow: Transaction, after: int, upto: int) -> int:
    views = Views(shadow)
    if views.applied != after:
        raise StoreError(
            f"cannot rebuild behind position {after}: another replay is at work; let it end, then try again"
        )
    for recorded in LmdbLog(shadow).read(after, until=upto):
        views.apply(recorded)
    views.flush()
    return upto


def _finish(txn: Transaction) -> list[str]:
    live, shadow = Views(txn), Views(txn.shadow())
    shadow.promote_to(live.promoted_us)
    return list(_differences(txn, txn.shadow()))


def _differences(live: Transaction, rebuilt: Transaction) -> Iterator[str]:
    for table in VIEW_TABLES:
        yield from _table_differences(table, live.scan(table), rebuilt.scan(table))


def _table_differences(table: str, live: Iterator[Row], rebuilt: Iterator[Row]) -> Iterator[str]:
    for mine, other in zip_longest(live, rebuilt):
        if mine != other:
            key = min(row[0] for row in (mine, other) if row is not None)
            yield f"{table}: from key {key.hex()} on, live {_shown(mine)}, from the log {_shown(other)}"
            return


def _shown(row: Row | None) -> str:
    return "has nothing" if row is None else f"{row[0].hex()} = {row[1].hex() or 'nothing'}"
