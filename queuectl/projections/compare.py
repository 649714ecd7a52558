"""Compares rebuilt views with the live ones row by row, while workers go on changing both.

All rows of a million jobs can not be read within the one transaction that swaps: workers would wait.
So they are read before, a bounded number to a read transaction, each a snapshot of both sets. Rows
that are equal in it need no second look unless one of them changes afterwards, and the rebuild says
which rows it changes (`touch`). Rows that are not equal may only be so because the rebuild is some
events behind. Both kinds stay `open`: they are compared again (`settle`), in the end inside the
transaction in which both sets stand at the same position (`conclude`), with the small tables whole,
and the number of rows in each table. So no difference is told that is none, and none is missed but
that of a row of an earlier snapshot which a fault, not an event, spoils while the comparison goes on.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from ..store.store import VIEW_TABLES, Transaction
from . import config, environments, marks, queues, workers

SMALL_TABLES: Final = frozenset({config.TABLE, marks.TABLE, queues.TABLE, workers.TABLE})
"""Tables with few rows, however many jobs there are: compared whole, at the end.

`marks` has a row for each queue that has jobs: 20,000 queues keep writers waiting for 30 ms.
"""

ROWS_AT_ONCE = 10_000
"""Rows of each set to a read transaction: some 10 ms."""

LARGE_ROWS = 500
"""The same of environments, each of which may have 64 KiB."""

OPEN_ROWS = 5_000
"""With as many rows of a table open, no more of it are read before these are decided."""


class Comparison:
    """How far the live views of a store and the others have been compared."""

    def __init__(self) -> None:
        self._large = [table for table in VIEW_TABLES if table not in SMALL_TABLES]
        self._unread: dict[str, bytes] = dict.fromkeys(self._large, b"")
        self._open: dict[str, set[bytes]] = {table: set() for table in self._large}

    def touch(self, table: str, keys: Iterable[bytes]) -> None:
        """Note that the rebuild is about to change rows."""
        if table in self._open:
            self._open[table].update(keys)

    def read_on(self, live: Transaction) -> bool:
        """Compare the next rows; returns whether there were any to compare."""
        table = next((table for table in self._unread if len(self._open[table]) < OPEN_ROWS), None)
        if table is None:
            return False
        start = self._unread[table]
        most = min(ROWS_AT_ONCE, LARGE_ROWS) if table == environments.TABLE else ROWS_AT_ONCE
        mine = list(islice(live.scan(table, start), most))
        other = list(islice(live.shadow().scan(table, start), most))
        ends = [rows[-1][0] for rows in (mine, other) if len(rows) == most]
        end = min(ends, default=None)
        if mine != other:
            differing = sorted(key for key in {key for key, _ in set(mine) ^ set(other)} if end is None or key <= end)
            if len(differing) > OPEN_ROWS:
                end = differing[OPEN_ROWS - 1]
            self._open[table].update(differing[:OPEN_ROWS])
        if end is None:
            del self._unread[table]
        else:
            self._unread[table] = end + b"\0"
        return True

    def settle(self, live: Transaction) -> None:
        """Leave those rows open that still differ."""
        shadow = live.shadow()
        for table, keys in self._open.items():
            self._open[table] = {key for key in keys if live.get(table, key) != shadow.get(table, key)}

    def conclude(self, live: Transaction) -> list[str] | None:
        """Return the first difference in each table, both sets being at the same position.

        None: so many rows were open that others were not read, and now they are equal; read on.
        """
        self.settle(live)
        if any(not self._open[table] for table in self._unread):
            return None
        found = (
            _first_of(live, table) if table in SMALL_TABLES else _first_among(live, table, self._open[table])
            for table in VIEW_TABLES
        )
        return [difference for difference in found if difference is not None]


def _first_of(live: Transaction, table: str) -> str | None:
    differing = {key for key, _ in set(live.scan(table)) ^ set(live.shadow().scan(table))}
    return _first_among(live, table, differing)


def _first_among(live: Transaction, table: str, differing: set[bytes]) -> str | None:
    shadow = live.shadow()
    if differing:
        key = min(differing)
        mine, other = live.get(table, key), shadow.get(table, key)
        return f"{table}: from key {key.hex()} on, live {_shown(key, mine)}, from the log {_shown(key, other)}"
    if (count := live.count(table)) != (counted := shadow.count(table)):
        return f"{table}: live has {count} rows, from the log {counted}; they were changed meanwhile by no event"
    return None


def _shown(key: bytes, value: bytes | None) -> str:
    return "has nothing" if value is None else f"{key.hex()} = {value.hex() or 'nothing'}"
