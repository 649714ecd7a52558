"""Nodes that share a log: killed while they follow, and held against each other once each has adopted all of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any
from unittest.mock import patch

from queuectl import Queue
from queuectl.projections import marks
from queuectl.projections.views import Views
from queuectl.store import adopted
from queuectl.store.store import VIEW_TABLES

BY_PROMOTION = ("ready", "scheduled", "marks")
"""What depends on which jobs a node has made ready, which each does for itself."""


class Killed(BaseException):
    """Stands for the death of a process: nothing in it can go on."""


@contextmanager
def killed_while_adopting(after: int) -> Iterator[None]:
    """Let whoever follows die in the middle of a transaction, once it has adopted so many messages, if it comes to."""
    note, numbers = adopted.note, count()

    def die_in_time(*args: Any, **options: Any) -> None:
        note(*args, **options)
        if next(numbers) == after:
            raise Killed

    with patch.object(adopted, "note", die_in_time), suppress(Killed):
        yield


def check_alike(nodes: Sequence[Queue]) -> None:
    """Hold each node against a replay of its log, and all against each other: the log, its streams and every view."""
    for queue in nodes:
        assert queue.admin.replay(check=True).differences == []
    first, *others = map(tables, nodes)
    for other in others:
        assert [name for name in first if first[name] != other[name] and name not in BY_PROMOTION] == []
    latest = max(map(_promoted_until, nodes))
    for queue in nodes:
        with queue._store.write() as txn:
            Views(txn).promote_to(latest)
    assert all(tables(queue) == tables(nodes[0]) for queue in nodes), "promoted alike, all tables are"


def tables(queue: Queue) -> dict[str, list[tuple[bytes, bytes]]]:
    """Return the rows of the log and of each view."""
    with queue._store.read() as txn:
        return {name: list(txn.scan(name)) for name in (*VIEW_TABLES, "log", "streams")}


def _promoted_until(queue: Queue) -> int:
    """Return up to when a node has made jobs ready."""
    with queue._store.read() as txn:
        return marks.get(txn, marks.PROMOTED)
